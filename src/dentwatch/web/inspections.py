"""``/inspections``: what was inspected, and one inspection with its damage, its price effect and what people said."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from dentwatch.records import inspections, opinions
from dentwatch.records.inspections import InspectionFilter, KeptInspection
from dentwatch.records.labels import LABELS
from dentwatch.serving.access import require
from dentwatch.serving.intake import document_of
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.routes.inspections import InspectionQuery, cursor_at, document_for, number_of, visible
from dentwatch.serving.runtime import Runtime
from dentwatch.web.pages import PageQuery, page, show

_ON_A_PAGE = 30

See = Annotated[Caller, Depends(require(Permission.SEE_INSPECTIONS))]


class ListQuery(PageQuery, InspectionQuery):
    """Which inspections the page shows."""


def router(runtime: Runtime) -> APIRouter:
    """The pages over ``runtime``."""
    routes = APIRouter(include_in_schema=False)

    @page(routes, "/inspections")
    async def listed(request: Request, caller: See, query: Annotated[ListQuery, Query()]) -> Response:
        given = query.model_dump(exclude={"cursor", "limit"}, exclude_none=True)
        wanted = InspectionFilter(owner=caller.sees_only, **given)
        before = None if query.cursor is None else number_of(query.cursor)
        found = await runtime.intake.read(
            lambda connection: inspections.page(connection, wanted, before=before, limit=_ON_A_PAGE + 1)
        )
        shown = found[:_ON_A_PAGE]
        return show(
            request,
            "inspections.html",
            {
                "inspections": shown,
                "next": cursor_at(shown[-1].number) if len(found) > _ON_A_PAGE else None,
                "query": query.model_dump(mode="json", exclude={"limit"}),
                "labels": LABELS,
            },
        )

    @page(routes, "/inspections/{inspection_id}")
    async def one(request: Request, inspection_id: str, caller: See) -> Response:
        kept = await visible(runtime, caller, inspection_id)
        said = await runtime.intake.read(lambda connection: _said(connection, kept, caller))
        document = document_for(caller, document_of(kept))
        return show(
            request,
            "inspection.html",
            {"inspection": document, "labels": LABELS, **said},
        )

    return routes


def _said(connection: Connection, kept: KeptInspection, caller: Caller) -> dict[str, Any]:
    """What people said about it, and the vehicle's other inspections that ``caller`` may see."""
    feedback, verdicts, disputes = opinions.of_inspection(connection, kept.id)
    others = []
    if kept.vehicle_id is not None:
        wanted = InspectionFilter(vehicle_id=kept.vehicle_id, owner=caller.sees_only)
        others = [one for one in inspections.page(connection, wanted, limit=6) if one.id != kept.id]
    return {"feedback": feedback, "verdicts": verdicts, "disputes": disputes, "others": others}
