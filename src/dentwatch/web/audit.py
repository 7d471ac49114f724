"""``/audit``: who did what, and whether the record of it is as it was written."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dentwatch.errors import AuditError
from dentwatch.records import audit
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.runtime import Runtime
from dentwatch.web.pages import PageQuery, page, show

_ON_A_PAGE = 50

Reader = Annotated[Caller, Depends(require(Permission.SEE_AUDIT))]


class AuditQuery(PageQuery):
    """Which entries the page shows."""

    model_config = ConfigDict(extra="forbid")

    actor: str | None = Field(None, max_length=200)
    action: str | None = Field(None, max_length=60)
    subject: str | None = Field(None, max_length=200)
    before: int | None = Field(None, ge=1, le=2**62)


class Verification(BaseModel):
    """Whether the log is as it was written."""

    intact: bool
    entries: int = Field(description="That were read and are as they were written.")
    mark: str | None = Field(description="Stands for the log up to its end; to be kept elsewhere.")
    problem: str = Field(description="What is wrong, and at which entry; empty while nothing is.")


def router(runtime: Runtime) -> APIRouter:
    """The page and the verification over ``runtime``."""
    routes = APIRouter(tags=["audit"], responses=REFUSALS)

    @page(routes, "/audit")
    async def entries(request: Request, _caller: Reader, query: Annotated[AuditQuery, Query()]) -> Response:
        wanted = query.model_dump()
        found = await runtime.intake.read(lambda connection: audit.page(connection, **wanted, limit=_ON_A_PAGE + 1))
        view: dict[str, Any] = {
            "entries": [entry.as_document() for entry in found[:_ON_A_PAGE]],
            "next": found[_ON_A_PAGE - 1].number if len(found) > _ON_A_PAGE else None,
            "query": wanted,
        }
        return show(request, "audit.html", view)

    @routes.post("/v1/audit/verification", summary="Verify the audit log")
    async def verify(_caller: Reader) -> Verification:
        """Reads the whole log: some seconds for 100,000 entries."""
        return await runtime.intake.in_thread(_verified, runtime)

    return routes


def _verified(runtime: Runtime) -> Verification:
    try:
        mark = audit.verify(runtime.database)
    except AuditError as error:
        return Verification(intact=False, entries=max(error.number - 1, 0), mark=None, problem=str(error))
    return Verification(intact=True, entries=mark.number, mark=str(mark), problem="")
