"""The inbox: a folder or bucket into which batches of annotated photos are dropped, each a folder or a zip.

A batch is named by what it is called and by a hash over the names, sizes and times of its files, so that one that is
changed later is another batch. It is *settled*, and may be taken in, once it has not changed for
``loop.settle_seconds``. Nothing in the inbox is ever changed or deleted, but for reports in ``.reports``. Names that
begin with a dot are not looked at: whoever writes a batch slowly can rename it when it is whole.
"""

import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import fsspec
from sqlalchemy import Connection, select

from dentwatch.errors import SourceError
from dentwatch.loop import verdict_annotations
from dentwatch.records.database import Database
from dentwatch.records.loop_tables import loop_steps
from dentwatch.settings import Settings

_log = logging.getLogger(__name__)

REPORTS = ".reports"
"""The folder in the inbox that says what became of each batch."""

_HASH_DIGITS = 12
_MOST_NAME = 120  # of a batch's name in its id: keys of steps take 200 letters
_TIMES = ("mtime", "created", "LastModified", "last_modified", "updated")  # as file systems call them
_VERSIONS = ("ETag", "etag", "md5Hash")


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it lies in the inbox: ``location`` is what :func:`dentwatch.data.sources.open_source` takes.

    ``size`` is in bytes; ``changed_at`` is when its youngest file was written, as far as the file system says.
    """

    id: str
    name: str
    location: str
    files: int
    size: int
    changed_at: datetime | None

    def is_settled(self, now: datetime, seconds: float) -> bool:
        """Whether it has not changed for so long."""
        return self.changed_at is None or self.changed_at <= now - timedelta(seconds=seconds)


def batches(settings: Settings) -> list[Batch]:
    """The batches in the inbox, by name; none where there is no inbox yet.

    Raises :class:`SourceError` when it cannot be listed.
    """
    url = settings.inbox_url
    try:
        system, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        found: dict[str, dict[str, Any]] = system.find(root, detail=True)
    except Exception as error:  # each file system has errors of its own
        raise SourceError(
            f"The inbox {url} cannot be listed: {error}.", "DENTWATCH_LOOP__INBOX names it; check it and its rights."
        ) from error
    root = str(root).rstrip("/")
    members: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for path, details in found.items():
        inner = path.removeprefix(f"{root}/")
        name, slash, _ = inner.partition("/")
        if not any(part.startswith(".") for part in inner.split("/")) and (slash or name.lower().endswith(".zip")):
            members.setdefault(name, []).append((inner, details))
    return [_batch(name, system.unstrip_protocol(f"{root}/{name}"), files) for name, files in sorted(members.items())]


def find(settings: Settings, batch_id: str) -> Batch | None:
    """The batch with that id, if it still lies in the inbox as it was."""
    return next((batch for batch in batches(settings) if batch.id == batch_id), None)


def asked(connection: Connection) -> frozenset[str]:
    """The ids of all batches that were ever asked to be taken in."""
    query = select(loop_steps.c.subject).where(loop_steps.c.kind == "take-in")
    return frozenset(connection.execute(query).scalars())


def pending_batches(settings: Settings, database: Database, now: datetime | None = None) -> list[str]:
    """The ids of batches that are settled and were not asked for yet, reviewed photos among them.

    An inbox that cannot be listed now holds none: it is looked at again, and nothing else has to wait for it.
    """
    now = now or datetime.now(UTC)
    settle = settings.loop.settle_seconds
    with database.reading() as connection:
        known = asked(connection)
        reviewed = verdict_annotations.pending(connection, settings, now)
    try:
        found = batches(settings)
    except SourceError as error:
        _log.warning("%s", error)
        found = []
    settled = [batch.id for batch in found if batch.id not in known and batch.is_settled(now, settle)]
    return [*settled, *reviewed]


def report_name(batch_id: str) -> str:
    """The path, within the inbox and without its ending, of the report about a batch."""
    return f"{REPORTS}/{re.sub(r'[^A-Za-z0-9@._-]', '-', batch_id)}"


def _batch(name: str, location: str, files: Sequence[tuple[str, dict[str, Any]]]) -> Batch:
    digest = hashlib.sha256()
    for path, details in sorted(files, key=lambda file: file[0]):
        stamp = next((details[key] for key in _VERSIONS if key in details), None) or _first_time(details)
        digest.update(f"{path}\0{details.get('size')}\0{stamp}\n".encode())
    moments = [moment for _, details in files for moment in _moments(details)]
    return Batch(
        id=f"{name[:_MOST_NAME]}@{digest.hexdigest()[:_HASH_DIGITS]}",
        name=name,
        location=location.removeprefix("file://"),
        files=len(files),
        size=sum(details.get("size") or 0 for _, details in files),
        changed_at=max(moments, default=None),
    )


def _first_time(details: dict[str, Any]) -> object:
    return next((details[key] for key in _TIMES if key in details), "")


def _moments(details: dict[str, Any]) -> Iterable[datetime]:
    """When a file was written and when its entry was: one that was moved here keeps the time of the first."""
    for key in _TIMES:
        value = details.get(key)
        if isinstance(value, int | float):
            yield datetime.fromtimestamp(value, UTC)
        elif isinstance(value, datetime):
            yield value if value.tzinfo else value.replace(tzinfo=UTC)
