"""Any photos through the monitors as if they were traffic: what would have been noticed, when, and in which words."""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.embedding import packed, photo_embedding, unpacked
from dentwatch.monitoring.embedding import FEWEST_PHOTOS, EmbeddingSpace
from dentwatch.monitoring.feed import FedInspection, FedPhoto
from dentwatch.monitoring.incidents import WHOLE, Signal
from dentwatch.monitoring.monitors import Monitors
from dentwatch.monitoring.recovery import Recovery
from dentwatch.monitoring.reference import Reference, now
from dentwatch.monitoring.signals import MOST_RECENT, Watched, signal_of
from dentwatch.records.photos import photo_id_of
from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.inspection import Inspector
from dentwatch.serving.photo_files import file_photo

_SPACE_SHARE = 4  # of the vehicles of a reference, every fourth makes the embedding space

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that was noticed, or was over, at the inspection number ``at`` (from 1), named ``inspection``.

    ``signal`` says what; None where a drift was over, which ``text`` says.
    """

    at: int
    inspection: str
    text: str
    signal: Signal | None = None


def inspections(
    names: Iterable[str], inspector: Inspector, vehicle_of: re.Pattern[str] | None = None
) -> Iterator[FedInspection]:
    """The photo files as finished inspections, in their order; files that are no photos are left out.

    Neighbouring files whose names agree in what ``vehicle_of`` finds (its first group) are one inspection; without it,
    each file is.
    """
    photos = (photo for name in names if (photo := _photo(name, inspector)) is not None)
    grouped = groupby(photos, key=lambda named: _vehicle(named[0], vehicle_of))
    for number, (vehicle, found) in enumerate(grouped, start=1):
        kept = [replace(photo, position=position) for position, (_, photo) in enumerate(found)]
        yield FedInspection(number, number, vehicle, _EPOCH, None, None, vehicle, inspector.model, {}, tuple(kept))


def reference_of(photos: Sequence[FedInspection], inspector: Inspector) -> Reference:
    """A reference of these inspections; every fourth makes the embedding space, where they have photos enough."""
    learnt = [unit.photos for number, unit in enumerate(photos) if number % _SPACE_SHARE == 0]
    embeddings = [_embedding(photo) for unit in learnt for photo in unit]
    space = EmbeddingSpace.of(np.stack(embeddings)) if len(embeddings) >= FEWEST_PHOTOS else None
    kept = [unit for number, unit in enumerate(photos) if space is None or number % _SPACE_SHARE]
    blank = Reference(
        features=np.empty((0, 0)),
        vehicles=tuple(unit.id for unit in kept for _ in unit.photos),
        model=inspector.model,
        dataset_version="",
        source="traffic",
        created_at=now(),
        thresholds=inspector.bundle.spec.thresholds,
        space=space,
    )
    rows = [
        blank.features_of(photo.statistics, photo.detections, _embedding(photo), photo.size)
        for unit in kept
        for photo in unit.photos
    ]
    return replace(blank, features=np.stack(rows)) if rows else blank


def replay(traffic: Iterable[FedInspection], monitors: Monitors) -> Iterator[Notice]:
    """What the monitors notice in the whole, as they notice it: drifts, causes that turn out otherwise, and their end.

    A change that comes along with a stronger one is not told by itself.
    """
    recent: deque[Watched] = deque(maxlen=MOST_RECENT)
    said: dict[str, str] = {}
    tests: dict[str, Recovery] = {}
    for number, inspection in enumerate(traffic, start=1):
        watched = monitors.watch(inspection)
        recent.append(watched)
        tests = {channel: monitors.recover(test, watched) for channel, test in tests.items()}
        if any(test.is_over for test in tests.values()):
            yield Notice(
                number, inspection.id, f"The photos are like the reference again ({', '.join(said.values())})."
            )
            monitors.restart([WHOLE])
            said, tests = {}, {}
        for alarmed in monitors.alarmed():
            alarm = alarmed.alarm
            if alarmed.slice != WHOLE or not alarm.primary or said.get(alarm.channel) == alarm.cause:
                continue
            if (signal := signal_of(alarmed, list(recent), monitors.reference, _since)) is not None:
                said[alarm.channel] = alarm.cause
                if signal.recovery is not None:
                    tests[alarm.channel] = Recovery.from_document(signal.recovery)
                yield Notice(number, inspection.id, signal.summary, signal)


def _since(inspection: FedInspection) -> str:
    return f"number {inspection.number} ({inspection.id})"


def _photo(name: str, inspector: Inspector) -> tuple[str, FedPhoto] | None:
    source = file_photo(name)
    seen = inspector.decode(source)
    if isinstance(seen, PhotoFailure):
        return None
    detections, _ = inspector.predict(seen)
    photo = FedPhoto(
        position=0,
        photo_id=photo_id_of(source.read()),
        size=(seen.pixels.width, seen.pixels.height),
        statistics=asdict(seen.statistics),
        embedding=packed(photo_embedding(seen.pixels.rgb, seen.half)),
        detections=tuple(detections),
    )
    return name, photo


def _vehicle(name: str, vehicle_of: re.Pattern[str] | None) -> str:
    """The vehicle that a file's name stands for; the name itself where nothing is found in it."""
    stem = Path(name).name
    found = vehicle_of.search(stem) if vehicle_of else None
    return stem if found is None else found[1] if found.re.groups else found[0]


def _embedding(photo: FedPhoto) -> NDArray[np.float64]:
    return unpacked(photo.embedding or b"").astype(np.float64)
