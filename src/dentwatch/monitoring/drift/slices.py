"""Drift of one slice of the traffic: the app's photos, the evening's, one region's, while the whole looks calm."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dentwatch.errors import DriftStateError
from dentwatch.monitoring.drift.detector import DriftDetector
from dentwatch.monitoring.drift.odds import Odds
from dentwatch.monitoring.drift.reading import DriftReading

MOST_VALUES = 64
"""Values of one dimension that get a detector of their own; photos of any further value share that of ``other``."""
OTHER = "other"


@dataclass(frozen=True, slots=True)
class SlicedReading:
    """What the detector of the ``whole`` says, and those of its slices, by ``channel=app``."""

    whole: DriftReading
    slices: Mapping[str, DriftReading] = field(default_factory=dict)

    @property
    def alarmed(self) -> tuple[str, ...]:
        """The slices of this inspection whose alarm stands."""
        return tuple(name for name, reading in self.slices.items() if reading.alarms)


class SlicedDetector:
    """One detector for the whole traffic and one for each slice of each of ``dimensions`` (``channel``, ``hour`` …).

    ``one_in`` is the promise for all of them together. An inspection is in one slice per dimension, so ``n`` of them
    bring at most ``n`` updates to the slices of a dimension, however many there are: with ``D`` dimensions every
    detector promises one in ``one_in · (D + 1)``, and the sum over all keeps ``n / one_in``.
    """

    def __init__(self, odds: Odds, dimensions: Sequence[str], one_in: float = 1_000_000) -> None:
        self.dimensions = tuple(dimensions)
        self._odds = odds
        self._one_in = one_in * (len(self.dimensions) + 1)
        self.whole = DriftDetector(None, self._one_in, odds=odds)
        """The detector of all traffic."""
        self.slices: dict[str, DriftDetector] = {}
        """The detectors of the slices met so far, by name."""

    def update(self, photos: NDArray[np.float64], values: Mapping[str, str]) -> SlicedReading:
        """Take one inspection's features ``(k, F)``; ``values`` are its dimensions', those not known left out."""
        paid = self._odds.of(photos)
        readings: dict[str, DriftReading] = {}
        for dimension in self.dimensions:
            if dimension in values:
                name = self._slice(dimension, values[dimension])
                readings[name] = self.slices[name].pay(*paid)
        return SlicedReading(self.whole.pay(*paid), readings)

    def _slice(self, dimension: str, value: str) -> str:
        """The name of the slice of ``value``, with its detector in place."""
        name = f"{dimension}={value}"
        if name not in self.slices:
            known = sum(other.startswith(f"{dimension}=") for other in self.slices)
            if known >= MOST_VALUES:
                name = f"{dimension}={OTHER}"
            self.slices.setdefault(name, DriftDetector(None, self._one_in, odds=self._odds))
        return name

    def state(self) -> bytes:
        """Everything that the next update depends on; see :meth:`restore`."""
        states = {"": self.whole.state(), **{name: one.state() for name, one in self.slices.items()}}
        head = json.dumps({name: len(state) for name, state in states.items()}).encode()
        return len(head).to_bytes(8, "big") + head + b"".join(states.values())

    def restore(self, state: bytes) -> None:
        """Go on exactly where the detector that gave ``state`` stopped.

        Raises :class:`DriftStateError` if it is damaged or was made with another reference.
        """
        try:
            start = 8 + int.from_bytes(state[:8], "big")
            lengths: dict[str, int] = json.loads(state[8:start])
        except ValueError as error:
            raise DriftStateError(
                "A saved state of the sliced drift detector is damaged.", "Start the detector anew."
            ) from error
        restored: dict[str, DriftDetector] = {}
        for name, length in lengths.items():
            restored[name] = DriftDetector(None, self._one_in, odds=self._odds)
            restored[name].restore(state[start : start + length])
            start += length
        self.whole = restored.pop("")
        self.slices = restored
