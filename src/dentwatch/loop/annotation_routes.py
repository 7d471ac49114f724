"""``/v1/annotations``: batches of annotated photos over HTTP.

Serving knows nothing of the loop: whoever puts the service together hands :func:`router` to
:func:`dentwatch.serving.api.create_app`.
"""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import JSONResponse

from dentwatch.errors import LoopError, SourceError
from dentwatch.loop import dataset_routes, label_studio_routes
from dentwatch.loop.batch_states import BatchState, state_of
from dentwatch.loop.upload import keep_upload
from dentwatch.records import audit
from dentwatch.serving import problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

Sender = Annotated[Caller, Depends(require(Permission.SEND_ANNOTATIONS))]


class BatchAnswer(BaseModel):
    """A batch and how it stands."""

    id: str
    state: str = Field(
        description="`arriving`, `waiting`, `running`, `taken`, `quarantined`, `rejected`, `unreadable`, `gone`, "
        "`failed` or `cancelled`."
    )
    text: str = Field(description="It in a sentence.")
    at: datetime | None = Field(description="Since when.")
    version: str | None = Field(None, description="The dataset version that holds it, once taken.")
    checks: list[dict[str, Any]] = Field([], description="What it was checked for, once judged.")
    diff: dict[str, int] = Field({}, description="What it changed, once taken.")
    set_aside: list[dict[str, Any]] = Field([], description="What of it could not be used, and why.")
    contradictions: list[dict[str, Any]] = Field([], description="Photos that are known with other annotations.")

    @classmethod
    def of(cls, batch: BatchState) -> "BatchAnswer":
        """The answer about a batch."""
        found = {name: (batch.result or {})[name] for name in cls.model_fields if name in (batch.result or {})}
        return cls(**{**found, "id": batch.id, "state": batch.state, "text": batch.text, "at": batch.at})


def router(runtime: Runtime) -> APIRouter:
    """The routes over ``runtime``."""
    routes = APIRouter(tags=["annotations"], responses=REFUSALS)

    @routes.post(
        "/v1/annotations",
        status_code=HTTPStatus.ACCEPTED,
        summary="Send a batch of annotated photos",
        response_model=BatchAnswer,
        openapi_extra=_BODY,
        responses=problems.documented(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    )
    async def send(
        request: Request,
        caller: Sender,
        name: Annotated[
            str, Query(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$", description="What the batch is called.")
        ] = "upload",
    ) -> JSONResponse:
        """A zip of photos and annotations, in any format that `dentwatch data ingest` reads.

        202 means that it is on the disk; it is checked and taken in soon, see `Location`. The same zip under the same
        name is one batch, however often it is sent.
        """
        data = await request.body()
        batch = await runtime.intake.in_thread(_kept, runtime, name, data)

        def noted(connection: Connection) -> None:
            audit.append(connection, caller.actor, "batch.send", batch.id, {"bytes": len(data)})

        await runtime.intake.write(noted)
        answer = BatchAnswer.of(batch).model_dump(mode="json")
        return JSONResponse(answer, HTTPStatus.ACCEPTED, {"Location": f"/v1/annotations/{batch.id}"})

    @routes.get(
        "/v1/annotations/{batch_id}",
        summary="Show what became of a batch",
        responses=problems.documented(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
    )
    async def shown(batch_id: str, _caller: Sender) -> BatchAnswer:
        """Its state, and once it was judged the checks, what was set aside, and what it changed."""
        return BatchAnswer.of(await runtime.intake.in_thread(_state, runtime, batch_id))

    dataset_routes.add(routes, runtime)
    label_studio_routes.add(routes, runtime)
    return routes


def _kept(runtime: Runtime, name: str, data: bytes) -> BatchState:
    try:
        batch = keep_upload(runtime.settings, name, data)
    except SourceError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "not-a-batch", str(error)) from error
    return _state(runtime, batch.id)


def _state(runtime: Runtime, batch_id: str) -> BatchState:
    try:
        with runtime.database.reading() as connection:
            return state_of(runtime.settings, connection, batch_id)
    except LoopError as error:
        raise RefusedError(HTTPStatus.NOT_FOUND, "no-such-batch", f"There is no batch {batch_id[:100]}.") from error
    except SourceError as error:
        raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "inbox-unavailable", str(error)) from error
