"""The detectors over one reference: what an inspection is to them, which alarms stand, and how they start anew."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.embedding import unpacked
from dentwatch.monitoring.drift.detector import SETTLING, DriftDetector
from dentwatch.monitoring.drift.odds import Odds
from dentwatch.monitoring.drift.reading import DriftAlarm, DriftReading
from dentwatch.monitoring.drift.slices import SlicedDetector
from dentwatch.monitoring.features import DETECTOR_FEATURES, FEATURE_NAMES
from dentwatch.monitoring.feed import FedInspection, FedPhoto
from dentwatch.monitoring.incidents import OUTPUTS, WHOLE
from dentwatch.monitoring.recovery import Recovery
from dentwatch.monitoring.reference import Reference
from dentwatch.monitoring.signals import Alarmed, Watched

_UNSURE = 0.1  # scores less than this over the operating threshold

_DETECTOR_COLUMNS = [FEATURE_NAMES.index(name) for name in DETECTOR_FEATURES]


DIMENSIONS = ("channel", "device", "region", "hour")
"""What slices are made by."""


class Monitors:
    """Watches inspections for drift against ``reference``; ``one_in`` is the promise that all slices keep together.

    Raises :class:`~dentwatch.errors.UnarmedError` for a reference that is too small to keep it.
    """

    def __init__(self, reference: Reference, one_in: float) -> None:
        self.reference = reference
        self._odds = Odds(reference.features, reference.vehicles, FEATURE_NAMES)
        self._one_in = one_in
        self.begin()

    def begin(self) -> None:
        """Start anew, as if nothing had been seen."""
        self._detector = SlicedDetector(self._odds, DIMENSIONS, self._one_in)
        self._readings: dict[str, DriftReading] = {}
        self._drifting: set[str] = set()

    @property
    def key(self) -> dict[str, Any]:
        """What tells the reference from others, as JSON values."""
        reference = self.reference
        return {
            "model": reference.model,
            "source": reference.source,
            "dataset_version": reference.dataset_version,
            "created_at": reference.created_at,
            "photos": len(reference.features),
            "vehicles": len(set(reference.vehicles)),
        }

    def measure(self, inspection: FedInspection) -> Watched:
        """The features of its photos, as this reference wants them.

        What the detector said counts only where it was the reference's model, at its own thresholds.
        """
        rows = [self._features(photo) for photo in inspection.photos]
        features = np.stack(rows) if rows else np.empty((0, len(FEATURE_NAMES)))
        if inspection.model != self.reference.model or inspection.options.get("min_score") is not None:
            features[:, _DETECTOR_COLUMNS] = np.nan
        return Watched(inspection, features)

    def watch(self, inspection: FedInspection) -> Watched:
        """Show it to the detectors: one update, however many photos it has; none where no photo was answered."""
        watched = self.measure(inspection)
        if len(watched.features):
            reading = self._detector.update(watched.features, inspection.dimensions)
            for part, of_part in ((WHOLE, reading.whole), *reading.slices.items()):
                self._readings[part] = of_part
                (self._drifting.add if of_part.alarms else self._drifting.discard)(part)
        return watched

    def recover(self, test: Recovery, watched: Watched) -> Recovery:
        """A recovery test after an inspection."""
        return test.update(FEATURE_NAMES, watched.features)

    def alarmed(self) -> list[Alarmed]:
        """The alarms that stand, in every slice."""
        return [
            Alarmed(alarm, part, reading.updates, reading.settled, self._calm(part))
            for part, reading in self._readings.items()
            for alarm in _by_cause(reading.alarms)
        ]

    def restart(self, parts: Iterable[str]) -> None:
        """Forget what was seen in these slices, now that it is over."""
        for part in parts:
            if part == WHOLE:
                self._detector.whole = DriftDetector(None, self._detector.whole.one_in, odds=self._odds)
            else:
                self._detector.slices.pop(part, None)
            self._readings[part] = DriftReading()
            self._drifting.discard(part)

    def evidence(self) -> dict[str, dict[str, float]]:
        """By slice and channel, as a share of the alarm's threshold; of the slices seen since :meth:`begin`."""
        return {part: reading.evidence for part, reading in self._readings.items()}

    def is_unsure(self, photo: FedPhoto) -> bool:
        """Whether the model was hardly sure enough of something that it found in a photo."""
        floors = self.reference.thresholds
        return any(0 <= one.score - floors.get(one.label, np.inf) < _UNSURE for one in photo.detections)

    def state(self) -> bytes:
        """Everything that the next update depends on, exactly; see :meth:`restore`."""
        return json.dumps(sorted(self._drifting)).encode() + b"\n" + self._detector.state()

    def restore(self, state: bytes) -> None:
        """Go on exactly where the monitors that gave ``state`` stopped.

        Raises :class:`~dentwatch.errors.DriftStateError` if it is damaged or was made with another reference.
        """
        drifting, _, detectors = state.partition(b"\n")  # JSON on one line, then bytes
        self._detector.restore(detectors)
        self._drifting = set(json.loads(drifting))

    def _features(self, photo: FedPhoto) -> NDArray[np.float64]:
        embedding = None if photo.embedding is None else unpacked(photo.embedding)
        return self.reference.features_of(photo.statistics, photo.detections, embedding, photo.size)

    def _calm(self, part: str) -> tuple[str, ...]:
        kind = part.partition("=")[0]
        alike = (other for other in self._detector.slices if other.partition("=")[0] == kind)
        return tuple(other for other in alike if other not in self._drifting)


def _by_cause(alarms: Sequence[DriftAlarm]) -> list[DriftAlarm]:
    """The alarms, with what the model says in second place: it follows from the photos, where these changed, too."""
    photos = [alarm for alarm in alarms if alarm.channel != OUTPUTS]
    if not photos or len(photos) == len(alarms):
        return list(alarms)
    lead = replace(photos[0], primary=True)
    outputs = [
        replace(alarm, primary=abs(alarm.raised - lead.raised) > SETTLING)
        for alarm in alarms
        if alarm.channel == OUTPUTS
    ]
    return [lead, *photos[1:], *outputs]
