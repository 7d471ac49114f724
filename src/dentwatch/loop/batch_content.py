"""The photos of a batch, wherever they come from: the inbox, or the review of inspections."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.provenance import with_source
from dentwatch.data.sources import open_source
from dentwatch.loop import inbox, verdict_annotations
from dentwatch.loop.verdict_annotations import Reviewed
from dentwatch.records.database import Database
from dentwatch.settings import Settings


@dataclass(frozen=True, slots=True)
class Content:
    """What a batch holds: ``photos()`` gives them from the beginning, as often as it is called.

    ``count`` is about how many these are, ``format`` that of the annotations.
    """

    format: str
    count: int
    photos: Callable[[], Iterable[IncomingPhoto]]


def open_batch(batch_id: str, settings: Settings, database: Database) -> Content | None:
    """The batch of that id; None where the inbox does not hold it any more as it was.

    Raises :class:`dentwatch.errors.SourceError` when it cannot be opened or understood.
    """
    if batch_id.startswith(verdict_annotations.PREFIX):
        with database.reading() as connection:
            reviewed = Reviewed.of(connection, batch_id).photos(connection, settings.photo_store_url)
        return Content("verdicts", len(reviewed), lambda: reviewed)
    batch = inbox.find(settings, batch_id)
    if batch is None:
        return None
    opened = open_source(batch.location)
    return Content(opened.format, opened.count() or 0, lambda: with_source(opened.photos(), batch.location))
