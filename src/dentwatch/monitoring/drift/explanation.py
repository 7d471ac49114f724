"""Why an alarm was raised: the cause that won most, since when, and what moved how far."""

import numpy as np
from numpy.typing import NDArray

from dentwatch.monitoring.drift.channels import channel_of
from dentwatch.monitoring.drift.odds import Odds
from dentwatch.monitoring.drift.onset import Recent
from dentwatch.monitoring.drift.reading import DriftAlarm, Movement
from dentwatch.monitoring.drift.recursion import Recursion

_BY_CHANNEL = {"camera": "new camera", "detections": "detector outputs", "content": "other photos"}


def explain(odds: Odds, recursion: Recursion, recent: Recent, channel: int, raised: int, evidence: float) -> DriftAlarm:
    """Describe the alarm of ``channel`` (its number) as it looks now."""
    name = odds.layout.channels[channel]
    won = odds.layout.weights[channel] * recursion.money[0]
    onset = int(recursion.quiet[int(won.argmax())]) + 1
    shift = recent.shift(onset, recursion.updates)
    own = [number for number, statistic in enumerate(odds.statistics) if channel_of(statistic) == name]
    own.sort(key=lambda number: -abs(shift[number]))
    pace = recent.pace(onset, recursion.updates, own[0])
    moved = tuple(Movement(odds.statistics[number], round(float(shift[number]), 2)) for number in own)
    return DriftAlarm(name, _cause(odds, name, won, moved[0]), onset, raised, evidence, pace, moved)


def _cause(odds: Odds, channel: str, won: NDArray[np.float64], furthest: Movement) -> str:
    """The label that won most among the causes; where the channel has none, what kind of thing moved."""
    by_label: dict[str, float] = {}
    for label, money in zip(odds.layout.labels, won, strict=True):
        if money > 0 and label not in odds.statistics:
            by_label[label] = by_label.get(label, 0.0) + float(money)
    if by_label:
        return max(by_label, key=lambda label: by_label[label])
    return _BY_CHANNEL.get(channel, f"{furthest.statistic} {furthest.direction}")
