"""What a challenger in the shadow costs those who wait for the champion, when a core is free.

::

    taskset -c 0,1 python benchmarks/serving/shadow.py              # 12-megapixel photos, 5 rounds of 20 s each way
    python benchmarks/serving/shadow.py --seconds 1 --rounds 1      # only to see that it works

Two servers of one worker process each, one with a challenger in the shadow and one without, are asked in turn over one
connection: the worker takes one core, the other is free for the challenger. Prints one JSON document.
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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import processes
from client import closed_loop
from connections import Address
from load import Load, percentile
from loading import CACHE, chosen_route
from photos import LARGE, SMALL, photo_set
from results import machine
from systems import HOST, RunningServer

from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.registry import Registry
from dentwatch.serving.models import starter
from dentwatch.settings import Settings

GOAL = 1.1
"""Most that the p99 with a shadow may be of that without."""

_ROUTE = "/v1/inspections"  # what the contracts answer is not shown to a challenger
_LOADED = "The challenger is now"


def register_two(home: Path) -> None:
    """A registry in ``home``: the starter model as champion, and as challenger the same network under another id."""
    registry, bundle = Registry(Settings(home=home)), starter()
    registry.promote(registry.register(bundle).number, "the benchmark's champion", "benchmark")
    folder = home / "challenger"
    shutil.copytree(bundle.folder, folder)
    registry.register(ModelBundle.write_spec(folder, bundle.spec.model_copy(update={"commit": "challenger"})))


@contextmanager
def served(home: Path, shadow: bool) -> Iterator[RunningServer]:
    """The champion of the registry in ``home``, served by one worker process."""
    port, name = processes.free_port(), "on" if shadow else "off"
    start = "from dentwatch.cli import main; main()"
    command = [sys.executable, "-c", start, "serve", "--host", HOST, "--port", str(port), "--model", "champion"]
    environment = {
        "DENTWATCH_HOME": os.fspath(home),
        "DENTWATCH_DATABASE_URL": f"sqlite:///{home / name}.db",
        "DENTWATCH_SERVING__WORKERS": "1",
        "DENTWATCH_SERVING__THREADS": "1",
        "DENTWATCH_SERVING__SHADOW": str(shadow).lower(),
    }
    log = home / f"{name}.log"
    with processes.running(command, home, environment, log) as pid:
        processes.wait_until_open(HOST, port, pid, log)
        deadline = time.monotonic() + 60
        while shadow and _LOADED not in log.read_text("utf-8", "replace"):
            if time.monotonic() > deadline:
                raise processes.ServerError(f"no challenger was loaded: {processes.last_words(log)}")
            time.sleep(0.1)
        yield RunningServer(Address(HOST, port), pid)


@dataclass
class Rounds:
    """Seconds of every answer, and the p99 of every round, without and with a shadow."""

    answered: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    p99s: dict[bool, list[float]] = field(default_factory=lambda: {False: [], True: []})
    errors: int = 0

    def add(self, shadow: bool, load: Load) -> None:
        """Another round."""
        seconds = [exchange.seconds for exchange in load.answered]
        self.answered[shadow] += seconds
        self.p99s[shadow].append(percentile(seconds, 0.99))
        self.errors += load.errors

    def figures(self) -> dict[str, float]:
        """Percentiles in milliseconds, and the p99 with a shadow ÷ that without: over all answers, and per round."""
        found: dict[str, float] = {"errors": self.errors}
        for title, shadow in (("without", False), ("with", True)):
            found[f"answers_{title}"] = len(self.answered[shadow])
            found[f"p50_{title}_ms"] = percentile(self.answered[shadow], 0.5) * 1000
            found[f"p99_{title}_ms"] = percentile(self.answered[shadow], 0.99) * 1000
        found["p99_ratio"] = found["p99_with_ms"] / found["p99_without_ms"]
        ratios = [on / off for off, on in zip(self.p99s[False], self.p99s[True], strict=True)]
        return {**found, "p99_ratio_median_of_rounds": statistics.median(ratios)}


def main() -> None:
    """Measure in turn and print one JSON document."""
    parser = argparse.ArgumentParser(description="The latency of answers with and without a challenger in the shadow.")
    parser.add_argument("--photos", choices=(LARGE, SMALL), default=LARGE)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds with, and as many without")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for photos and homes")
    options = parser.parse_args()
    processes.end_in_order_on_sigterm()
    options.cache.mkdir(parents=True, exist_ok=True)
    photos, route, rounds = photo_set(options.photos, options.cache), chosen_route(_ROUTE), Rounds()
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="home-", dir=options.cache))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        register_two(home)
        servers = {shadow: stack.enter_context(served(home, shadow)) for shadow in (False, True)}
        for server in servers.values():
            server.answers(route, photos)
        for _ in range(options.rounds):
            for shadow, server in servers.items():
                with server.prepared(route, photos) as requests:
                    load = closed_loop(server.address, requests, 1, options.seconds, server.next_number())
                rounds.add(shadow, load)
    print(json.dumps({"machine": machine(), "photos": options.photos, **rounds.figures(), "goal": GOAL}, indent=2))


if __name__ == "__main__":
    main()
