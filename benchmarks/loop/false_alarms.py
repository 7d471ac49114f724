"""What clean traffic costs: photos of vehicles that the reference has never seen, followed as the service does it.

    python benchmarks/loop/false_alarms.py --photos 200000

The figures of photos are drawn from synthetic vehicles that were rendered and measured; every inspection is kept in a
real database, followed by the process's own code in its batches, and after each block the loop's policy is asked for
what is due. Prints inspections, incidents, and the steps that they led to: no retraining may be among them.
"""

import argparse
import json
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.statistics import STATISTIC_NAMES
from dentwatch.loop import journal, policy
from dentwatch.monitoring import incidents, lease
from dentwatch.monitoring.follower import BATCH, LEASE, LEASE_LENGTH, Follower
from dentwatch.monitoring.monitors import Monitors
from dentwatch.monitoring.reference import Reference
from dentwatch.records import inspections
from dentwatch.records.database import Database
from dentwatch.records.inspections import KeptInspection, KeptPhoto
from dentwatch.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1] / "drift"))
from measuring import CACHE, PHOTOS_PER_VEHICLE, synthetic

MODEL = "dentwatch/1"
SIZE = (640, 480)
HOLDER = "benchmark"
BLOCK = 25 * BATCH  # inspections between two looks of the policy
SEED = 1


def reference_of(figures: NDArray[np.float64]) -> Reference:
    """Photos of a reference, two of each vehicle, by their statistics."""
    blank = Reference(np.empty((0, 0)), (), MODEL, "", "traffic", datetime.now(UTC).isoformat())
    rows = [blank.features_of(named(one), [], None, SIZE) for one in figures]
    owners = tuple(str(number // PHOTOS_PER_VEHICLE) for number in range(len(rows)))
    return Reference(np.stack(rows), owners, MODEL, "", "traffic", blank.created_at)


def named(figures: NDArray[np.float64]) -> dict[str, float]:
    """The statistics of a photo by name."""
    return dict(zip(STATISTIC_NAMES, map(float, figures), strict=True))


def inspection(figures: NDArray[np.float64], channel: str) -> KeptInspection:
    """An inspection of one vehicle, as serving keeps it."""
    photos = tuple(
        KeptPhoto("0" * 64, f"{number}.jpg", reliable=True, width=SIZE[0], height=SIZE[1], statistics=named(one))
        for number, one in enumerate(figures)
    )
    now = datetime.now(UTC)
    return KeptInspection(
        id=str(uuid.uuid4()), created_at=now, status="done", channel=channel, model=MODEL, answer={}, photos=photos
    )


def watch(settings: Settings, monitors: Monitors, vehicles: NDArray[np.float64], photos: int) -> dict[str, object]:
    """Follow so many photos of ``vehicles`` ``(V, 2, S)``; what came of them."""
    rng, sent, steps = np.random.default_rng(SEED), 0, Counter[str]()
    with closing(Database.of(settings)) as database:
        follower = Follower(database, HOLDER, settings.monitoring.review_share)
        while sent * PHOTOS_PER_VEHICLE < photos:
            with database.writing() as connection:
                for number in rng.integers(len(vehicles), size=BLOCK):
                    inspections.keep(connection, inspection(vehicles[number], ("app", "web")[number % 2]))
                lease.take(connection, LEASE, HOLDER, datetime.now(UTC), LEASE_LENGTH)
            while follower.follow(monitors):
                pass
            sent += BLOCK
            policy.ask_due(settings, database, datetime.now(UTC))
        with database.reading() as connection:
            found = incidents.page(connection)
            steps.update(step.kind for step in journal.steps(connection))
    causes = [(one.cause, one.slice, one.level) for one in found]
    return {"inspections": sent, "photos": sent * PHOTOS_PER_VEHICLE, "incidents": causes, "steps": dict(steps)}


def main() -> None:
    """Print one JSON document; exit code 1 where a retraining was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=200_000)
    parser.add_argument("--vehicles", type=int, default=600, help="that are rendered: half are the reference")
    parser.add_argument("--cache", type=Path, default=CACHE)
    chosen = parser.parse_args()
    clean = synthetic(chosen.cache, SEED, chosen.vehicles, drifts=()).clean
    known, others = np.split(clean, [chosen.vehicles // 2 * PHOTOS_PER_VEHICLE])
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home))
        monitors = Monitors(reference_of(known), settings.monitoring.one_in)
        held_out = others.reshape(-1, PHOTOS_PER_VEHICLE, len(STATISTIC_NAMES))
        found = watch(settings, monitors, held_out, chosen.photos)
    found = {**found, "one in": settings.monitoring.one_in, "seconds": round(time.monotonic() - began)}
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    sys.exit("retrain" in str(found["steps"]))


if __name__ == "__main__":
    main()
