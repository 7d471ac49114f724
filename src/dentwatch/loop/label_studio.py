"""Photos to review, annotated in Label Studio: sent with the model's boxes, and taken back as whole reviews.

A photo that is sent is claimed for Label Studio until its annotation is back, so that nobody reviews it here as well.
What comes back is a review like any other: it becomes verdicts, and with the next batch of reviewed photos in the inbox
annotations.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from dentwatch.errors import DentwatchError, MonitoringError, PhotoError
from dentwatch.loop.label_studio_client import LabelStudioClient
from dentwatch.loop.label_studio_tasks import (
    NUMBER,
    OWN_INTERFACE,
    Interface,
    newest,
    own_interface,
    review_of,
    task_document,
)
from dentwatch.monitoring import review_claims, review_plan, review_tasks
from dentwatch.monitoring.review_tasks import ReviewTask
from dentwatch.monitoring.whole_reviews import hand_in
from dentwatch.records import audit, tables
from dentwatch.records.database import Database
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.clean_photo import clean
from dentwatch.settings import Settings

_AWAY = timedelta(days=365)
"""How long a photo stays claimed for Label Studio: annotators may take their time."""


@dataclass(slots=True)
class Sent:
    """The photos that were sent, by number, and the sentence about each that could not be."""

    photos: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Taken:
    """The photos whose reviews are new or changed, how many were known, and why others could not be taken."""

    photos: list[int] = field(default_factory=list)
    known: int = 0
    refused: list[str] = field(default_factory=list)

    def as_plain(self) -> dict[str, Any]:
        """It as plain values for JSON."""
        return asdict(self)


async def send(settings: Settings, database: Database, limit: int, actor: str) -> Sent:
    """Send up to ``limit`` photos that nobody has, those that matter most first; photos go without EXIF.

    Raises :class:`~dentwatch.errors.LoopError` where Label Studio cannot be asked; what was sent by then stays sent.
    """
    sent = Sent()
    claimant = _claimant(settings)
    async with LabelStudioClient.opened(settings.label_studio) as studio:
        interface = Interface.of(await studio.labelling_interface())
        if interface is None:
            await studio.set_labelling_interface(own_interface())
            interface = OWN_INTERFACE
        tried: set[int] = set()
        while len(sent.photos) < limit:
            task = await asyncio.to_thread(_claim_next, database, claimant, tried)
            if task is None:
                break
            number = task.item.number
            tried.add(number)
            try:
                photo = await asyncio.to_thread(_photo, settings, database, task)
                url = await studio.upload(f"{number}.jpg", photo)
                await studio.add_task(task_document(task, url, interface))
            except PhotoError as error:
                sent.refused.append(f"Photo {number}: {error.message}")
                await asyncio.to_thread(_release, database, number, claimant)
                continue
            except BaseException:
                await asyncio.to_thread(_release, database, number, claimant)
                raise
            await asyncio.to_thread(_keep_away, database, task, claimant, actor)
            sent.photos.append(number)
    return sent


async def take(settings: Settings, database: Database, only: int | None = None) -> Taken:
    """Take finished annotations back, each once; ``only`` is the number of a task in Label Studio.

    An annotation that was changed there replaces the one before. Raises :class:`~dentwatch.errors.LoopError` where
    Label Studio cannot be asked.
    """
    async with LabelStudioClient.opened(settings.label_studio) as studio:
        tasks = await studio.finished() if only is None else [await studio.task(only)]
        people = await studio.annotators()
    taken = Taken()
    for task in tasks:
        number = (task.get("data") or {}).get(NUMBER)
        annotation = newest(task)
        if not isinstance(number, int):
            continue  # somebody else's task
        if annotation is None and task.get("annotations"):  # it was skipped there, so that others may have it
            await asyncio.to_thread(_release, database, number, _claimant(settings))
        elif annotation is not None:
            await asyncio.to_thread(_take, settings, database, number, _signed(annotation, people), taken)
    return taken


def _claimant(settings: Settings) -> str:
    return f"label-studio/{settings.label_studio.project}"


def _signed(annotation: Mapping[str, Any], people: Mapping[int, str]) -> dict[str, Any]:
    """The annotation with the e-mail address of who made it, instead of a number."""
    by = annotation.get("completed_by")
    number = by.get("id") if isinstance(by, dict) else by
    return {**annotation, "completed_by": {"email": people.get(number, f"user {number}")}}  # type: ignore[arg-type]


def _take(settings: Settings, database: Database, number: int, annotation: dict[str, Any], taken: Taken) -> None:
    began = datetime.now(UTC)
    actor = f"label-studio:{annotation['completed_by']['email']}"
    try:
        with database.writing() as connection:
            task = review_tasks.task_of(connection, review_plan.locked(connection, number))
            if task is None:
                raise MonitoringError("There is no answer about this photo any more.")
            done = hand_in(connection, number, review_of(task, annotation), actor, _claimant(settings))
    except DentwatchError as error:
        taken.refused.append(f"Photo {number}: {error}")
        return
    if done.reviewed_at is not None and done.reviewed_at >= began:
        taken.photos.append(number)
    else:
        taken.known += 1


def _claim_next(database: Database, claimant: str, tried: set[int]) -> ReviewTask | None:
    """The next photo for Label Studio; not those that are there already, which are claimed, too."""
    with database.writing() as connection:
        besides = tried | review_claims.held_by(connection, claimant)
        while (item := review_claims.claim_next(connection, claimant, besides)) is not None:
            if (task := review_tasks.task_of(connection, item)) is not None:
                return task
            review_claims.release(connection, item.number, claimant)
            besides.add(item.number)
    return None


def _photo(settings: Settings, database: Database, task: ReviewTask) -> bytes:
    photos = tables.inspection_photos
    with database.reading() as connection:
        photo_id = connection.execute(
            photos.select()
            .with_only_columns(photos.c.photo_id)
            .where(photos.c.inspection_id == task.item.inspection_id, photos.c.position == task.item.position)
        ).scalar_one()
    data = PhotoStore(settings.photo_store_url).get(photo_id)
    return clean(data, max_pixels=settings.serving.max_pixels)


def _keep_away(database: Database, task: ReviewTask, claimant: str, actor: str) -> None:
    def change(connection: Connection) -> None:
        review_claims.claim(connection, task.item.number, claimant, lasts=_AWAY)
        details = {"position": task.item.position, "to": claimant}
        audit.append(connection, actor, "review.send", task.item.inspection_id, details)

    with database.writing() as connection:
        change(connection)


def _release(database: Database, number: int, claimant: str) -> None:
    with database.writing() as connection:
        review_claims.release(connection, number, claimant)
