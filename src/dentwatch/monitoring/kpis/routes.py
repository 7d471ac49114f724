"""``/v1/kpis``: the KPIs over HTTP, as ``dentwatch kpis --json`` prints them."""

from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from dentwatch.monitoring.kpis.report import DAYS, report
from dentwatch.monitoring.kpis.totals import Grouping, Period, Scope
from dentwatch.serving import problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.moments import Day
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime


class KpiAnswer(BaseModel):
    """A KPI; without a value there is no data yet, and `wanting` says what would give it."""

    name: str
    label: str = Field(description="Of which damage; empty for all.")
    title: str
    unit: str = Field(description="share, ms, s, stars, times, bytes, or money in `currency`.")
    value: float | None
    low: float | None = Field(description="Lower end of the 95 % interval.")
    high: float | None = Field(description="Upper end of the 95 % interval.")
    interval: str = Field(description="How the interval was computed.")
    sample: int
    sample_of: str = Field(description="What `sample` counts.")
    target: float | None
    higher_is_better: bool
    is_met: bool | None = Field(description="Whether the value keeps to the target.")
    previous: float | None = Field(description="The value in the equally long period before.")
    trend: float | None = Field(description="`value` less `previous`.")
    note: str
    wanting: str


class GroupAnswer(BaseModel):
    """The KPIs of a day, channel or model version; of all without `by`."""

    name: str
    kpis: list[KpiAnswer]


class LoadAnswer(BaseModel):
    """What photos cost while so many requests were under way, on average."""

    in_flight: float
    samples: int
    photos: int
    photos_per_second: float
    cpu_seconds_per_photo: float
    resident_bytes: int


class KpisAnswer(BaseModel):
    """The KPIs of `since` ≤ day < `until`, UTC."""

    since: date
    until: date
    channel: str | None
    model: str | None
    by: Grouping | None
    currency: str = Field(description="ISO 4217.")
    behind: int = Field(description="Changes that are not counted yet; monitoring counts them within seconds.")
    groups: list[GroupAnswer]
    load: list[LoadAnswer]


def router(runtime: Runtime) -> APIRouter:
    """The route over ``runtime``."""
    routes = APIRouter(
        tags=["monitoring"], responses={**REFUSALS, **problems.documented(HTTPStatus.UNPROCESSABLE_ENTITY)}
    )

    @routes.get("/v1/kpis", summary="Show the KPIs")
    async def kpis(
        _caller: Annotated[Caller, Depends(require(Permission.SEE_MONITORING))],
        since: Annotated[Day | None, Query(description=f"First day, UTC; {DAYS} days by default.")] = None,
        until: Annotated[Day | None, Query(description="Day after the last; tomorrow by default.")] = None,
        channel: Annotated[str | None, Query(max_length=100)] = None,
        model: Annotated[str | None, Query(max_length=200)] = None,
        by: Grouping | None = None,
    ) -> KpisAnswer:
        """Each with value, 95 % interval, sample, target and trend; or with what would give it a value."""
        scope = Scope(_period(since, until), channel, model)

        def read(connection: Connection) -> KpisAnswer:
            made = report(connection, runtime.settings.kpis, scope, by)
            return KpisAnswer.model_validate(made.as_document())

        return await runtime.intake.read(read)

    return routes


def _period(since: date | None, until: date | None) -> Period:
    try:
        return Period.named(since, until, DAYS, datetime.now(UTC).date())
    except ValueError as error:
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, "no-period", str(error)) from error
