"""The statistics of every photo under every drift, measured once and kept in a cache: streams are drawn from them."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from simulation import FITTED, GRADUAL, MEASURED, Drift, Photo

from dentwatch.data.statistics import STATISTIC_NAMES, photo_statistics
from dentwatch.data.synthetic.photo import render
from dentwatch.data.synthetic.vehicle import VEHICLES_PER_PLACE

PHOTOS_PER_VEHICLE = 2
CACHE = Path(tempfile.gettempdir()) / "dentwatch-drift-benchmark"
"""Where measured photos are kept unless told otherwise."""


@dataclass(frozen=True, slots=True)
class MeasuredPhotos:
    """``clean`` and each drift of ``drifted`` are ``(N, 12)`` in the order of ``STATISTIC_NAMES``; ``vehicles``
    ``(N,)`` are numbers.
    """

    vehicles: NDArray[np.int64]
    clean: NDArray[np.float64]
    drifted: dict[str, NDArray[np.float64]]


def synthetic(cache: Path, seed: int, vehicles: int, drifts: Sequence[Drift] = MEASURED) -> MeasuredPhotos:
    """Photos of ``vehicles`` synthetic vehicles, two each, every vehicle in a place of its own."""
    # Consecutive vehicles share a place and so its light; every fourth one does not.
    sources = [
        (f"synthetic:{seed}:{vehicle * VEHICLES_PER_PLACE * PHOTOS_PER_VEHICLE + view}", vehicle)
        for vehicle in range(vehicles)
        for view in range(PHOTOS_PER_VEHICLE)
    ]
    return _measured(cache / f"synthetic-{seed}-{vehicles}.npz", sources, drifts)


def real(cache: Path, folder: Path) -> MeasuredPhotos:
    """The photos of a COCO folder whose images name their ``vehicle_group``, as ``../shared/photos/bilgi`` does."""
    document = json.loads((folder / "annotations.json").read_text("utf-8"))
    sources = [
        (os.fspath(folder / "images" / image["file_name"]), image["vehicle_group"]) for image in document["images"]
    ]
    measured = {drift.name: drift for drift in (*MEASURED, *GRADUAL)}
    return _measured(cache / f"{folder.name}.npz", sources, list(measured.values()))


def _measured(file: Path, sources: list[tuple[str, int]], drifts: Sequence[Drift]) -> MeasuredPhotos:
    known = _kept(file)
    missing = [name for name in ("", *(drift.name for drift in drifts)) if name not in known]
    if missing:
        file.parent.mkdir(parents=True, exist_ok=True)
        print(f"Measuring {len(sources)} photos × {len(missing)} into {file}", file=sys.stderr, flush=True)
        figures = np.stack(list(_over_processes([source for source, _ in sources], missing)))
        known |= {name: figures[:, number] for number, name in enumerate(missing)}
        part = file.with_suffix(".part.npz")
        np.savez(part, names=list(known), figures=np.stack(list(known.values()), axis=1))
        part.replace(file)
    return MeasuredPhotos(np.array([vehicle for _, vehicle in sources]), known[""], known)


def _kept(file: Path) -> dict[str, NDArray[np.float64]]:
    """The statistics that a cache holds by the name of the drift, ``(N, 12)`` each; ``""``: clean."""
    if not file.exists():
        return {}
    with np.load(file) as kept:
        return {str(name): kept["figures"][:, number] for number, name in enumerate(kept["names"])}


def _over_processes(sources: list[str], names: list[str]) -> Iterable[NDArray[np.float64]]:
    with ProcessPoolExecutor(
        os.cpu_count(), get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        yield from pool.map(_figures, sources, [names] * len(sources), chunksize=16)


def _figures(source: str, names: list[str]) -> NDArray[np.float64]:
    """Statistics of one photo under each drift, ``(drifts, 12)``; an empty name stands for the clean photo."""
    rgb = _photo(source)
    rng = np.random.default_rng(len(source))
    by_name = _drifts()
    return np.stack([_row(by_name[name](rgb, rng) if name else rgb) for name in names])


def _drifts() -> dict[str, Callable[[Photo, np.random.Generator], Photo]]:
    fitted = (drift for levels in FITTED.values() for drift in levels)
    return {drift.name: drift.apply for drift in (*MEASURED, *GRADUAL, *fitted)}


def _photo(source: str) -> Photo:
    if source.startswith("synthetic:"):
        _, seed, index = source.split(":")
        encoded = np.frombuffer(render(int(seed), int(index), photos_per_vehicle=PHOTOS_PER_VEHICLE).jpeg, np.uint8)
    else:
        encoded = np.fromfile(source, np.uint8)
    return np.asarray(cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)


def _row(rgb: Photo) -> NDArray[np.float64]:
    statistics = photo_statistics(rgb)
    return np.array([getattr(statistics, name) for name in STATISTIC_NAMES])
