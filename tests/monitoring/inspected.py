"""Inspections as serving keeps them, without the photos: their figures are drawn."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from dentwatch.data.statistics import STATISTIC_NAMES
from dentwatch.monitoring.reference import Reference
from dentwatch.records import inspections
from dentwatch.records.annotations import Box
from dentwatch.records.database import Database
from dentwatch.records.detections import Detection
from dentwatch.records.inspections import KeptDetection, KeptInspection, KeptPhoto

START = datetime(2026, 11, 1, 18, 0, tzinfo=UTC)

_ORDINARY = {
    "luma_mean": (110.0, 12.0),
    "luma_p5": (25.0, 6.0),
    "luma_p95": (200.0, 15.0),
    "contrast": (55.0, 6.0),
    "dark_clip": (0.01, 0.004),
    "bright_clip": (0.02, 0.006),
    "sharpness": (-2.0, 0.3),
    "noise": (2.0, 0.3),
    "saturation": (0.3, 0.05),
    "colour_cast": (0.0, 0.08),
    "blockiness": (0.05, 0.03),
    "resolution": (12.0, 0.5),
}
"""Mean and standard deviation of each statistic of an ordinary photo."""


def statistics(rng: np.random.Generator, **changed: float) -> dict[str, float]:
    """The statistics of a photo; ``changed`` are added to what is drawn."""
    assert set(_ORDINARY) == set(STATISTIC_NAMES)
    return {name: float(rng.normal(*_ORDINARY[name])) + changed.get(name, 0.0) for name in STATISTIC_NAMES}


def inspection(
    photos: Sequence[dict[str, float]],
    *,
    minute: int = 0,
    scores: Sequence[float] = (),
    status: str = "done",
    model: str = "tests/1",
    channel: str | None = None,
) -> KeptInspection:
    """An inspection of photos with these statistics, each with detections of these scores."""
    return KeptInspection(
        id=str(uuid.uuid4()),
        created_at=START + timedelta(minutes=minute),
        status=status,  # type: ignore[arg-type]
        channel=channel,
        model=model,
        answer={},
        photos=tuple(
            KeptPhoto(
                photo_id=f"{number:064x}",
                name=f"{number}.jpg",
                reliable=True,
                width=4000,
                height=3000,
                statistics=dict(one),
                detections=tuple(
                    KeptDetection(Detection("scratch", score, Box(10.0, 10.0, 50.0, 20.0))) for score in scores
                ),
            )
            for number, one in enumerate(photos)
        ),
    )


def keep(database: Database, *kept: KeptInspection) -> None:
    """Keep inspections, in this order."""
    with database.writing() as connection:
        for one in kept:
            inspections.keep(connection, one)


def reference(rng: np.random.Generator, vehicles: int = 400) -> Reference:
    """Two ordinary photos of each of so many vehicles, without embeddings."""
    blank = Reference(
        features=np.empty((0, 0)),
        vehicles=tuple(str(number // 2) for number in range(2 * vehicles)),
        model="tests/1",
        dataset_version="0" * 64,
        source="validation",
        created_at="2026-11-01T00:00:00+00:00",
        thresholds={"scratch": 0.5},
    )
    rows = [blank.features_of(statistics(rng), _said(rng), None, (4000, 3000)) for _ in range(2 * vehicles)]
    return replace(blank, features=np.stack(rows))


def vehicle(rng: np.random.Generator, minute: int, channel: str | None = None, **changed: float) -> KeptInspection:
    """An inspection of two photos by the reference's model; ``changed`` as in :func:`statistics`."""
    made = inspection([statistics(rng, **changed) for _ in range(2)], minute=minute, channel=channel)
    photos = [replace(one, detections=tuple(map(KeptDetection, _said(rng)))) for one in made.photos]
    return replace(made, id=str(uuid.UUID(bytes=rng.bytes(16), version=4)), photos=tuple(photos))


DARK = {"luma_mean": -50.0, "luma_p5": -18.0, "luma_p95": -80.0, "contrast": -25.0, "dark_clip": 0.1}
"""What a photo of the tests loses in some 1.7 stops less light."""


def _said(rng: np.random.Generator) -> list[Detection]:
    scores = rng.uniform(0.5, 0.95, rng.integers(0, 4))
    return [Detection("scratch", float(score), Box(10.0, 10.0, 50.0, 20.0)) for score in sorted(scores)[::-1]]
