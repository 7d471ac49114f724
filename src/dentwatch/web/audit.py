"""``/audit``: who did what, and whether the record of it is as it was written."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from dentwatch.errors import AuditError
from dentwatch.records import audit
from dentwatch.records.audit import Entry
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.runtime import Runtime
from dentwatch.web.pages import PageQuery, page, show

_ON_A_PAGE = 50
_AT_A_TIME = 500  # entries of an export that are in memory
_COLUMNS = ("number", "at", "actor", "action", "subject", "details", "hash")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for the beginning of one

Reader = Annotated[Caller, Depends(require(Permission.SEE_AUDIT))]


class AuditFilter(PageQuery):
    """Which entries are wanted; ``since`` is a day, UTC."""

    model_config = ConfigDict(extra="forbid")

    actor: str | None = Field(None, max_length=200)
    action: str | None = Field(None, max_length=60)
    subject: str | None = Field(None, max_length=200)
    since: date | None = None

    @property
    def chosen(self) -> dict[str, Any]:
        """It as :func:`dentwatch.records.audit.page` takes it."""
        since = None if self.since is None else datetime.combine(self.since, time.min, UTC)
        return {"actor": self.actor, "action": self.action, "subject": self.subject, "since": since}


class AuditQuery(AuditFilter):
    """Which entries the page shows."""

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
        wanted = partial(audit.page, **query.chosen, before=query.before, limit=_ON_A_PAGE + 1)
        found = await runtime.intake.read(wanted)
        view: dict[str, Any] = {
            "entries": [entry.as_document() for entry in found[:_ON_A_PAGE]],
            "next": found[_ON_A_PAGE - 1].number if len(found) > _ON_A_PAGE else None,
            "query": query.model_dump(),
        }
        return show(request, "audit.html", view)

    @routes.get("/audit.csv", include_in_schema=False)
    async def table(_caller: Reader, query: Annotated[AuditFilter, Query()]) -> StreamingResponse:
        headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
        return StreamingResponse(_table(runtime, query), media_type="text/csv; charset=utf-8", headers=headers)

    @routes.post("/v1/audit/verification", summary="Verify the audit log")
    async def verify(_caller: Reader) -> Verification:
        """Reads the whole log: some seconds for 100,000 entries."""
        return await runtime.intake.in_thread(_verified, runtime)

    return routes


async def _table(runtime: Runtime, query: AuditFilter) -> AsyncIterator[str]:
    """The entries for spreadsheets, newest first, as many at a time as memory should hold."""
    yield _lines([_COLUMNS])
    before: int | None = None
    while found := await runtime.intake.read(partial(audit.page, **query.chosen, before=before, limit=_AT_A_TIME)):
        yield _lines(map(_cells, found))
        before = found[-1].number


def _lines(rows: Iterable[Sequence[str]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()


def _cells(entry: Entry) -> list[str]:
    """An entry's cells; people choose names, and none of them is to be carried out as a formula."""
    document = entry.as_document() | {"details": json.dumps(entry.details, ensure_ascii=False)}
    texts = [str(document[name]) for name in _COLUMNS]
    return [f"'{text}" if text.startswith(_FORMULA) else text for text in texts]


def _verified(runtime: Runtime) -> Verification:
    try:
        mark = audit.verify(runtime.database)
    except AuditError as error:
        return Verification(intact=False, entries=max(error.number - 1, 0), mark=None, problem=str(error))
    return Verification(intact=True, entries=mark.number, mark=str(mark), problem="")
