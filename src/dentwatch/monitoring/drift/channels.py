"""Channels: the statistics that belong together, so that an alarm already says what kind of thing has changed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dentwatch.monitoring.drift.bets import STAKES, STATISTIC_BETS
from dentwatch.monitoring.drift.causes import Causes

CHANNELS: dict[str, tuple[str, ...]] = {
    "light": ("luma_mean", "luma_p5", "luma_p95", "contrast", "dark_clip", "bright_clip"),
    "optics": ("sharpness", "noise", "blockiness"),
    "colour": ("saturation", "colour_cast"),
    "camera": ("resolution", "aspect"),
    "detections": ("top_score", "boxes", "scratch_share", "mean_score"),
    "content": (),
}
"""Statistics of each channel; ``content`` takes the ones that no other channel names (the embedding's)."""

SHARES: dict[str, float] = {
    "light": 0.5,
    "optics": 0.2,
    "colour": 0.12,
    "camera": 0.03,
    "detections": 0.075,
    "content": 0.075,
}
"""How the false-alarm budget is shared."""


_PARTS = (0.08, 0.92)  # of a channel's money: on statistics, on causes
_BY_STAKE = (3.0, 1.0)  # of a cause's money: on all photos drifting, on some


@dataclass(frozen=True, slots=True)
class Layout:
    """Which bet belongs where, ``B`` bets in all: those on statistics, statistic by statistic, then those on causes.

    - ``channels``: names, ``C`` of them, of those that have a statistic at all;
    - ``shares``: of the false-alarm budget, ``(C,)``, summing to 1;
    - ``weights``: of each bet in its channel, ``(C, B)``, rows summing to 1, more on causes than on statistics;
    - ``labels``: what each bet bets on, the name of a statistic or a cause, ``(B,)``.
    """

    channels: tuple[str, ...]
    shares: NDArray[np.float64]
    weights: NDArray[np.float64]
    labels: tuple[str, ...]


def channel_of(statistic: str) -> str:
    """The channel of a statistic."""
    return next((channel for channel, names in CHANNELS.items() if statistic in names), "content")


def layout(statistics: Sequence[str], causes: Causes) -> Layout:
    """The bets on ``statistics`` (those that the reference has) and on ``causes``."""
    on_statistics = [name for name in statistics for _ in STATISTIC_BETS]
    on_causes = [name for name in causes.names for _ in STAKES]
    homes = [channel_of(name) for name in on_statistics]
    by_stake = dict(zip(STAKES, _BY_STAKE, strict=True))
    cause_shares = np.array([by_stake[stake] for _ in causes.names for stake in STAKES])
    cause_homes = [channel_of(causes.statistics_of(number)[0]) for number in range(len(causes)) for _ in STAKES]
    channels = tuple(channel for channel in CHANNELS if channel in homes)
    shares = np.array([SHARES[channel] for channel in channels])
    # Less clipping than usual harms nothing, and a photo that was relit from clipped pixels has none at all.
    homes = [
        "" if name.endswith("_clip") and sign < 0 else home
        for name, home, (sign, _, _) in zip(on_statistics, homes, STATISTIC_BETS * len(statistics), strict=True)
    ]
    weights = np.stack([_parts(homes, cause_homes, cause_shares, channel) for channel in channels])
    return Layout(channels, shares / shares.sum(), weights, (*on_statistics, *on_causes))


def _parts(
    homes: list[str], cause_homes: list[str], cause_shares: NDArray[np.float64], channel: str
) -> NDArray[np.float64]:
    on_statistics, on_causes = (
        np.array([home == channel for home in part], np.float64) for part in (homes, cause_homes)
    )
    halves = on_statistics, on_causes * cause_shares
    there = [share * half / (half.sum() or 1.0) for share, half in zip(_PARTS, halves, strict=True)]
    row = np.concatenate(there)
    return np.asarray(row / row.sum(), np.float64)
