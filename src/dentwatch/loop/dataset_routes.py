"""Routes over the dataset: a person's word on batches and on contradictions, and a small picture of each photo."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dentwatch.errors import DatasetError, LoopError, PhotoError, SourceError
from dentwatch.loop import batch_states
from dentwatch.loop.batch_states import BatchState
from dentwatch.records import audit
from dentwatch.serving import problems
from dentwatch.serving.access import require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime
from dentwatch.serving.small_picture import KEEP_AN_HOUR, small_picture

Sender = Annotated[Caller, Depends(require(Permission.SEND_ANNOTATIONS))]
Looker = Annotated[Caller, Depends(require(Permission.SEE_MODELS))]
PhotoLooker = Annotated[Caller, Depends(require(Permission.SEE_PHOTOS))]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: str = Field(min_length=1, max_length=1000, description="Why; it is kept with the decision.")


class BatchDecision(_Input):
    """What a person says about a batch in quarantine."""

    decision: Literal["release", "reject"]


class ContradictionDecision(_Input):
    """Which annotations of a photo are right."""

    take: Literal["present", "claimed"]


class Decided(BaseModel):
    """What was decided, and about what."""

    id: str
    state: str


def add(routes: APIRouter, runtime: Runtime) -> None:
    """Add the routes over ``runtime``."""
    _add_decisions(routes, runtime)
    _add_photos(routes, runtime)


def _add_decisions(routes: APIRouter, runtime: Runtime) -> None:
    conflict = problems.documented(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)

    @routes.post(
        "/v1/annotations/{batch_id}/decision", summary="Release or reject a batch in quarantine", responses=conflict
    )
    async def decide_batch(batch_id: str, given: BatchDecision, caller: Sender) -> Decided:
        """It is carried out by the loop; 409: the batch is not in quarantine."""
        batch = await runtime.intake.in_thread(_decide_batch, runtime, batch_id, given, caller.actor)
        return Decided(id=batch.id, state=batch.state)

    @routes.post(
        "/v1/contradictions/{contradiction_id}/decision",
        summary="Say which annotations of a photo are right",
        responses=conflict,
    )
    async def decide_contradiction(contradiction_id: str, given: ContradictionDecision, caller: Sender) -> Decided:
        """The claimed ones make a new dataset version; 409: nothing of that id waits to be decided."""
        await runtime.intake.in_thread(_decide_contradiction, runtime, contradiction_id, given, caller.actor)
        return Decided(id=contradiction_id, state=given.take)


def _decide_batch(runtime: Runtime, batch_id: str, given: BatchDecision, actor: str) -> BatchState:
    try:
        with runtime.database.writing() as connection:
            return batch_states.decide(runtime.settings, connection, batch_id, given.decision, actor, given.reason)
    except LoopError as error:
        raise RefusedError(HTTPStatus.CONFLICT, "not-in-quarantine", error.message) from error
    except SourceError as error:
        raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "inbox-unavailable", str(error)) from error


def _decide_contradiction(runtime: Runtime, chosen: str, given: ContradictionDecision, actor: str) -> None:
    from dentwatch.data.contradictions import decide  # pyarrow comes with it, which not every worker needs

    try:
        decided = decide(runtime.settings, chosen, take=given.take == "claimed")
    except DatasetError as error:
        raise RefusedError(HTTPStatus.CONFLICT, "not-decided", error.message) from error
    details = {"id": decided.id, "taken": given.take, "name": decided.entry.name, "reason": given.reason}
    with runtime.database.writing() as connection:
        audit.append(connection, actor, "contradiction.decide", decided.present.photo_id, details)


def _add_photos(routes: APIRouter, runtime: Runtime) -> None:
    @routes.get(
        "/v1/datasets/{version}/photos/{photo_id}",
        summary="Show a photo of a dataset version, small",
        response_class=Response,
        responses={
            200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
            **problems.documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
        },
    )
    async def photo(
        version: Annotated[str, Path(pattern="^(latest|[0-9a-f]{6,64})$")],
        photo_id: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="The SHA-256 of its bytes.")],
        _caller: Looker,
        _viewer: PhotoLooker,
        side: Annotated[int, Query(ge=32, le=2048, description="Longer side in pixels, upright.")] = 320,
    ) -> Response:
        """The upright picture, without what the camera wrote beside it."""
        picture = await runtime.intake.in_thread(_picture, runtime, version, photo_id, side)
        return Response(picture, media_type="image/jpeg", headers=KEEP_AN_HOUR)


def _picture(runtime: Runtime, version: str, photo_id: str, side: int) -> bytes:
    from dentwatch.records.datasets import DatasetStore  # as above

    try:
        row = DatasetStore(runtime.settings.dataset_store_url).get(version).photo(photo_id)
    except DatasetError as error:
        raise RefusedError(HTTPStatus.NOT_FOUND, "no-such-version", error.message) from error
    if row is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, "no-such-photo", f"No photo {photo_id} is in the version {version}.")
    try:
        return small_picture(runtime.store.get(photo_id), side, max_pixels=runtime.settings.serving.max_pixels)
    except PhotoError as error:
        missing = error.reason == "missing"
        status = HTTPStatus.NOT_FOUND if missing else HTTPStatus.UNPROCESSABLE_ENTITY
        raise RefusedError(status, "photo-missing" if missing else "not-a-photo", error.message) from error
