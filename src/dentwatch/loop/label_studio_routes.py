"""``/v1/label-studio/webhook``: Label Studio says that an annotation is finished."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from dentwatch.errors import LoopError
from dentwatch.loop import label_studio
from dentwatch.serving import problems
from dentwatch.serving.access import require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime

_ANNOTATED = frozenset({"ANNOTATION_CREATED", "ANNOTATION_UPDATED"})

Reviewer = Annotated[Caller, Depends(require(Permission.GIVE_VERDICTS))]


class TaskOfEvent(BaseModel):
    """Which task it is about."""

    id: int = Field(ge=1)


class LabelStudioEvent(BaseModel):
    """What Label Studio sends; what the annotation says is fetched from there, not taken from here."""

    action: str
    task: TaskOfEvent | None = None


class TakenAnswer(BaseModel):
    """What was taken."""

    photos: list[int] = Field(description="Numbers of photos whose reviews are new or changed.")
    known: int = Field(description="Reviews that were taken before.")
    refused: list[str] = Field(description="What could not be taken, and why.")


def add(routes: APIRouter, runtime: Runtime) -> None:
    """Add the route over ``runtime``."""

    @routes.post(
        "/v1/label-studio/webhook",
        summary="Take an annotation from Label Studio",
        responses=problems.documented(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
    )
    async def webhook(event: LabelStudioEvent, _caller: Reviewer) -> TakenAnswer:
        """Of an annotation that was created or updated; other events change nothing. 409: Label Studio is not set."""
        none: dict[str, Any] = {"photos": [], "known": 0, "refused": []}
        if event.action not in _ANNOTATED or event.task is None:
            return TakenAnswer(**none)
        try:
            taken = await label_studio.take(runtime.settings, runtime.database, event.task.id)
        except LoopError as error:
            raise RefusedError(HTTPStatus.CONFLICT, "label-studio", error.message) from error
        return TakenAnswer(**taken.as_plain())
