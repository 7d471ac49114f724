"""Dentwatch beside other servers and beside what is possible, on this machine, in one run.

::

    python benchmarks/serving/run.py                         # everything: about half an hour after the first time
    python benchmarks/serving/run.py --quick                 # one short round, to see that it works
    python benchmarks/serving/run.py --only limit dentwatch --seconds 20

The systems take turns: in each round every system is started, warmed up, measured under each workload and stopped, the
order turned by one from round to round. A machine's speed changes from one second to the next, so a measurement is made
in slices of two seconds (eight with 32 connections), and before and after each the limit is measured, too. README.md
says what the rows mean.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from answers import Found, agreement, reference
from environments import PeerError, peers, versions
from limit import InProcess, RunningProcesses
from loading import CACHE
from photos import LARGE, SMALL, PhotoSet, photo_set
from processes import ServerError, end_in_order_on_sigterm
from results import Cell, Row, Workload, machine, show
from rich.console import Console
from systems import DentwatchServer, PeerServer, Route, Running, System, UnavailableError

from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.models import starter

SLICE_SECONDS = 2.0
WORKLOADS = (Workload(LARGE, 8), Workload(SMALL, 8), Workload(LARGE, 32))


class Benchmark:
    """The systems, the photos and what has been found so far; ``limit`` runs all the while, and mostly waits."""

    def __init__(
        self, systems: Sequence[System], limit: RunningProcesses, bundle: ModelBundle, cache: Path, seconds: float
    ) -> None:
        self.rows = {(system.key, route): Row(system.key, route.title) for system in systems for route in system.routes}
        self._systems = list(systems)
        self._limit = limit
        self._seconds = seconds
        self._photos: dict[str, PhotoSet] = {kind: photo_set(kind, cache) for kind in (LARGE, SMALL)}
        self._due = {kind: reference(bundle, photos.jpegs) for kind, photos in self._photos.items()}

    def round(self, number: int) -> None:
        """Measure every system once, beginning with another one each time."""
        turn = number % len(self._systems)
        for system in self._systems[turn:] + self._systems[:turn]:
            self._measure_system(system, number)

    def _measure_system(self, system: System, number: int) -> None:
        routes = [route for route in system.routes if not self.rows[system.key, route].note]
        if not routes:
            return
        try:
            with system.start() as running:
                for route in routes:
                    self._measure_route(running, route, self.rows[system.key, route], number)
        except (PeerError, ServerError, OSError) as error:
            for route in routes:
                self.rows[system.key, route].note = f"not available: {error}"

    def _measure_route(self, running: Running, route: Route, row: Row, number: int) -> None:
        try:
            for workload in WORKLOADS:
                photos = self._photos[workload.photos]
                cell = row.cells.setdefault(workload, Cell())
                if number == 0:
                    cell.f1 = self._f1(running.answers(route, photos), workload.photos)
                # What is under way at the end of a slice does not count: the more it is, the longer the slice.
                slice_seconds = SLICE_SECONDS * workload.connections / 8
                running.measure(route, photos, workload.connections, slice_seconds)
                before = self._limit_now(photos)
                for _ in range(max(1, round(self._seconds / slice_seconds))):
                    cell.rounds.append(running.measure(route, photos, workload.connections, slice_seconds))
                    after = self._limit_now(photos)
                    cell.shares.append(cell.rounds[-1].per_second / ((before + after) / 2))
                    before = after
                with running.watch() as memory:  # in a slice of its own, because looking takes time from the server
                    running.measure(route, photos, workload.connections, slice_seconds)
                cell.peaks.append(memory.peak)
                told = f"{cell.per_second:.1f} photos/s, {cell.share:.0%} of the limit so far"
                print(f"round {number + 1}: {row.title}, {workload.title}: {told}", file=sys.stderr, flush=True)
        except (UnavailableError, ServerError) as error:
            row.note = f"not available: {error}"

    def _limit_now(self, photos: PhotoSet) -> float:
        """Photos per second of the limit at this moment."""
        return self._limit.work_on(photos, SLICE_SECONDS).per_second

    def _f1(self, answers: list[list[Found]], kind: str) -> float:
        return agreement(answers, self._due[kind])


def main() -> None:
    """Measure, print a table per workload, and write the document."""
    end_in_order_on_sigterm()
    options = _options()
    options.cache.mkdir(parents=True, exist_ok=True)
    bundle = ModelBundle.load(options.model) if options.model else starter()
    chosen = _chosen(bundle, options.cache, options.only)
    before = machine()
    if before["load_average_before"] > before["cores"] / 4:
        print(
            f"This machine is busy (load {before['load_average_before']}): do not trust the figures.", file=sys.stderr
        )
    with InProcess(bundle, reduced=True).start() as limit:
        benchmark = Benchmark(chosen, limit, bundle, options.cache, options.seconds)
        for number in range(options.rounds):
            benchmark.round(number)
    rows = list(benchmark.rows.values())
    console = Console(width=150)
    for workload in WORKLOADS:
        show(console, workload, rows)
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": before,
        "model": bundle.name,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "settings": {name: value for name, value in os.environ.items() if name.startswith("DENTWATCH_")},
        "peers": {peer.key: versions(peer, options.cache) for peer in peers()},
        "rows": [row.document() for row in rows],
    }
    options.json.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print(f"Written to {options.json}", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Dentwatch beside other servers, on this machine, in one run.")
    parser.add_argument("--quick", action="store_true", help="one round of one slice: shows only that it works")
    parser.add_argument("--only", nargs="+", metavar="SYSTEM", help="systems to measure (default: all)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each")
    parser.add_argument("--model", type=Path, help="folder of a model; default: the starter model (YOLOX-nano, 416 px)")
    parser.add_argument(
        "--cache",
        type=Path,
        default=CACHE,
        help="folder for photos, the peers' environments, logs and Dentwatch's home",
    )
    parser.add_argument("--json", type=Path, help="file for the document; default: serving.json in the cache")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, SLICE_SECONDS
    options.json = options.json or options.cache / "serving.json"
    return options


def _chosen(bundle: ModelBundle, cache: Path, only: Sequence[str] | None) -> list[System]:
    everything: list[System] = [
        InProcess(bundle, reduced=True),
        InProcess(bundle, reduced=True, as_served=True),
        InProcess(bundle, reduced=False),
    ]
    everything.append(DentwatchServer(cache, bundle))
    everything += [PeerServer(peer, cache, bundle) for peer in peers()]
    keys = [system.key for system in everything]
    for name in only or ():
        if name not in keys:
            raise SystemExit(f"There is no system {name!r}; there are {', '.join(keys)}.")
    return [system for system in everything if not only or system.key in only]


if __name__ == "__main__":
    main()
