"""What moved, which way and by how much, in one sentence that a person understands, with the photos that show it.

"Photos from channel app have been about 1.6 stops darker since 18:40 UTC; other channels are unchanged." Light is
stated in stops, the photographer's factors of two of linear light, from the medians before and since.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.monitoring.incidents import WHOLE

_MOST_SHOWN = 6  # photos
_MOST_NAMED = 3  # statistics in a sentence
_BEYOND = 0.9  # quantile of the reference from which a value counts as moved
_NEARLY_ALL = 0.7  # a drift of fewer photos is said to be one of some

_NAMES = {
    "luma_mean": "brightness",
    "luma_p5": "the brightness of the shadows",
    "luma_p95": "the brightness of the lights",
    "dark_clip": "the share of black pixels",
    "bright_clip": "the share of blown-out pixels",
    "colour_cast": "red against blue",
    "blockiness": "the blocks of JPEG",
    "top_score": "the model's highest score",
    "mean_score": "the model's mean score",
    "boxes": "the number of damages found",
    "scratch_share": "the share of scratches among the damages",
    "embedding_distance": "the distance to the reference photos in kind",
}
_SLICES = {
    "channel": ("from channel {}", "channels"),
    "device": ("of device {}", "devices"),
    "region": ("from region {}", "regions"),
    "hour": ("of the hour from {} o'clock UTC", "hours"),
}


@dataclass(frozen=True, slots=True)
class Moved:
    """One statistic: its medians ``before`` (the reference) and ``after``, and by how many reference deviations."""

    statistic: str
    before: float
    after: float
    deviations: float

    @property
    def side(self) -> int:
        """+1 where it rose, -1 where it fell."""
        return 1 if self.deviations > 0 else -1

    def as_document(self) -> dict[str, Any]:
        """It as JSON values."""
        return {"statistic": self.statistic, "before": self.before, "after": self.after, "deviations": self.deviations}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The sentence, the statistics that moved (the most first), the share of photos, and which of them show it.

    ``typical`` are rows of the photos that were diagnosed, the most typical first.
    """

    sentence: str
    moved: tuple[Moved, ...]
    share: float
    typical: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Drifted:
    """What is to be diagnosed: features ``(N, F)`` of the reference and ``(M, F)`` of the photos since the onset.

    ``names`` are the columns, ``moved`` the statistics that the alarm names with their side (+1 or -1); ``calm`` are
    the other slices of the same kind, none of which drifts. ``when`` says since when, where not as a time.
    """

    names: Sequence[str]
    reference: NDArray[np.float64]
    photos: NDArray[np.float64]
    moved: Sequence[tuple[str, int]]
    cause: str
    slice: str
    since: datetime
    now: datetime
    calm: Sequence[str] = ()
    when: str = ""


def diagnose(drifted: Drifted) -> Diagnosis:
    """What moved, in words. Raises :class:`ValueError` where there is no photo."""
    if not len(drifted.photos):
        raise ValueError("no photos since the onset")
    towards = _towards(drifted)
    share = _share(towards, drifted)
    rows = np.arange(len(drifted.photos))
    if share < _NEARLY_ALL and (beyond := np.flatnonzero(towards > _cut(drifted))).size:
        rows = beyond  # what drifted is measured on the photos that did, not on those beside them
    moved = _moved(drifted, rows)
    said = _PHRASES.get(drifted.cause, _differ)(_Figures(drifted, rows, moved))
    some = f"About {share:.0%} of photos" if share < _NEARLY_ALL else "Photos"
    unchanged = f"; other {_kind(drifted.slice)} are unchanged" if drifted.calm and drifted.slice != WHOLE else ""
    since = drifted.when or _when(drifted.since, drifted.now)
    sentence = f"{some}{_where(drifted.slice)} {said} since {since}{unchanged}."
    return Diagnosis(sentence, moved, share, _typical(towards))


def stops(before: float, after: float) -> float:
    """How many stops lighter a photo of luma ``after`` (0–255, sRGB) is than one of ``before``; negative is darker."""
    return float(np.log2(_linear(after) / _linear(before)))


@dataclass(frozen=True, slots=True)
class _Figures:
    drifted: Drifted
    rows: NDArray[np.intp]
    moved: tuple[Moved, ...]

    def medians(self, statistic: str) -> tuple[float, float] | None:
        """Before and after; None where it is not measured."""
        if statistic not in self.drifted.names:
            return None
        column = self.drifted.names.index(statistic)
        before = _median(self.drifted.reference[:, column])
        after = _median(self.drifted.photos[self.rows, column])
        return None if np.isnan(before) or np.isnan(after) else (before, after)

    def deviations(self, statistic: str) -> float:
        """By how many reference standard deviations it moved, whichever way."""
        return next((abs(one.deviations) for one in self.moved if one.statistic == statistic), 0.0)


def _light(figures: _Figures) -> str:
    medians = figures.medians("luma_mean")
    if medians is None:
        return _differ(figures)
    change = stops(*medians)
    word = "brighter" if change > 0 else "darker"
    clipped = figures.medians("bright_clip")
    blown = f", with {clipped[1]:.0%} of their area blown out," if clipped and clipped[1] > clipped[0] + 0.02 else ""
    return f"have been about {abs(change):.1f} stops {word}{blown}"


