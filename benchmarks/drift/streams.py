"""Streams of photos, drawn from measured ones: which photo, under which drift, in which order."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from measuring import MeasuredPhotos
from numpy.typing import NDArray
from simulation import GRADUAL, GRADUAL_SIXTEENTHS, MEASURED

CLEAN_FIRST = 2000
"""Clean updates before a drift."""
DARK_SHARE = 0.3
GRADUAL_UPDATES = 2000
"""Updates over which the gradual drift reaches its full strength."""
REFERENCE_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Split:
    """Photos split by vehicle: ``reference`` and ``held_out`` are numbers of photos."""

    photos: MeasuredPhotos
    reference: NDArray[np.int64]
    held_out: NDArray[np.int64]

    @property
    def vehicles(self) -> list[NDArray[np.int64]]:
        """The held-out photos, vehicle by vehicle."""
        owners = self.photos.vehicles[self.held_out]
        return [self.held_out[owners == vehicle] for vehicle in np.unique(owners)]


def splits(photos: MeasuredPhotos, count: int) -> Iterator[Split]:
    """``count`` random splits by vehicle, seven tenths for the reference."""
    vehicles = np.unique(photos.vehicles)
    for seed in range(count):
        drawn = np.random.default_rng(seed).permutation(vehicles)[: round(REFERENCE_SHARE * len(vehicles))]
        chosen = np.isin(photos.vehicles, drawn)
        yield Split(photos, np.flatnonzero(chosen), np.flatnonzero(~chosen))


@dataclass(frozen=True, slots=True)
class Scenario:
    """A drift as streams show it; ``cause`` is its right name."""

    name: str
    cause: str
    longest: int
    """Updates after which a drift counts as missed."""


def scenarios() -> list[Scenario]:
    """What is measured: each drift of all photos, one of some, and a gradual one."""
    sudden = [Scenario(drift.name, drift.cause, 500) for drift in MEASURED]
    return [*sudden, Scenario("30% dark", "dark", 2000), Scenario("gradual", "dark", GRADUAL_UPDATES)]


def drifted_figures(
    photos: MeasuredPhotos, scenario: Scenario, photo: NDArray[np.int64], update: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The statistics of the numbered photos at ``update`` (from 0) after the onset, ``(k, 12)``."""
    if scenario.name == "30% dark":
        return (photos.drifted["-2 stops"] if rng.random() < DARK_SHARE else photos.clean)[photo]
    if scenario.name == "gradual":
        level = gradual_level(min(1.0, update / GRADUAL_UPDATES))
        return (photos.drifted[level] if level else photos.clean)[photo]
    return photos.drifted[scenario.name][photo]


def gradual_level(progress: float) -> str:
    """The name of the last level passed after ``progress`` (0 to 1) of the way to one stop less light; empty: none."""
    passed = sum(step <= progress * 16 for step in GRADUAL_SIXTEENTHS)
    return GRADUAL[passed - 1].name if passed else ""
