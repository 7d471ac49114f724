"""From an alarm of the detectors to a signal that people understand, and the test that will say that it is over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.monitoring.diagnosis import Diagnosis, Drifted, diagnose
from dentwatch.monitoring.drift.reading import DriftAlarm
from dentwatch.monitoring.features import FEATURE_NAMES
from dentwatch.monitoring.feed import FedInspection
from dentwatch.monitoring.incidents import Signal
from dentwatch.monitoring.recovery import Recovery
from dentwatch.monitoring.reference import Reference

MOST_RECENT = 2_000
"""Inspections before an alarm that its diagnosis looks at."""


@dataclass(frozen=True, slots=True)
class Watched:
    """An inspection that the detectors have seen, with the features of its photos ``(k, F)``."""

    inspection: FedInspection
    features: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Alarmed:
    """An alarm in ``slice``, of whose inspections it was update number ``updates``.

    ``calm`` are the other slices of its kind, in none of which there is an alarm.
    """

    alarm: DriftAlarm
    slice: str
    updates: int
    settled: bool
    calm: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The key of the signal that comes of it."""
        return f"{self.slice}/{self.alarm.channel}"


def signal_of(
    alarmed: Alarmed,
    recent: Sequence[Watched],
    reference: Reference,
    when: Callable[[FedInspection], str] | None = None,
) -> Signal | None:
    """The signal; ``recent`` are the slice's last inspections, oldest first. None where none of them has a photo.

    ``when`` says in words since which inspection, where its time would say nothing.
    """
    alarm = alarmed.alarm
    since_onset = recent[-max(1, alarmed.updates - alarm.onset + 1) :]
    rows = [(one.inspection, number) for one in since_onset for number in range(len(one.features))]
    if not rows:
        return None
    photos = np.concatenate([one.features for one in since_onset if len(one.features)])
    moved = [(one.statistic, 1 if one.deviations > 0 else -1) for one in alarm.moved if one.deviations]
    first, last = since_onset[0].inspection, since_onset[-1].inspection
    drifted = Drifted(
        names=FEATURE_NAMES,
        reference=reference.features,
        photos=photos,
        moved=moved,
        cause=alarm.cause,
        slice=alarmed.slice,
        since=first.at.astimezone(UTC),
        now=last.at.astimezone(UTC),
        calm=alarmed.calm,
        when=when(first) if when else "",
    )
    diagnosis = diagnose(drifted)
    recovery = Recovery.begin(FEATURE_NAMES, reference.features, photos, moved)
    return Signal(
        cause=alarm.cause,
        channel=alarm.channel,
        slice=alarmed.slice,
        since=first.at,
        at=datetime.now(UTC),
        summary=diagnosis.sentence,
        model=reference.model,
        evidence=_evidence(alarmed, diagnosis, rows),
        recovery=None if recovery is None else recovery.as_document(),
        primary=alarm.primary,
    )


def _evidence(alarmed: Alarmed, diagnosis: Diagnosis, rows: Sequence[tuple[FedInspection, int]]) -> dict[str, Any]:
    shown = [
        {"inspection_id": inspection.id, "position": photo.position, "photo_id": photo.photo_id}
        for inspection, number in (rows[row] for row in diagnosis.typical)
        for photo in [inspection.photos[number]]
    ]
    return {
        "text": diagnosis.sentence,
        "moved": [one.as_document() for one in diagnosis.moved],
        "share": diagnosis.share,
        "pace": alarmed.alarm.pace,
        "inspections": alarmed.updates - alarmed.alarm.onset + 1,
        "noticed_after": alarmed.alarm.raised - alarmed.alarm.onset + 1,
        "settled": alarmed.settled,
        "calm": list(alarmed.calm),
        "photos": shown,
    }
