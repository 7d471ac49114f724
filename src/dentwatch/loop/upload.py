"""Zips of annotated photos that come in over HTTP: checked, and put into the inbox whole."""

import hashlib
import io
from zipfile import BadZipFile, ZipFile

from dentwatch.data.sources.trees import safe_members
from dentwatch.errors import SourceError
from dentwatch.loop import inbox
from dentwatch.loop.inbox import Batch
from dentwatch.records.place import Place
from dentwatch.settings import Settings

_MOST_EXPANSION = 100  # bytes for each byte of the zip: text packs to a tenth, photos not at all
_DIGITS = 12


def keep_upload(settings: Settings, name: str, data: bytes) -> Batch:
    """Put a zip into the inbox; returns its batch once it is on the disk.

    ``name`` is one that can be a file's. The same bytes under the same name are kept once. Raises
    :class:`SourceError` for what is no zip, is encrypted, leads out of itself or expands beyond measure, and when the
    inbox cannot be listed.
    """
    _check(data)
    file = f"{name}-{hashlib.sha256(data).hexdigest()[:_DIGITS]}.zip"
    place = Place(settings.inbox_url)
    if not place.exists(file):
        place.write(file, data)
    return next(batch for batch in inbox.batches(settings) if batch.name == file)


def _check(data: bytes) -> None:
    try:
        with ZipFile(io.BytesIO(data)) as archive:
            members = safe_members(archive, "The zip")
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise SourceError(f"The body is not a zip that can be read: {error}.", "Send a zip of photos.") from error
    if not members:
        raise SourceError("The zip holds no files.", "Send a zip of photos and annotations.")
    expanded = sum(member.file_size for member in members)
    if expanded > _MOST_EXPANSION * len(data):
        raise SourceError(
            f"The zip of {len(data):,} bytes would expand to {expanded:,}.", "Photos do not; pack them again."
        )
