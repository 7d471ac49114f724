"""What watching for drift costs those who are served.

::

    python benchmarks/serving/monitoring.py                            # 640-pixel photos, 5 rounds of 20 s each way
    python benchmarks/serving/monitoring.py --seconds 1 --rounds 1     # only to see that it works

Two servers of two worker processes each, one with monitoring beside it and one without, are asked in turn over 8
connections. Both have answered enough photos before for the detectors to be armed. Prints one JSON document.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import processes
from client import closed_loop
from connections import Address
from load import percentile
from loading import CACHE, chosen_route
from photos import LARGE, SMALL, photo_set
from results import machine
from systems import HOST, RunningServer

from dentwatch.monitoring import feed, watch_state
from dentwatch.monitoring.arming import WARM_UP_PHOTOS
from dentwatch.monitoring.reference import Reference
from dentwatch.records.database import Database
from dentwatch.serving.models import starter

GOAL = 0.95
"""Least that the photos per second with monitoring may be of those without."""

_ROUTE = "/v1/inspections"
_CONNECTIONS = 8
_PATIENCE = 300.0
_LEAST_PHOTOS = 600  # in the reference


@contextmanager
def served(home: Path, watched: bool) -> Iterator[RunningServer]:
    """The starter model, served from ``home`` by two worker processes."""
    port = processes.free_port()
    start = "from dentwatch.cli import main; main()"
    command = [sys.executable, "-c", start, "serve", "--host", HOST, "--port", str(port), "--model", "starter"]
    environment = {"DENTWATCH_HOME": os.fspath(home), "DENTWATCH_MONITORING__ENABLED": str(watched).lower()}
    home.mkdir()
    log = home / "log"
    with processes.running(command, home, environment, log) as pid:
        processes.wait_until_open(HOST, port, pid, log)
        yield RunningServer(Address(HOST, port), pid)


def wait_until_armed(home: Path) -> None:
    """Wait until the detectors compare, and have seen everything."""
    deadline = time.monotonic() + _PATIENCE
    with closing(Database(f"sqlite:///{home / 'dentwatch.db'}")) as database:
        while time.monotonic() < deadline:
            with database.reading() as connection:
                if watch_state.read(connection).reference is not None and not feed.count_unseen(connection):
                    return
            time.sleep(0.5)
    raise processes.ServerError(f"the detectors were not armed: {processes.last_words(home / 'log')}")


def make_reference(home: Path) -> None:
    """A reference of what was answered; the benchmark's few photos stand for as many vehicles."""
    bundle = starter()
    with closing(Database(f"sqlite:///{home / 'dentwatch.db'}")) as database:
        kept = Reference.of_traffic(database, bundle, photos=WARM_UP_PHOTOS)
    features = np.tile(kept.features, (_LEAST_PHOTOS // len(kept.features) + 1, 1))
    made = replace(kept, features=features, vehicles=tuple(map(str, range(len(features)))))
    made.save(home / "references" / f"traffic-{bundle.name.replace('/', '-')}-{bundle.fingerprint}.npz")


def main() -> None:
    """Measure in turn and print one JSON document."""
    parser = argparse.ArgumentParser(description="Throughput and latency with and without monitoring.")
    parser.add_argument("--photos", choices=(LARGE, SMALL), default=SMALL)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds with, and as many without")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for photos and homes")
    options = parser.parse_args()
    processes.end_in_order_on_sigterm()
    options.cache.mkdir(parents=True, exist_ok=True)
    photos, route = photo_set(options.photos, options.cache), chosen_route(_ROUTE)
    rates: dict[bool, list[float]] = {False: [], True: []}
    seconds: dict[bool, list[float]] = {False: [], True: []}
    errors = 0
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="home-", dir=options.cache))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        homes = {watched: folder / ("with" if watched else "without") for watched in (False, True)}
        servers = {watched: stack.enter_context(served(home, watched)) for watched, home in homes.items()}
        for server in servers.values():
            answered = 0
            while answered < WARM_UP_PHOTOS:
                with server.prepared(route, photos) as requests:
                    load = closed_loop(server.address, requests, _CONNECTIONS, 5.0, server.next_number())
                answered += len(load.answered)
        make_reference(homes[True])
        wait_until_armed(homes[True])
        for _ in range(options.rounds):
            for watched, server in servers.items():
                with server.prepared(route, photos) as requests:
                    load = closed_loop(server.address, requests, _CONNECTIONS, options.seconds, server.next_number())
                rates[watched].append(load.per_second)
                seconds[watched] += [exchange.seconds for exchange in load.answered]
                errors += load.errors
        wait_until_armed(homes[True])  # it keeps up
    ratios = [on / off for off, on in zip(rates[False], rates[True], strict=True)]
    figures = {
        "photos_per_second_without": statistics.median(rates[False]),
        "photos_per_second_with": statistics.median(rates[True]),
        "p99_without_ms": percentile(seconds[False], 0.99) * 1000,
        "p99_with_ms": percentile(seconds[True], 0.99) * 1000,
        "ratio_median_of_rounds": statistics.median(ratios),
        "ratios": ratios,
        "errors": errors,
        "goal": GOAL,
    }
    print(json.dumps({"machine": machine(), "photos": options.photos, **figures}, indent=2))


if __name__ == "__main__":
    main()
