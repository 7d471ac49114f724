"""How long an answer takes, through the same code that serves."""

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dentwatch.errors import DentwatchError
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.inspection import Inspector, Photo
from dentwatch.training.evaluation.result import Latency

LATENCY_PHOTOS = 50
WARM_UP_PHOTOS = 3
PERCENTILES = (50, 95, 99)


def measure_latency(
    inspector: Inspector,
    photos: Sequence[PhotoRecord],
    store: PhotoStore,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
) -> Latency:
    """Time up to :data:`LATENCY_PHOTOS` photos, spread over ``photos``, one at a time at the operating thresholds.

    Reading the bytes is not counted. The first photos warm the caches and are timed only when there are no others.
    Raises :class:`DentwatchError` when a photo cannot be read.
    """
    step = max(1, len(photos) // LATENCY_PHOTOS)
    chosen = list(photos[::step][:LATENCY_PHOTOS])
    decode, infer = [], []
    for number, photo in enumerate([*chosen[:WARM_UP_PHOTOS], *chosen]):
        data = store.get(photo.photo_id)
        decoded = inspector.decode(Photo(photo.name, lambda data=data: data))  # type: ignore[misc]
        if isinstance(decoded, PhotoFailure):
            raise DentwatchError(f"The photo {photo.name} cannot be timed: {decoded.error}")
        _, milliseconds = inspector.predict(decoded)
        if number >= WARM_UP_PHOTOS or len(chosen) < WARM_UP_PHOTOS:
            decode.append(decoded.milliseconds)
            infer.append(milliseconds)
        if progress:
            progress(number + 1, len(chosen) + WARM_UP_PHOTOS)
    return Latency(
        photos=len(decode),
        threads=threads,
        machine=machine(),
        megapixels=float(np.mean([photo.width * photo.height / 1e6 for photo in chosen])),
        decode=_percentiles(decode),
        infer=_percentiles(infer),
        total=_percentiles([sum(pair) for pair in zip(decode, infer, strict=True)]),
    )


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    return {f"p{percent}": round(float(np.percentile(values, percent)), 3) for percent in PERCENTILES}


def machine() -> str:
    """The machine in words: processor, cores that this process may use, system."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores, {platform.system()}"
