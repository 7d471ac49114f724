"""``/v1/inspections/{id}/report.pdf``: the condition report of an inspection."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from dentwatch.records.inspections import KeptInspection
from dentwatch.serving import problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.condition_report import render
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.routes.inspections import visible
from dentwatch.serving.runtime import Runtime
from dentwatch.serving.stored_report import report_input

_MEDIA_TYPE = "application/pdf"


class _Pdf(Response):
    media_type = _MEDIA_TYPE


def router(runtime: Runtime) -> APIRouter:
    """The route over ``runtime``."""
    routes = APIRouter(tags=["reports"], default_response_class=_Pdf)

    @routes.get(
        "/v1/inspections/{inspection_id}/report.pdf",
        summary="The condition report",
        responses={
            200: {
                "content": {_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
                "description": "A PDF, A4.",
            },
            **REFUSALS,
            **problems.documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        },
    )
    async def report(
        inspection_id: str, caller: Annotated[Caller, Depends(require(Permission.SEE_PHOTOS))]
    ) -> Response:
        """Each damage with its photo, size, confidence and price effect, and where all of it comes from."""
        kept = await visible(runtime, caller, inspection_id)
        if kept.status != "done":
            raise RefusedError(
                HTTPStatus.CONFLICT, "not-done", f"The inspection {kept.id} is {kept.status}, so there is no report."
            )
        headers = {"Content-Disposition": f'inline; filename="condition-report-{kept.id}.pdf"'}
        return _Pdf(await runtime.intake.in_thread(_rendered, runtime, kept), headers=headers)

    return routes


def _rendered(runtime: Runtime, kept: KeptInspection) -> bytes:
    champion = runtime.models.champion
    model = champion.bundle.spec if champion.model == kept.model else None
    report = report_input(kept, runtime.store, model)
    return render(report, runtime.settings.serving.max_pixels)
