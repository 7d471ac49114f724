"""``/kpis``: what the business steers by, each with target, trend and interval; prints on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from markupsafe import Markup
from pydantic import Field
from sqlalchemy import Connection, select
from starlette.responses import Response

from dentwatch.monitoring.kpis.report import Kpi, LoadBand, Report, report
from dentwatch.monitoring.kpis.totals import Period, Scope
from dentwatch.records import tables
from dentwatch.serving.access import require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime
from dentwatch.training.evaluation.charts import Axis, Series, line_chart
from dentwatch.web import sparkline
from dentwatch.web.kpi_words import WORDS
from dentwatch.web.pages import PageQuery, page, show

_PHOTO_MS, _INSPECTION_MS = (
    tuple(f"{of}_ms_{quantile}" for quantile in ("p50", "p95", "p99")) for of in ("photo", "inspection")
)
_ERRORS = ("false_positive_rate", "false_negative_rate")

GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "Is the damage right?",
        "By people's verdicts",
        ("detection_accuracy", "precision", "recall", *_ERRORS, "photo_accuracy"),
    ),
    ("Is it quick?", "Decoding and looking, without waiting", (*_PHOTO_MS, *_INSPECTION_MS)),
    (
        "Do people like and use it?",
        "Ratings, and cars offered for sale",
        ("satisfaction_mean", "satisfaction_share", "adoption_rate"),
    ),
    ("Does it pay?", "Against a manual inspection", ("cost_savings", "price_error")),
    (
        "Does it scale?",
        "Measured while the service is at work",
        ("cpu_seconds_per_photo", "load_growth", "resident_bytes"),
    ),
)
"""The KPIs as the page shows them: a question, what answers it, and their names."""

_BEYOND = 1.15
_RECENT = 2000  # inspections among which channels and models to choose from are looked for

See = Annotated[Caller, Depends(require(Permission.SEE_MONITORING))]


class KpiQuery(PageQuery):
    """Which days, channel and model version; the last 30 days of all by default."""

    days: Literal["7", "30", "90", "365"] = "30"
    channel: str | None = Field(None, max_length=100)
    model: str | None = Field(None, max_length=200)

    @property
    def scope(self) -> Scope:
        """What is summed up."""
        period = Period.last(int(self.days), datetime.now(UTC).date())
        return Scope(period, self.channel, self.model)


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval and its target as places on a line, 0 to 100; ``target`` is None without one."""

    low: float
    high: float
    target: float | None

    @classmethod
    def of(cls, kpi: Kpi) -> "Bar | None":
        """That of a KPI: shares on a line from 0 to 1, what else is not negative from 0 to a little beyond its end."""
        if kpi.low is None or kpi.high is None or kpi.low < 0 or kpi.high <= 0:
            return None
        end = 1.0 if kpi.unit == "share" else _BEYOND * max(kpi.high, kpi.target or 0.0)
        low, high = 100 * kpi.low / end, 100 * kpi.high / end
        return cls(low, high, None if kpi.target is None else 100 * kpi.target / end)


@dataclass(frozen=True, slots=True)
class Shown:
    """A KPI in the words of the business, its interval as a bar, and its course, day by day.

    ``course`` is the path of a line in a box of 100 × 30, empty where there is none.
    """

    kpi: Kpi
    title: str
    about: str
    bar: Bar | None
    course: str

    @classmethod
    def of(cls, kpi: Kpi, course: str) -> "Shown":
        """A KPI as the page shows it."""
        title, about = WORDS[kpi.name]
        return cls(kpi, title, about, Bar.of(kpi), course)


@dataclass(frozen=True, slots=True)
class Load:
    """What photos cost, by how much was going on."""

    bands: tuple[LoadBand, ...]

    def drawing(self) -> Markup:
        """It as a chart; empty where only one load was seen."""
        if len(self.bands) < 2:
            return Markup()
        load = [band.in_flight for band in self.bands]
        cost = [band.cpu_seconds_per_photo for band in self.bands]
        x = Axis("Requests under way", high=_BEYOND * max(load))
        y = Axis("Processor seconds per photo", high=_BEYOND * max(cost))
        return line_chart([Series("Measured", load, cost)], x, y, title="Processor seconds per photo, by load")


def router(runtime: Runtime) -> APIRouter:
    """The page over ``runtime``, and its table for spreadsheets."""
    routes = APIRouter(include_in_schema=False)
    settings = runtime.settings.kpis

    @page(routes, "/kpis")
    async def kpis(request: Request, _caller: See, query: Annotated[KpiQuery, Query()]) -> Response:
        def read(connection: Connection) -> tuple[Report, Report, dict[str, Sequence[str]]]:
            scope = query.scope
            return (
                report(connection, settings, scope),
                report(connection, settings, scope, "day"),
                _choices(connection),
            )

        whole, daily, choices = await runtime.intake.read(read)
        found = {(kpi.name, kpi.label): kpi for group in whole.groups for kpi in group.kpis}
        labels = sorted({label for _, label in found if label}, reverse=True)
        view = {
            "query": query.model_dump(),
            "choices": choices,
            "since": whole.since,
            "last": whole.until - timedelta(days=1),
            "currency": whole.currency,
            "behind": whole.behind,
            "groups": [
                {
                    "title": title,
                    "about": about,
                    "kpis": [
                        Shown.of(found[name, ""], _course(daily, name, whole.since, whole.until))
                        for name in names
                        if (name, "") in found
                    ],
                }
                for title, about, names in GROUPS
            ],
            "by_label": {
                label: [kpi for (_, of), kpi in found.items() if of == label and kpi.value is not None]
                for label in labels
            },
            "load": Load(whole.load),
            "made_at": datetime.now(UTC),
        }
        return show(request, "kpis.html", view)

    @routes.get("/kpis.csv")
    async def table(_caller: See, query: Annotated[KpiQuery, Query()], by: str = "") -> Response:
        if by not in ("", "day", "channel", "model"):
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, "no-grouping", "KPIs are by day, channel or model.")
        made = await runtime.intake.read(
            lambda connection: report(connection, settings, query.scope, by or None)  # type: ignore[arg-type]
        )
        name = f'attachment; filename="kpis-{made.since}.csv"'
        return Response(made.as_csv(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})

    return routes


def _course(daily: Report, name: str, since: date, until: date) -> str:
    values: dict[int, float] = {}
    for group in daily.groups:
        for kpi in group.kpis:
            if kpi.name == name and not kpi.label and kpi.value is not None:
                values[(date.fromisoformat(group.name) - since).days] = kpi.value
    return sparkline.path(values, (until - since).days)


def _choices(connection: Connection) -> dict[str, Sequence[Any]]:
    """The channels and model versions of the latest inspections."""
    rows = tables.inspections
    latest = select(rows.c.channel, rows.c.model).order_by(rows.c.number.desc()).limit(_RECENT).subquery()
    return {
        name: sorted(connection.scalars(select(latest.c[name]).where(latest.c[name].is_not(None)).distinct()))
        for name in ("channel", "model")
    }
