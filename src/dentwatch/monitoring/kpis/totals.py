"""The sums of a period, read from the cells; by day, channel or model version where asked."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, Connection, Table, func, select

from dentwatch.monitoring.kpis.cells import ADOPTION
from dentwatch.monitoring.kpis.histogram import Histogram
from dentwatch.records.kpi_tables import kpi_cells, kpi_histograms

Grouping = Literal["day", "channel", "model"]


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days, UTC: ``since`` ≤ day < ``until``."""

    since: date
    until: date

    @property
    def before(self) -> "Period":
        """The equally long period that ends where this one begins."""
        return Period(self.since - (self.until - self.since), self.since)

    @classmethod
    def last(cls, days: int, today: date) -> "Period":
        """The last ``days`` days, ``today`` included."""
        return cls.named(None, None, days, today)

    @classmethod
    def named(cls, since: date | None, until: date | None, days: int, today: date) -> "Period":
        """From ``since`` to ``until``; without them ``days`` days, to the end of ``today``.

        Raises :class:`ValueError` where that is no period, or one without an equal before it.
        """
        try:
            until = today + timedelta(days=1) if until is None else until
            since = until - timedelta(days=days) if since is None else since
            period = cls(since, until)
            if since < until and period.before:  # dates begin with the year 1
                return period
        except OverflowError:
            pass
        raise ValueError(f"There is no period from {since} to {until}: name a first day, and the day after the last.")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is summed up: a period, and one channel or model version alone where they are named."""

    period: Period
    channel: str | None = None
    model: str | None = None

    @property
    def before(self) -> "Scope":
        """The same of the period before."""
        return Scope(self.period.before, self.channel, self.model)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums by measure and label, and times by measure."""

    sums: Counter[tuple[str, str]] = field(default_factory=Counter)
    times: dict[str, Histogram] = field(default_factory=dict)

    def sum(self, measure: str, label: str | None = None) -> int:
        """The sum of a measure, of one label or of all."""
        return sum(
            value for (name, of), value in self.sums.items() if name == measure and (label is None or of == label)
        )

    def by_label(self, measure: str) -> dict[str, int]:
        """The sums of a measure by label."""
        return {of: value for (name, of), value in sorted(self.sums.items()) if name == measure}


def read(connection: Connection, scope: Scope, by: Grouping | None = None) -> dict[str, Totals]:
    """The totals of each group, in order; "all" is the one group without ``by``."""
    found: dict[str, Totals] = {} if by else {"all": Totals()}
    cells = kpi_cells.c
    group: list[Column[Any]] = [cells[by]] if by else []
    query = select(cells.measure, cells.label, func.sum(cells.value), *group).where(*_within(kpi_cells, scope))
    if by == "model":  # listings have none, and are not those of inspections without one
        query = query.where(cells.measure.not_in(ADOPTION))
    for measure, label, value, *name in connection.execute(query.group_by(cells.measure, cells.label, *group)):
        found.setdefault(name[0] if by else "all", Totals()).sums[measure, label] = int(value)
    times = kpi_histograms.c
    packed = select(times.measure, times.buckets, *([times[by]] if by else [])).where(*_within(kpi_histograms, scope))
    for measure, buckets, *name in connection.execute(packed):
        totals = found.setdefault(name[0] if by else "all", Totals())
        totals.times.setdefault(measure, Histogram()).add_packed(buckets)
    return dict(sorted(found.items()))


def _within(table: Table, scope: Scope) -> list[ColumnElement[bool]]:
    day = table.c.day
    conditions = [day >= scope.period.since.isoformat(), day < scope.period.until.isoformat()]
    for column, wanted in ((table.c.channel, scope.channel), (table.c.model, scope.model)):
        if wanted is not None:
            conditions.append(column == wanted)
    return conditions
