"""Taking inspections in: photos kept, looked at, put together, committed, and only then answered."""

import asyncio
import functools
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from dentwatch.errors import DatabaseError, DataError
from dentwatch.records import audit, idempotency, inspections, model_failures
from dentwatch.records.inspections import KeptInspection, KeptPhoto
from dentwatch.records.model_failures import FailedPhoto
from dentwatch.records.photos import PhotoStore, photo_id_of
from dentwatch.serving import webhooks
from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.assembly import Assembly, Request, Seen
from dentwatch.serving.form import Upload
from dentwatch.serving.inspection import Inspector, Photo
from dentwatch.serving.inspection_answer import InspectionAnswer
from dentwatch.serving.ledger import Ledger
from dentwatch.serving.photo_reuse import Reuse, ReuseIndex
from dentwatch.serving.price_table import PriceTable
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.quality_gate import QualityGate
from dentwatch.serving.service import Examined, InspectionService
from dentwatch.serving.shadow import Shadow, ShadowedPhoto
from dentwatch.serving.stages import stage
from dentwatch.serving.tracing import TRACER, carried, continued, in_context, note
from dentwatch.serving.valuation import Valuation
from dentwatch.settings import Settings

_STORING_THREADS = 4  # photos on their way to the disk at a time: they wait for it, not for a core
_FREE_SECONDS = 1.0  # how long a look at the disk's free space counts

