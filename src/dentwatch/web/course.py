"""The recent course of a photo statistic, inspection by inspection, against what is usual; drawn as a small SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection, select

from dentwatch.records import tables
from dentwatch.web import drift_words
from dentwatch.web.reference_bands import USUALLY_OUTSIDE, Band

_INSPECTIONS = 300
_MOST_POINTS = 60
_LAST_PHOTOS = 100  # that say whether it is unusual now
_UNUSUAL = 3 * USUALLY_OUTSIDE  # share of them outside the band
_FLAT = 1e-6  # of the values: means of equal numbers differ by less
_WIDTH, _HEIGHT, _MARGIN = 300.0, 84.0, 6.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A finished inspection and the statistics of its photos that were answered."""

    at: datetime
    photos: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Course:
    """The means of ``statistic`` over groups of inspections, oldest first.

    ``outside`` is the share of the last photos outside ``band``, None without one; ``since`` is the place in ``points``
    at which an open incident began, None where that lies further back or there is none.
    """

    statistic: str
    name: str
    about: str
    points: tuple[float, ...]
    band: Band | None
    outside: float | None
    since: int | None

    @property
    def is_unusual(self) -> bool:
        """Whether clearly more photos than usual lie outside the band."""
        return self.outside is not None and self.outside > _UNUSUAL

    def said(self, value: float) -> str:
        """A value of the statistic, in words."""
        return drift_words.statistic(self.statistic).said(value)

    def drawing(self) -> Markup:
        """It as an SVG that stretches to any size; what it shows is in its label."""
        low, high = self._ends()

        def y(value: float) -> float:
            return _HEIGHT - _MARGIN - (value - low) / (high - low) * (_HEIGHT - 2 * _MARGIN)

        step = (_WIDTH - 2 * _MARGIN) / max(1, len(self.points) - 1)
        places = [(_MARGIN + step * count, y(value)) for count, value in enumerate(self.points)]
        line = "M" + "L".join(f"{left:.1f} {top:.1f}" for left, top in places)
        end = f"M{places[-1][0]:.1f} {places[-1][1]:.1f}h0"
        band = ""
        if self.band is not None:
            top, bottom = y(self.band.high), y(self.band.low)
            band = f'<rect class="band" x="0" y="{top:.1f}" width="{_WIDTH:g}" height="{max(bottom - top, 1.5):.1f}"/>'
        since = ""
        if self.since is not None:
            left = places[self.since][0] - (step / 2 if self.since else 0)
            since = f'<path class="since" d="M{left:.1f} 0V{_HEIGHT:g}"/>'
        return Markup(  # noqa: S704 (numbers alone; the label is escaped)
            f'<svg class="course" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none" role="img" '
            f'aria-label="{{}}">{band}{since}<path class="way" d="{line}"/><path class="end" d="{end}"/></svg>'
        ).format(self._label())

    def _ends(self) -> tuple[float, float]:
        known = [*self.points, *((self.band.low, self.band.high) if self.band else ())]
        low, high = min(known), max(known)
        return (low, high) if high - low > _FLAT * max(1.0, abs(high)) else (low - 1, high + 1)

    def _label(self) -> str:
        usual = f"; usual are {self.said(self.band.low)} to {self.said(self.band.high)}" if self.band else ""
        return f"{self.name}: from {self.said(self.points[0])} to {self.said(self.points[-1])} of late{usual}"


def recent(connection: Connection) -> list[Seen]:
    """The last finished inspections, oldest first; those without a photo that was answered are left out."""
    rows, photos = tables.inspections, tables.inspection_photos
    last = (
        select(rows.c.number, rows.c.id, rows.c.created_at)
        .where(rows.c.status == "done")
        .order_by(rows.c.number.desc())
        .limit(_INSPECTIONS)
        .subquery()
    )
    query = (
        select(last.c.number, last.c.created_at, photos.c.statistics)
        .join(photos, photos.c.inspection_id == last.c.id)
        .where(photos.c.error.is_(None), photos.c.statistics.is_not(None))
        .order_by(last.c.number, photos.c.position)
    )
    found: dict[int, tuple[datetime, list[dict[str, Any]]]] = {}
    for row in connection.execute(query):
        if row.statistics is not None:
            found.setdefault(row.number, (row.created_at, []))[1].append(row.statistics)
    return [Seen(at, tuple(measured)) for at, measured in found.values()]


def courses(seen: Sequence[Seen], bands: dict[str, Band], since: datetime | None) -> list[Course]:
    """The course of each statistic over what was ``seen``; ``since`` is when an open incident began."""
    if not seen:
        return []
    size = group_size(len(seen))
    groups = [seen[start : start + size] for start in range(0, len(seen), size)]
    begun = None
    if since is not None and seen[0].at < since:
        begun = next((place for place, group in enumerate(groups) if group[-1].at >= since), None)
    return [course for name in drift_words.MEASURED if (course := _course(name, groups, bands.get(name), begun))]


def group_size(inspections: int) -> int:
    """How many of so many inspections make a point."""
    return max(1, math.ceil(inspections / _MOST_POINTS))


def _course(name: str, groups: Sequence[Sequence[Seen]], band: Band | None, since: int | None) -> Course | None:
    values = [[float(value) for value in _values(name, group)] for group in groups]
    points = tuple(sum(group) / len(group) for group in values if group)
    if not points:
        return None
    last = [value for group in values for value in group][-_LAST_PHOTOS:]
    outside = None if band is None else sum(not band.holds(value) for value in last) / len(last)
    known = drift_words.statistic(name)
    marked = since if len(points) == len(groups) else None
    return Course(name, known.name, known.about, points, band, outside, marked)


def _values(name: str, group: Sequence[Seen]) -> Iterator[float]:
    return (value for one in group for photo in one.photos if (value := photo.get(name)) is not None)
