"""``/live``: pages hear, as server-sent events, that something they show has changed, and load it anew.

One look at the database every two seconds serves all pages of a worker process. An event says that, not what: the page
is correct after a reload, whatever it has missed.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from sqlalchemy import Connection, func, select
from starlette.responses import StreamingResponse

from dentwatch.records import loop_tables, monitoring_tables, tables
from dentwatch.serving.access import require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime

_LOOK_SECONDS = 2.0
_STREAM_SECONDS = 55.0  # then the browser connects anew: a stream that nobody reads any more ends by then
_RETRY_MS = 1500


def marks(connection: Connection) -> dict[str, str]:
    """What changes when a topic does: ``inspections``, ``incidents``, ``reviews``, ``loop`` and ``audit``."""
    inspections, items, steps = tables.inspections, monitoring_tables.review_items, loop_tables.loop_steps

    def one(*columns: object) -> str:
        return json.dumps(list(connection.execute(select(*columns)).one()), default=str)  # type: ignore[call-overload]

    pending = select(func.count()).where(inspections.c.status == "pending").scalar_subquery()
    unreviewed = select(func.count()).where(items.c.state == "open").scalar_subquery()
    running = select(func.count()).where(steps.c.state == "running").scalar_subquery()
    return {
        "inspections": one(func.max(inspections.c.number), pending),
        "incidents": one(func.max(monitoring_tables.incident_events.c.number)),
        "reviews": one(func.max(items.c.number), unreviewed),
        "loop": one(func.max(steps.c.number), running, func.max(steps.c.finished_at)),
        "rollouts": one(func.max(loop_tables.rollouts.c.stage_since)),
        "audit": one(func.max(tables.audit_entries.c.number)),
    }


class Pulse:
    """Looks at the marks while somebody listens, and wakes the listeners when one has changed."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._seen: dict[str, str] | None = None
        self._changed = asyncio.Condition()
        self._listeners = 0
        self._looking: asyncio.Task[None] | None = None

    async def listen(self, topics: frozenset[str], known: str, ending: asyncio.Event) -> AsyncIterator[str]:
        """Events for ``topics``; one at once where what the page has ``known`` is not how things stand."""
        self._listeners += 1
        if self._looking is None or self._looking.done():
            self._seen = await self._runtime.intake.read(marks)
            self._looking = asyncio.create_task(self._look())
        try:
            yield f"retry: {_RETRY_MS}\n\n"
            until = asyncio.get_running_loop().time() + _STREAM_SECONDS
            while not ending.is_set() and (left := until - asyncio.get_running_loop().time()) > 0:
                stand = _stand(self._seen or {}, topics)
                if stand != known:
                    yield f"id: {stand}\nevent: changed\ndata: {{}}\n\n"
                    known = stand
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, _LOOK_SECONDS)), self._changed:
                        await self._changed.wait()
        finally:
            self._listeners -= 1

    async def _look(self) -> None:
        while self._listeners:
            await asyncio.sleep(_LOOK_SECONDS)
            with suppress(RefusedError):  # the database is away: pages stay as they are until it is back
                seen = await self._runtime.intake.read(marks)
                if seen != self._seen:
                    self._seen = seen
                    async with self._changed:
                        self._changed.notify_all()


Seer = Annotated[Caller, Depends(require(Permission.SEE_INSPECTIONS))]


def router(runtime: Runtime) -> APIRouter:
    """The route over ``runtime``."""
    routes = APIRouter(include_in_schema=False)
    pulse = Pulse(runtime)

    @routes.get("/live")
    async def live(
        request: Request,
        _caller: Seer,
        topics: Annotated[str, Query(max_length=200)],
        last_event_id: Annotated[str, Header(max_length=200)] = "",
    ) -> StreamingResponse:
        events = pulse.listen(frozenset(topics.split()), last_event_id, request.app.state.ending)
        return StreamingResponse(events, media_type="text/event-stream")

    return routes


def _stand(seen: dict[str, str], topics: frozenset[str]) -> str:
    """How the topics stand, in a line."""
    return "".join(json.dumps([seen.get(topic, "") for topic in sorted(topics)]).split())