def _haze(figures: _Figures) -> str:
    medians = figures.medians("contrast")
    if medians is None or medians[1] >= medians[0]:
        return "have been flatter, as if through haze,"
    return f"have been flatter, as if through haze (contrast {medians[0]:.0f} → {medians[1]:.0f}),"


def _blur(figures: _Figures) -> str:
    return f"have been {_degree(figures.deviations('sharpness'))} blurred"


def _noise(figures: _Figures) -> str:
    medians = figures.medians("noise")
    if medians is None or medians[0] <= 0:
        return "have been grainier"
    ratio = medians[1] / medians[0]
    return f"have been {'grainier' if ratio > 1 else 'smoother'} (noise {ratio:.1f} times as strong)"


def _compressed(figures: _Figures) -> str:
    return f"have been {_degree(figures.deviations('blockiness'))} compressed, so that JPEG's blocks show,"


def _cast(figures: _Figures) -> str:
    medians = figures.medians("colour_cast")
    if medians is None:
        return _differ(figures)
    change = np.expm1(medians[1] - medians[0])
    warmer = change > 0
    return f"have been {'warmer, redder' if warmer else 'cooler, bluer'} (red against blue {change:+.0%})"


def _differ(figures: _Figures) -> str:
    named = figures.moved[:_MOST_NAMED]
    if not named:
        return "have differed from the reference"
    said = [
        f"{_NAMES.get(one.statistic, one.statistic.replace('_', ' '))} is {abs(one.deviations):.1f} "
        f"standard deviations {'higher' if one.side > 0 else 'lower'}"
        for one in named
    ]
    return f"have differed ({', '.join(said)})"


_PHRASES: Mapping[str, Callable[[_Figures], str]] = {
    "dark": _light,
    "overexposed": _light,
    "haze": _haze,
    "blur": _blur,
    "noisy": _noise,
    "compressed": _compressed,
    "warm": _cast,
    "cool": _cast,
}


def _moved(drifted: Drifted, rows: NDArray[np.intp]) -> tuple[Moved, ...]:
    found = []
    for name, side in drifted.moved:
        if name not in drifted.names:
            continue
        column = drifted.names.index(name)
        known, seen = drifted.reference[:, column], drifted.photos[rows, column]
        before, after, deviation = _median(known), _median(seen), _deviation(known)
        if np.isnan(before) or np.isnan(after):
            continue
        deviations = (after - before) / deviation if deviation > 0 else float(side)
        found.append(Moved(name, before, after, deviations))
    return tuple(sorted(found, key=lambda one: -abs(one.deviations)))


def _towards(drifted: Drifted, photos: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """How far each photo went the way of the drift: the mean over what moved, in reference deviations ``(M,)``."""
    photos = drifted.photos if photos is None else photos
    sums, counts = np.zeros(len(photos)), np.zeros(len(photos))
    for name, side in drifted.moved:
        if name not in drifted.names:
            continue
        column = drifted.names.index(name)
        known = drifted.reference[:, column]
        scale = _deviation(known)
        values = side * (photos[:, column] - _median(known)) / (scale if scale > 0 else 1.0)
        sums += np.nan_to_num(values)
        counts += ~np.isnan(values)
    return sums / np.maximum(counts, 1)


def _cut(drifted: Drifted) -> float:
    return float(np.quantile(_towards(drifted, drifted.reference), _BEYOND))


def _share(towards: NDArray[np.float64], drifted: Drifted) -> float:
    """The share of photos that drifted: those beyond the cut, less the reference's own."""
    beyond = float((towards > _cut(drifted)).mean())
    return min(1.0, max(0.01, (beyond - (1 - _BEYOND)) / _BEYOND))


def _typical(towards: NDArray[np.float64]) -> tuple[int, ...]:
    """The photos nearest to the mean of the half that went furthest: typical of the drift, not its extremes."""
    middle = towards[towards >= np.median(towards)].mean()
    return tuple(int(row) for row in np.argsort(np.abs(towards - middle), kind="stable")[:_MOST_SHOWN])


def _degree(deviations: float) -> str:
    return "slightly" if deviations < 1.5 else "clearly" if deviations < 3 else "strongly"


def _where(slice_key: str) -> str:
    if slice_key == WHOLE:
        return ""
    kind, _, value = slice_key.partition("=")
    words = _SLICES.get(kind, (f"of {kind} {{}}", ""))[0]
    return " " + words.format(value)


def _kind(slice_key: str) -> str:
    kind = slice_key.partition("=")[0]
    return _SLICES.get(kind, ("", f"values of {kind}"))[1]


def _when(moment: datetime, now: datetime) -> str:
    moment = moment.astimezone(now.tzinfo)
    zone = moment.tzname() or ""
    recent = now - moment < timedelta(hours=24)
    return f"{moment:%H:%M} {zone}" if recent else f"{moment:%Y-%m-%d %H:%M} {zone}"


def _linear(luma: float) -> float:
    """Linear light of an sRGB value 0–255 (IEC 61966-2-1), at least that of the value 1."""
    value = max(luma, 1.0) / 255
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else float("nan")


def _deviation(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.std()) if known.size else 0.0
