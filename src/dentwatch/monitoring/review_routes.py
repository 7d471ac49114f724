"""``/v1/reviews``: photos to review, one after the other, each for one person at a time."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from sqlalchemy import Connection

from dentwatch.errors import MonitoringError, UnfitReviewError
from dentwatch.monitoring import review_claims, review_plan, review_tasks, whole_reviews
from dentwatch.monitoring.review_plan import Reason, ReviewItem
from dentwatch.monitoring.review_tasks import ReviewTask
from dentwatch.monitoring.whole_reviews import WholeReview
from dentwatch.records import audit
from dentwatch.records.annotations import Box
from dentwatch.records.labels import LABELS
from dentwatch.serving.access import require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime

Reviewer = Annotated[Caller, Depends(require(Permission.GIVE_VERDICTS))]
Result = TypeVar("Result")
Number = Annotated[int, Path(ge=1, le=2**62, description="The photo's number in the plan.")]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")

    screen: str = Field(
        "", pattern="^[A-Za-z0-9-]{0,40}$", description="Which of the caller's screens; each has photos of its own."
    )

    def claimant(self, caller: Caller) -> str:
        """Who has a photo: the caller at this screen."""
        return f"{caller.actor}/{self.screen}"


class ScreenInput(_Input):
    """Whose photo it is."""


class NextInput(_Input):
    """Which photo is wanted."""

    besides: list[StrictInt] = Field([], max_length=500, description="Numbers of photos that are not wanted now.")


class VerdictOnDetection(BaseModel):
    """Whether a detection is right, box and label."""

    model_config = ConfigDict(extra="forbid")

    detection: str
    verdict: Literal["right", "wrong"]


class DamageInput(BaseModel):
    """A damage without a detection that is right, in pixels of the upright photo."""

    model_config = ConfigDict(extra="forbid")

    label: Literal[LABELS]  # type: ignore[valid-type]
    x: float = Field(ge=0)
    y: float = Field(ge=0)
    width: float = Field(gt=0)
    height: float = Field(gt=0)


class ReviewInput(_Input):
    """Everything that there is to say about a photo."""

    verdicts: list[VerdictOnDetection] = Field([], max_length=1000, description="One for each detection.")
    missed: list[DamageInput] = Field(
        [], max_length=1000, description="Every damage without a right detection, also those that others named before."
    )

    def review(self) -> WholeReview:
        """It as the plan takes it."""
        return WholeReview(
            {one.detection: one.verdict for one in self.verdicts},
            frozenset((one.label, Box(one.x, one.y, one.width, one.height)) for one in self.missed),
        )


class ReviewAnswer(BaseModel):
    """A photo that waits for a person, or was reviewed."""

    number: int
    inspection_id: str
    position: int = Field(description="The photo's place in the inspection, from 0.")
    reason: Reason
    probability: float = Field(description="With which a photo like it is drawn for review.")
    state: str
    planned_at: datetime
    reviewed_at: datetime | None
    reviewer: str | None


class ReviewsAnswer(BaseModel):
    """Photos that wait for a person, those that matter most first."""

    reviews: list[ReviewAnswer]


class FoundAnswer(BaseModel):
    """A detection on the photo."""

    id: str
    label: str
    score: float
    box: Box


class StatementAnswer(BaseModel):
    """What somebody said about the photo before."""

    who: str
    at: datetime
    kind: Literal["right", "wrong", "missed", "dispute"]
    detection: str | None
    label: str | None
    box: Box | None
    text: str | None
    stands: bool = Field(description="False for a verdict that a newer one replaced, and a dispute that is decided.")


class TaskAnswer(BaseModel):
    """A photo to review with everything that is known about it."""

    review: ReviewAnswer
    name: str
    width: int = Field(description="Pixels of the upright photo.")
    height: int
    vehicle: str | None
    channel: str | None
    model: str | None
    inspected_at: datetime
    detections: list[FoundAnswer]
    statements: list[StatementAnswer]


class NextAnswer(BaseModel):
    """The photo that the caller now has, and how far they are."""

    task: TaskAnswer | None = Field(description="None where no photo is left that nobody else has.")
    open: dict[str, int] = Field(description="Photos that wait, by reason, claimed ones too.")
    reviewed_today: int = Field(description="By the caller, since midnight UTC.")


def add(routes: APIRouter, runtime: Runtime) -> None:
    """Add the routes over ``runtime``."""
    _add_plan(routes, runtime)
    _add_claims(routes, runtime)
    _add_reviews(routes, runtime)


def midnight() -> datetime:
    """When today began, UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _add_plan(routes: APIRouter, runtime: Runtime) -> None:
    @routes.get("/v1/reviews", summary="List photos to review")
    async def reviews(_caller: Reviewer, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> ReviewsAnswer:
        """Give verdicts on their detections and on what was missed, then say that they are reviewed."""
        found = await runtime.intake.read(lambda connection: review_plan.open_items(connection, limit))
        return ReviewsAnswer(reviews=[_review(item) for item in found])

    @routes.post("/v1/reviews/next", summary="Take the next photo to review")
    async def following(given: NextInput, caller: Reviewer) -> NextAnswer:
        """The one that matters most of those that nobody else has; for ten minutes it is the caller's."""

        def take(connection: Connection) -> NextAnswer:
            besides = set(given.besides)
            while (item := review_claims.claim_next(connection, given.claimant(caller), besides)) is not None:
                task = review_tasks.task_of(connection, item)
                if task is not None:
                    break
                review_claims.release(connection, item.number, given.claimant(caller))
                besides.add(item.number)
            return NextAnswer(
                task=None if item is None or task is None else _task(task),
                open=dict(review_plan.count_open(connection).items()),
                reviewed_today=review_claims.reviewed_since(connection, caller.actor, midnight()),
            )

        return await runtime.intake.write(take)


def _add_claims(routes: APIRouter, runtime: Runtime) -> None:
    path = "/v1/reviews/{number}/claim"

    @routes.post(path, summary="Take this photo, or keep it longer")
    async def claim(number: Number, given: ScreenInput, caller: Reviewer) -> TaskAnswer:
        """For ten minutes from now; 409: somebody else has it, or has reviewed it."""

        def take(connection: Connection) -> TaskAnswer:
            item = review_claims.claim(connection, number, given.claimant(caller))
            task = review_tasks.task_of(connection, item)
            if task is None:
                raise MonitoringError("There is no answer about this photo to review.")
            return _task(task)

        return await runtime.intake.write(_refusing(take))

    @routes.post("/v1/reviews/{number}/release", status_code=HTTPStatus.NO_CONTENT, summary="Leave a photo to others")
    async def release(number: Number, given: ScreenInput, caller: Reviewer) -> None:
        """Nothing happens where the caller does not have it."""
        await runtime.intake.write(lambda connection: review_claims.release(connection, number, given.claimant(caller)))


def _add_reviews(routes: APIRouter, runtime: Runtime) -> None:
    @routes.post("/v1/reviews/{number}", summary="Hand in the review of a photo")
    async def hand_in(number: Number, given: ReviewInput, caller: Reviewer) -> ReviewAnswer:
        """All verdicts and boxes at once, and the photo is reviewed.

        The same once more changes nothing; another review by the same person replaces their first.
        """

        def change(connection: Connection) -> ReviewItem:
            claimant = given.claimant(caller)
            return whole_reviews.hand_in(connection, number, given.review(), caller.actor, claimant)

        return _review(await runtime.intake.write(_refusing(change)))

    @routes.post("/v1/reviews/{number}/done", summary="Say that a photo was reviewed")
    async def done(number: Number, caller: Reviewer) -> ReviewAnswer:
        """Every detection has a verdict, and what was missed has one, too: then it counts for the estimates."""

        def change(connection: Connection) -> ReviewItem:
            item = review_plan.mark_reviewed(connection, number, caller.actor)
            audit.append(connection, caller.actor, "review.done", item.inspection_id, {"position": item.position})
            return item

        return _review(await runtime.intake.write(_refusing(change)))


def _refusing(change: Callable[[Connection], Result]) -> Callable[[Connection], Result]:
    """``change`` with what it raises as an answer of the service."""

    def changed(connection: Connection) -> Result:
        try:
            return change(connection)
        except UnfitReviewError as error:
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, "review-unfit", str(error)) from error
        except MonitoringError as error:
            raise RefusedError(HTTPStatus.CONFLICT, "not-reviewed", error.message) from error

    return changed


def _task(task: ReviewTask) -> TaskAnswer:
    fields = {name: getattr(task, name) for name in TaskAnswer.model_fields if name != "review"}
    return TaskAnswer.model_validate({"review": _review(task.item), **fields}, from_attributes=True)


def _review(item: ReviewItem) -> ReviewAnswer:
    return ReviewAnswer.model_validate(item, from_attributes=True)
