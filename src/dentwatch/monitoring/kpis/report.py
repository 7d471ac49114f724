"""The KPIs of a period: each with value, interval, sample, target and trend, or with what would give it a value."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection

from dentwatch.monitoring.kpis import load, rollups, totals
from dentwatch.monitoring.kpis.definitions import Subject, definitions
from dentwatch.monitoring.kpis.estimates import Estimate, ratio
from dentwatch.monitoring.kpis.load import LoadSample
from dentwatch.monitoring.kpis.totals import Grouping, Scope, Totals
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.settings import KpiSettings

DAYS = 30
"""The period when none is named: so many days, today included."""


@dataclass(frozen=True, slots=True)
class Kpi:
    """A figure that the business steers by; ``value`` None means that there is no data yet, and ``wanting`` what for.

    ``low`` and ``high`` are the ends of the 95 % interval that ``interval`` names. ``previous`` is the value of the
    equally long period before, ``trend`` the difference from it. ``is_met`` is None without value or target.
    """

    name: str
    label: str
    title: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    interval: str
    sample: int
    sample_of: str
    target: float | None
    higher_is_better: bool
    is_met: bool | None
    previous: float | None
    trend: float | None
    note: str
    wanting: str


@dataclass(frozen=True, slots=True)
class Group:
    """The KPIs of a day, channel or model version ("" for none), or of all."""

    name: str
    kpis: tuple[Kpi, ...]


@dataclass(frozen=True, slots=True)
class LoadBand:
    """What photos cost while ``in_flight`` requests were under way, on average; see :mod:`.load`."""

    in_flight: float
    samples: int
    photos: int
    photos_per_second: float
    cpu_seconds_per_photo: float
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """The KPIs of ``since`` ≤ day < ``until`` (UTC); the sums lack ``behind`` changes, as of now."""

    since: date
    until: date
    channel: str | None
    model: str | None
    by: Grouping | None
    currency: str
    behind: int
    groups: tuple[Group, ...]
    load: tuple[LoadBand, ...]

    def as_document(self) -> dict[str, Any]:
        """It as JSON values."""
        return {**asdict(self), "since": self.since.isoformat(), "until": self.until.isoformat()}

    def as_csv(self) -> str:
        """A line per figure, with a heading, for spreadsheets."""
        document = self.as_document()
        period = {name: document[name] for name in ("since", "until", "channel", "model")}
        rows = [{**period, "group": group["name"], **kpi} for group in document["groups"] for kpi in group["kpis"]]
        written = io.StringIO()
        writer = csv.DictWriter(
            written, list(rows[0]) if rows else [*period, "group", "name", "value"], lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)
        return written.getvalue()


def report(connection: Connection, settings: KpiSettings, scope: Scope, by: Grouping | None = None) -> Report:
    """The KPIs of ``scope``, for each group of ``by``; what load costs is measured for the service as a whole only."""
    now = totals.read(connection, scope, by)
    # A day has no equal in the period before; a channel and a model version have.
    before = {} if by == "day" else totals.read(connection, scope.before, by)
    groups = [Group(name, _of_totals(settings, one, before.get(name))) for name, one in now.items()]
    bands: list[Sequence[LoadSample]] = []
    if by is None and scope.channel is None and scope.model is None:
        samples = load.within(connection, scope.period)
        bands = load.by_band(samples)
        costs = _of_load(settings, samples, load.within(connection, scope.period.before))
        groups = [Group(one.name, (*one.kpis, *costs)) for one in groups]
    return Report(
        since=scope.period.since,
        until=scope.period.until,
        channel=scope.channel,
        model=scope.model,
        by=by,
        currency=settings.currency,
        behind=rollups.behind(connection),
        groups=tuple(groups),
        load=tuple(map(_band, bands)),
    )


def _of_totals(settings: KpiSettings, now: Totals, before: Totals | None) -> tuple[Kpi, ...]:
    return tuple(
        _kpi(settings, one.subject, one.measure(now, settings), one.measure(before, settings) if before else None)
        for one in definitions(HEADLINE_LABELS)
    )


def _kpi(settings: KpiSettings, what: Subject, now: Estimate | None, before: Estimate | None) -> Kpi:
    target = _target(settings, what.name)
    value, previous = now.value if now else None, before.value if before else None
    met: bool | None = None
    if value is not None and target is not None:
        met = value >= target if what.higher_is_better else value <= target
    return Kpi(
        name=what.name,
        label=what.label,
        title=what.title,
        unit=what.unit,
        value=value,
        low=now.low if now else None,
        high=now.high if now else None,
        interval=now.interval if now else "",
        sample=now.sample if now else 0,
        sample_of=what.sample_of,
        target=target,
        higher_is_better=what.higher_is_better,
        is_met=met,
        previous=previous,
        trend=None if value is None or previous is None else value - previous,
        note=what.note,
        wanting="" if now else what.wanting,
    )


def _target(settings: KpiSettings, name: str) -> float | None:
    """The target of a KPI; of times, that of the 95th of 100 is the target."""
    target: float | None = getattr(settings, f"target_{name.removesuffix('_p95')}", None)
    return target


def _of_load(settings: KpiSettings, now: Sequence[LoadSample], before: Sequence[LoadSample]) -> tuple[Kpi, ...]:
    return tuple(_kpi(settings, what, figure(now), figure(before)) for what, figure in _LOAD)


def _cpu(samples: Sequence[LoadSample]) -> Estimate | None:
    return ratio([(one.cpu_seconds, one.photos) for one in samples])


def _growth(samples: Sequence[LoadSample]) -> Estimate | None:
    bands = load.by_band(samples)
    if len(bands) < 2:
        return None
    lowest, highest = _cpu(bands[0]), _cpu(bands[-1])
    if lowest is None or highest is None or lowest.value == 0:
        return None
    return Estimate(highest.value / lowest.value, lowest.sample + highest.sample)


def _memory(samples: Sequence[LoadSample]) -> Estimate | None:
    return Estimate(max(one.resident_bytes for one in samples), len(samples)) if samples else None


def _measured(name: str, title: str, unit: str, note: str) -> Subject:
    wanting = "`dentwatch serve` at work for a minute" + (", under different loads" if name == "load_growth" else "")
    return Subject(name, title, unit, "intervals", wanting, higher_is_better=False, note=note)


_LOAD = (
    (
        _measured(
            "cpu_seconds_per_photo", "Processor time per photo", "s", "Of the worker processes while they were at work."
        ),
        _cpu,
    ),
    (
        _measured(
            "load_growth",
            "Growth with load",
            "times",
            "Processor time per photo under the highest load that was seen, as a multiple of the lowest.",
        ),
        _growth,
    ),
    (
        _measured(
            "resident_bytes",
            "Memory at most",
            "bytes",
            "Of all worker processes together; memory that they share counts in each.",
        ),
        _memory,
    ),
)


def _band(samples: Sequence[LoadSample]) -> LoadBand:
    seconds, photos = sum(one.seconds for one in samples), sum(one.photos for one in samples)
    return LoadBand(
        in_flight=sum(one.in_flight * one.seconds for one in samples) / seconds,
        samples=len(samples),
        photos=photos,
        photos_per_second=photos / seconds,
        cpu_seconds_per_photo=sum(one.cpu_seconds for one in samples) / photos,
        resident_bytes=max(one.resident_bytes for one in samples),
    )
