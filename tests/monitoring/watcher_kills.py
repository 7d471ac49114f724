"""A process that watches, killed while inspections keep coming, and what is left of its promises.

Of three kills, two come while it writes to the database and one at a random moment.

    PYTHONPATH=tests/serving python tests/monitoring/watcher_kills.py 100

prints how many inspections were seen and which promises were broken. The inspections' figures are drawn; the process,
its database and the kills are real.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
from command import command
from inspected import DARK, keep, vehicle
from receiver import until
from rectangles import rectangle_graph, write_bundle
from sqlalchemy import select

from dentwatch.monitoring import feed, incidents, lease, watch_state
from dentwatch.monitoring.alerts import outbox
from dentwatch.monitoring.follower import LEASE
from dentwatch.monitoring.incident_alerts import key_of
from dentwatch.records.database import Database
from dentwatch.records.inspections import KeptInspection
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.monitoring_tables import monitoring_feed

_ORDINARY = 400  # inspections before the app's photos get dark
_REFERENCE = 300  # of them are there before anybody watches, enough to arm: so the reference is the same each time
_MOST_WAITING = 100  # more than a batch
_PATIENCE = 120.0  # seconds


@dataclass(frozen=True)
class Home:
    """Where a process watches what the model ``bundle`` answered."""

    folder: Path
    database: Database
    bundle: ModelBundle

    @property
    def updates(self) -> int:
        """How many inspections were seen."""
        with self.database.reading() as connection:
            return watch_state.read(connection).updates

    @contextmanager
    def watched(self) -> Iterator[subprocess.Popen[bytes]]:
        """A process that watches; it is told to stop where it still runs at the end."""
        arguments = command("monitor", "run", "--model", self.bundle.folder)
        environment = {
            **os.environ,
            "DENTWATCH_HOME": str(self.folder),
            "DENTWATCH_MONITORING__LOOK_SECONDS": "0.001",
            "DENTWATCH_MONITORING__ONE_IN": "100000",
        }
        with (
            (self.folder / "log").open("ab") as log,
            subprocess.Popen(arguments, env=environment, stderr=log) as process,
        ):
            try:
                yield process
            finally:
                process.terminate()
                process.wait(40)

    def outcome(self) -> dict[str, Any]:
        """What a kill may not change: the detectors to the last bit, and which incidents were opened and told."""
        with self.database.reading() as connection:
            state = watch_state.read(connection)
            found = incidents.page(connection)
            events = [[event.kind for event in incidents.timeline(connection, one.id)] for one in found]
            told = Counter(one.alert.key for one in outbox.page(connection))
        return {
            "updates": state.updates,
            "detectors": state.detectors,
            "evidence": state.evidence,
            "incidents": [(one.cause, one.slice, one.since, one.state) for one in found],
            "opened": [kinds.count("opened") for kinds in events],
            "told": [told[key_of(one)] for one in found],
        }


@contextmanager
def home(folder: Path, bundle: ModelBundle) -> Iterator[Home]:
    """A new home."""
    folder.mkdir()
    with closing(Database(f"sqlite:///{folder / 'dentwatch.db'}")) as database:
        yield Home(folder, database, bundle)


def traffic(bundle: ModelBundle, seed: int) -> Iterator[KeptInspection]:
    """Inspections from two channels in turn, the same ones each time; at last those from the app are dark."""
    rng = np.random.default_rng(seed)
    for number in count():
        channel = ("app", "web")[number % 2]
        dark = channel == "app" and number >= _ORDINARY
        yield replace(vehicle(rng, number, channel, **(DARK if dark else {})), model=bundle.name)


def kill_under_traffic(place: Home, kills: int, seed: int) -> int:
    """Kill the process that watches ``kills`` times while inspections come, and let the last one see all of them.

    Returns how many inspections came.
    """
    coming = _arm(place, seed)
    over, sending = threading.Event(), threading.Lock()
    sent = [_REFERENCE]
    sender = threading.Thread(target=_send, args=(place, coming, over, sending, sent))
    sender.start()
    rng = random.Random(seed)
    try:
        for number in range(kills):
            seen = place.updates
            with place.watched() as process:
                until(lambda seen=seen: place.updates > seen, _PATIENCE)  # one that is just starting does nothing yet
                if number % 3 == 2:
                    time.sleep(rng.uniform(0.0, 0.5))
                else:
                    until(lambda: _writes(place, sending), _PATIENCE)
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            _forget_the_dead(place)
    finally:
        over.set()
        sender.join()
    _see_all(place, sent[0])
    return sent[0]


def watch_in_peace(place: Home, inspections: int, seed: int) -> None:
    """The same inspections, seen by processes that nobody kills."""
    keep(place.database, *islice(_arm(place, seed), inspections - _REFERENCE))
    _see_all(place, inspections)


def seen_otherwise_than_once(place: Home, inspections: int) -> list[str]:
    """What contradicts that each inspection was seen once, in the order in which it was finished."""
    rows = monitoring_feed
    with place.database.reading() as connection:
        numbers = list(connection.scalars(select(rows.c.update_number).order_by(rows.c.number)))
    wanted = list(range(max(0, inspections - feed.REMEMBERED) + 1, inspections + 1))
    wrong = [] if numbers == wanted else [f"The feed's marks are not 1 to {inspections} in its order."]
    return wrong if place.updates == inspections else [*wrong, f"{place.updates} of {inspections} counted."]


def _arm(place: Home, seed: int) -> Iterator[KeptInspection]:
    """Let a process make the reference of the first inspections; returns those to come."""
    coming = traffic(place.bundle, seed)
    keep(place.database, *islice(coming, _REFERENCE))
    _see_all(place, _REFERENCE)
    return coming


def _see_all(place: Home, inspections: int) -> None:
    with place.watched():
        until(lambda: place.updates >= inspections, _PATIENCE)


def _send(
    place: Home, coming: Iterator[KeptInspection], over: threading.Event, sending: threading.Lock, sent: list[int]
) -> None:
    while not over.wait(0.002):
        with place.database.reading() as connection:
            waiting = feed.count_unseen(connection)
        if waiting < _MOST_WAITING:
            with sending:
                keep(place.database, next(coming))
            sent[0] += 1


def _writes(place: Home, sending: threading.Lock) -> bool:
    """Whether another process is within a writing transaction."""
    with (
        sending,
        closing(sqlite3.connect(place.folder / "dentwatch.db", timeout=0, isolation_level=None)) as connection,
    ):
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # the database is locked
            return True
        connection.execute("ROLLBACK")
        return False


def _forget_the_dead(place: Home) -> None:
    """Another process waits for the end of its lease; here nobody wants to wait so long."""
    with place.database.writing() as connection:
        holder = lease.holder_of(connection, LEASE, datetime.now(UTC))
        if holder is not None:
            lease.let_go(connection, LEASE, holder)


def main() -> None:
    """Run with as many kills as asked for."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bundle = write_bundle(Path(folder) / "model", rectangle_graph())
        with home(Path(folder) / "killed", bundle) as killed, home(Path(folder) / "calm", bundle) as calm:
            inspections = kill_under_traffic(killed, kills, seed=1)
            broken = seen_otherwise_than_once(killed, inspections)
            watch_in_peace(calm, inspections, seed=1)
            disturbed, undisturbed = killed.outcome(), calm.outcome()
    broken += [f"{name} is not what it is without kills" for name in disturbed if disturbed[name] != undisturbed[name]]
    sys.stdout.write(
        f"{kills} kills in {time.monotonic() - started:.0f} s: {inspections} inspections, "
        f"{len(disturbed['incidents'])} incidents, {len(broken)} promises broken\n"
    )
    sys.stdout.writelines(f"{one}\n" for one in broken)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