Result = TypeVar("Result")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be answered: the document, and whether it is that of an earlier request with the same key."""

    document: dict[str, Any]
    is_replay: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """One request by ``actor``; ``key`` is its Idempotency-Key, ``webhook`` where the answer is to be sent, too."""

    request: Request
    uploads: Sequence[Upload]
    actor: str
    key: str | None = None
    webhook: str | None = None

    def digest(self, photo_ids: Sequence[str]) -> bytes:
        """What tells one request from another: everything that was sent, whenever it came."""
        asked = self.request
        parts = [
            [asked.vehicle_id, asked.listing_id, asked.channel, asked.min_score, asked.vehicle_class, self.webhook],
            [asked.device, asked.region],
            [asked.captured_at.isoformat() if asked.captured_at else None],
            list(zip((upload.name for upload in self.uploads), photo_ids, strict=True)),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).digest()


class _AlreadyAnsweredError(Exception):
    """A request with the same key was kept while this one was looked at."""


class Intake:
    """Makes inspections that last: what it returns is on the disk.

    Raises :class:`RefusedError` 503 when that cannot be had (the disk is full, the database is gone), 422 for an
    Idempotency-Key that came with another request, 413 for photos of too many pixels together, and :class:`DataError`
    for a vehicle class without prices.
    """

    def __init__(
        self,
        settings: Settings,
        service: InspectionService,
        ledger: Ledger,
        prices: PriceTable,
        reuse: ReuseIndex,
        shadow: Shadow,
    ) -> None:
        self._settings = settings
        self._service = service
        self._ledger = ledger
        self._prices = prices
        self._reuse = reuse
        self._shadow = shadow
        self._store = PhotoStore(settings.photo_store_url)
        self._storing = ThreadPoolExecutor(_STORING_THREADS, thread_name_prefix="store")
        self._assemblies: dict[str, Assembly] = {}
        self._free = (0.0, 0)  # when the disk was looked at, and what was free

    async def answer(self, ask: Ask) -> Outcome:
        """Look at the photos now; returns the finished inspection."""
        if (earlier := await self._earlier(ask)) is not None:
            return earlier
        photos = _photos_of(ask)
        await self._service.check(photos)
        self.check_room()
        note(ask.request.id)
        start = time.perf_counter()
        storing = asyncio.gather(*(self.in_thread(self._keep_photo, upload, False) for upload in ask.uploads))
        try:
            inspector, looked = await self._examined(photos, ask.request)
            photo_ids = await storing
        except BaseException:
            storing.cancel()
            raise
        for upload in ask.uploads:  # many requests may wait to be put together, with megabytes each
            upload.release()
        seen = [Seen(*one) for one in zip(photo_ids, (photo.name for photo in photos), looked, strict=True)]
        kept = await self._service.run(self.put_together, inspector, ask.request, seen, start)
        outcome = await self._commit(ask, photo_ids, kept)
        self._show_challenger(ask.request, looked)
        return outcome

    async def accept(self, ask: Ask) -> Outcome:
        """Keep the photos and answer later; returns the pending inspection."""
        if (earlier := await self._earlier(ask)) is not None:
            return earlier
        await self._service.check(_photos_of(ask))
        self.check_room()
        note(ask.request.id)
        photo_ids = await asyncio.gather(*(self.in_thread(self._keep_photo, upload, True) for upload in ask.uploads))
        photos = [KeptPhoto(photo_id, upload.name) for photo_id, upload in zip(photo_ids, ask.uploads, strict=True)]
        request = replace(ask.request, traceparent=carried())
        return await self._commit(ask, photo_ids, request.kept(photos))

    async def finish(self, pending: KeptInspection) -> bool:
        """Look at the photos of a pending inspection and keep what was found; False when somebody else did."""
        request = Request.of(pending)
        with TRACER.start_as_current_span("finish", continued(request.traceparent)):
            note(pending.id)
            return await self._finish(pending, request)

    async def _finish(self, pending: KeptInspection, request: Request) -> bool:
        start = time.perf_counter()
        photos = [Photo(photo.name, functools.partial(self._store.get, photo.photo_id)) for photo in pending.photos]
        inspector, looked = await self._examined(photos, request)
        seen = [Seen(photo.photo_id, photo.name, one) for photo, one in zip(pending.photos, looked, strict=True)]
        kept = await self._service.run(self.put_together, inspector, request, seen, start)
        with stage("commit"):
            done = await self.write(lambda connection: inspections.complete(connection, kept))
        self._show_challenger(request, looked)
        return done

    async def _examined(
        self, photos: Sequence[Photo], request: Request
    ) -> tuple[Inspector, list[Examined | PhotoFailure]]:
        """Look at photos, and say which model did; where the challenger fails on one, the champion looks at all."""
        models = self._service.models
        inspector = models.answering(request.vehicle_id)
        if inspector is not models.champion:
            try:
                return inspector, await self._examined_by(inspector, photos, request)
            except Exception as error:  # whatever is wrong with the challenger is no matter of the sender's
                _log.warning("The challenger %s failed, and the champion answers: %s", inspector.model, error)
        return models.champion, await self._examined_by(models.champion, photos, request)

    async def _examined_by(
        self, inspector: Inspector, photos: Sequence[Photo], request: Request
    ) -> list[Examined | PhotoFailure]:
        """What a model sees; that it fails is kept, whoever answers then."""
        try:
            return await self._service.examine(photos, inspector, request.min_score)
        except Exception as error:
            failed = FailedPhoto(inspector.model, request.id, None, f"{type(error).__name__}: {error}")
            await self.write(lambda connection: model_failures.note_photo(connection, failed))
            raise

    def put_together(
        self, inspector: Inspector, request: Request, seen: Sequence[Seen], start: float
    ) -> KeptInspection:
        """The finished inspection of photos that were looked at; ``start`` is when their request had been read."""
        milliseconds = (time.perf_counter() - start) * 1000
        with stage("assemble"):
            return self.assembly_of(inspector).put_together(request, seen, self._reused(request, seen), milliseconds)

    def assembly_of(self, inspector: Inspector) -> Assembly:
        """What puts inspections of a model together; :class:`ModelError` where its quality limits are damaged."""
        found = self._assemblies.get(inspector.model)
        if found is None:
            gate, valuation = QualityGate.of(inspector.bundle), Valuation(self._prices, inspector.bundle.spec)
            found = self._assemblies[inspector.model] = Assembly(inspector.model, gate, valuation)
        return found

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        """Have a change committed; raises :class:`RefusedError` 503 when the database cannot be written."""
        try:
            return await asyncio.wrap_future(self._ledger.write(change))
        except DatabaseError as error:
            raise _cannot_keep("database", "The database cannot be written.") from error

    async def read(self, look: Callable[[Connection], Result]) -> Result:
        """What ``look`` finds in the database; raises :class:`RefusedError` 503 when it cannot be read."""

        def within() -> Result:
            with self._ledger.database.reading() as connection:
                return look(connection)

        try:
            return await self.in_thread(within)
        except DatabaseError as error:
            raise _cannot_keep("database", "The database cannot be read.") from error

    def check_room(self) -> None:
        """Raise :class:`RefusedError` 503 while the disk has less free than ``serving.min_free_bytes``."""
        now = time.monotonic()
        if now - self._free[0] > _FREE_SECONDS:
            self._free = now, shutil.disk_usage(self._settings.home.absolute()).free
        if self._free[1] < self._settings.serving.min_free_bytes:
            raise _cannot_keep("disk-full", "The disk is nearly full, so no inspection could be kept.")

    def close(self) -> None:
        """Finish what is being stored."""
        self._storing.shutdown()

    async def _earlier(self, ask: Ask, photo_ids: Sequence[str] | None = None) -> Outcome | None:
        """What was answered to an earlier request with the same key; ``photo_ids`` of the uploads, once known."""
        if (key := ask.key) is None:
            return None
        known = await self.read(lambda connection: idempotency.first_of(connection, ask.request.owner, key))
        if known is None:
            return None
        if photo_ids is None:
            photo_ids = await asyncio.gather(*(self.in_thread(photo_id_of, upload.data) for upload in ask.uploads))
        digest, inspection_id = known
        if digest != ask.digest(photo_ids):
            raise RefusedError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "key-reused",
                f"The Idempotency-Key {key!r} came before, with another request. Give every request a key of its own.",
            )
        kept = await self.read(lambda connection: inspections.find(connection, inspection_id))
        return None if kept is None else Outcome(document_of(kept), is_replay=True)

    async def _commit(self, ask: Ask, photo_ids: Sequence[str], kept: KeptInspection) -> Outcome:
        def change(connection: Connection) -> None:
            if ask.key is not None and idempotency.first_of(connection, ask.request.owner, ask.key) is not None:
                raise _AlreadyAnsweredError
            inspections.keep(connection, kept)
            audit.append(connection, ask.actor, "inspection.submit", kept.id, {"photos": list(photo_ids)})
            if ask.key is not None:
                digest = ask.digest(photo_ids)
                try:
                    idempotency.remember(connection, ask.request.owner, ask.key, digest, kept.id, kept.created_at)
                except IntegrityError as error:  # PostgreSQL lets several write: another process has kept it meanwhile
                    raise _AlreadyAnsweredError from error
            if ask.webhook is not None:
                webhooks.enqueue(connection, kept.id, ask.webhook)

        try:
            with stage("commit"):
                await self.write(change)
        except _AlreadyAnsweredError:
            if (earlier := await self._earlier(ask, photo_ids)) is not None:
                return earlier
            raise
        return Outcome(document_of(kept))

    def _show_challenger(self, request: Request, looked: Sequence[Examined | PhotoFailure]) -> None:
        self._shadow.offer(
            [
                ShadowedPhoto(request.id, position, one.decoded, request.min_score)
                for position, one in enumerate(looked)
                if isinstance(one, Examined) and one.decoded is not None
            ]
        )

    def _keep_photo(self, upload: Upload, read_soon: bool) -> str:
        try:
            with stage("store") as span:
                span.set_attribute("dentwatch.photo.bytes", len(upload.data))
                return self._store.put(upload.data, cached=read_soon)
        except DataError as error:
            raise _cannot_keep("photos", "The photo store cannot be written.") from error

    def _reused(self, request: Request, seen: Sequence[Seen]) -> dict[str, Sequence[Reuse]]:
        if request.vehicle_id is None:
            return {}
        with self._ledger.database.reading() as connection:
            self._reuse.refresh(connection)
            found: dict[str, Sequence[Reuse]] = {}
            for one in seen:
                if isinstance(one.examined, Examined):
                    own, mirrored = one.examined.hashes
                    found[one.photo_id] = self._reuse.find(connection, one.photo_id, own, mirrored, request.vehicle_id)
            return found

    async def in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Work that waits, for the disk or the network, away from the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._storing, in_context(work, *arguments))


def _photos_of(ask: Ask) -> list[Photo]:
    return [Photo(upload.name, functools.partial(getattr, upload, "data")) for upload in ask.uploads]


def without_others(document: dict[str, Any]) -> dict[str, Any]:
    """``document`` for a reader who may not know of others' inspections: that a photo was reused, but not where."""
    hidden = {"inspection_id": None, "position": None, "vehicle_id": None}
    photos = [
        photo | {"reuse": [one | hidden for one in photo["reuse"]]} if photo.get("reuse") else photo
        for photo in document["photos"]
    ]
    return document | {"photos": photos}


def document_of(kept: KeptInspection) -> dict[str, Any]:
    """The document about an inspection: as it was answered, or that it is pending."""
    if kept.answer is not None:
        return kept.answer
    return InspectionAnswer(
        id=kept.id,
        status=kept.status,
        created_at=kept.created_at,
        vehicle_id=kept.vehicle_id,
        listing_id=kept.listing_id,
        channel=kept.channel,
        captured_at=kept.captured_at,
    ).model_dump(mode="json")


def _cannot_keep(kind: str, what: str) -> RefusedError:
    return RefusedError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"cannot-keep-{kind}",
        f"{what} Nothing was taken; try again later.",
        {"Retry-After": "5"},
    )
