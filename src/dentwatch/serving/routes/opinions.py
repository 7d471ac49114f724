"""``/v1/inspections/{id}/feedback``, ``/verdicts`` and ``/disputes``: what people say about an inspection."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection

from dentwatch.records import audit, opinions
from dentwatch.records.annotations import Box
from dentwatch.records.inspections import KeptInspection
from dentwatch.records.labels import LABELS
from dentwatch.records.opinions import Dispute, Feedback, Verdict, VerdictKind
from dentwatch.serving import problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.routes.inspections import visible
from dentwatch.serving.runtime import Runtime

_PATH = "/v1/inspections/{inspection_id}"


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class FeedbackInput(_Input):
    """How satisfied a user is."""

    rating: int = Field(ge=1, le=5, description="1 (not at all) to 5 (very).")
    comment: str | None = Field(None, max_length=2000)


class MissedBox(_Input):
    """Where a damage is that was missed, in pixels of the upright photo."""

    photo: int = Field(ge=0, description="The photo's place in the inspection, from 0.")
    label: Literal[LABELS]  # type: ignore[valid-type]
    x: float = Field(ge=0)
    y: float = Field(ge=0)
    width: float = Field(gt=0)
    height: float = Field(gt=0)


class VerdictInput(_Input):
    """A detection is right or wrong, or a damage was missed."""

    verdict: VerdictKind
    detection: str | None = Field(None, description="The detection's id; for `right` and `wrong`.")
    missed: MissedBox | None = Field(None, description="Where the damage is; for `missed`.")
    comment: str | None = Field(None, max_length=2000)

    @model_validator(mode="after")
    def _says_what_it_is_about(self) -> "VerdictInput":
        if self.verdict == "missed" and (self.missed is None or self.detection is not None):
            raise ValueError("the verdict `missed` needs `missed`, and no `detection`")
        if self.verdict != "missed" and (self.detection is None or self.missed is not None):
            raise ValueError(f"the verdict `{self.verdict}` needs `detection`, and no `missed`")
        return self


class DisputeInput(_Input):
    """An objection; a person will decide on it."""

    reason: str = Field(min_length=3, max_length=2000)
    detection: str | None = Field(None, description="The detection's id; none for the whole inspection.")


class Received(BaseModel):
    """What was kept."""

    id: str
    created_at: datetime


class FeedbackAnswer(BaseModel):
    """Feedback as it was given."""

    id: str
    created_at: datetime
    actor: str
    rating: int
    comment: str | None


class VerdictAnswer(BaseModel):
    """A verdict as it was given."""

    id: str
    created_at: datetime
    actor: str
    verdict: VerdictKind
    detection_id: str | None
    position: int | None = Field(description="The photo of a missed damage, from 0.")
    label: str | None
    box: Box | None
    comment: str | None


class DisputeAnswer(BaseModel):
    """A dispute, and how it stands."""

    id: str
    created_at: datetime
    actor: str
    detection_id: str | None
    reason: str
    status: Literal["open", "upheld", "rejected"]


class OpinionsAnswer(BaseModel):
    """Everything that people said about an inspection, oldest first."""

    feedback: list[FeedbackAnswer]
    verdicts: list[VerdictAnswer]
    disputes: list[DisputeAnswer]


def router(runtime: Runtime) -> APIRouter:
    """The routes over ``runtime``."""
    faults = problems.documented(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
    routes = APIRouter(tags=["opinions"], responses={**REFUSALS, **faults})

    @routes.post(_PATH + "/feedback", status_code=HTTPStatus.CREATED, summary="Say how satisfied you are")
    async def feedback(
        inspection_id: str,
        given: FeedbackInput,
        caller: Annotated[Caller, Depends(require(Permission.GIVE_FEEDBACK))],
    ) -> Received:
        """May be given again: all of it is kept."""
        kept = await visible(runtime, caller, inspection_id)
        opinion = Feedback(kept.id, caller.actor, given.rating, given.comment)
        await runtime.intake.write(lambda connection: opinions.add_feedback(connection, opinion))
        return Received(id=opinion.id, created_at=opinion.created_at)

    @routes.post(_PATH + "/verdicts", status_code=HTTPStatus.CREATED, summary="Say what is right, wrong or missed")
    async def verdict(
        inspection_id: str,
        given: VerdictInput,
        caller: Annotated[Caller, Depends(require(Permission.GIVE_VERDICTS))],
    ) -> Received:
        """The latest verdict on a detection counts; the earlier ones stay on the record."""
        opinion = _verdict(await visible(runtime, caller, inspection_id), given, caller)

        def change(connection: Connection) -> None:
            opinions.add_verdict(connection, opinion)
            details = {"verdict": opinion.verdict, "detection": opinion.detection_id}
            audit.append(connection, caller.actor, "inspection.verdict", inspection_id, details)

        await runtime.intake.write(change)
        return Received(id=opinion.id, created_at=opinion.created_at)

    @routes.post(_PATH + "/disputes", status_code=HTTPStatus.CREATED, summary="Object to a detection")
    async def dispute(
        inspection_id: str,
        given: DisputeInput,
        caller: Annotated[Caller, Depends(require(Permission.OPEN_DISPUTES))],
    ) -> Received:
        """It is open until a person has decided on it."""
        kept = await visible(runtime, caller, inspection_id)
        if given.detection is not None:
            _check_detection(kept, given.detection)
        opinion = Dispute(kept.id, caller.actor, given.reason, given.detection)

        def change(connection: Connection) -> None:
            opinions.add_dispute(connection, opinion)
            audit.append(connection, caller.actor, "inspection.dispute", kept.id, {"detection": given.detection})

        await runtime.intake.write(change)
        return Received(id=opinion.id, created_at=opinion.created_at)

    @routes.get(_PATH + "/opinions", summary="Show what people said")
    async def said(
        inspection_id: str, caller: Annotated[Caller, Depends(require(Permission.SEE_INSPECTIONS))]
    ) -> OpinionsAnswer:
        """Feedback, verdicts and disputes."""
        kept = await visible(runtime, caller, inspection_id)
        found = await runtime.intake.read(lambda connection: opinions.of_inspection(connection, kept.id))
        return OpinionsAnswer.model_validate(
            dict(zip(("feedback", "verdicts", "disputes"), found, strict=True)), from_attributes=True
        )

    return routes


def _verdict(kept: KeptInspection, given: VerdictInput, caller: Caller) -> Verdict:
    if given.missed is None:
        _check_detection(kept, given.detection)
        return Verdict(kept.id, caller.actor, given.verdict, detection_id=given.detection, comment=given.comment)
    missed = given.missed
    photo = kept.photos[missed.photo] if missed.photo < len(kept.photos) else None
    if photo is None or photo.width is None or photo.height is None:
        raise _unfit("no-such-photo", f"The inspection {kept.id} has no answered photo at {missed.photo}.")
    if missed.x + missed.width > photo.width or missed.y + missed.height > photo.height:
        size = f"{photo.width} × {photo.height}"
        raise _unfit("box-outside", f"The box lies outside the photo, which has {size} pixels when upright.")
    box = Box(missed.x, missed.y, missed.width, missed.height)
    return Verdict(
        kept.id, caller.actor, "missed", position=missed.photo, label=missed.label, box=box, comment=given.comment
    )


def _check_detection(kept: KeptInspection, detection_id: str | None) -> None:
    if detection_id not in {one.id for photo in kept.photos for one in photo.detections}:
        raise _unfit("no-such-detection", f"The inspection {kept.id} has no detection {detection_id}.")


def _unfit(kind: str, detail: str) -> RefusedError:
    return RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, kind, detail)
