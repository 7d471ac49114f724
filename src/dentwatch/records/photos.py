"""Where photo bytes are kept: content-addressed, in a folder or at any fsspec URL (S3 first)."""

import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from dentwatch.errors import DataError, PhotoError

_PHOTO_ID = re.compile(r"[0-9a-f]{64}")


def photo_id_of(data: bytes | memoryview) -> str:
    """The id of the photo with these bytes: their SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


class PhotoStore:
    """Photo bytes by photo id at ``url`` (a folder or an fsspec URL such as ``s3://bucket/photos``).

    A photo lies at ``<first two hex digits>/<photo id>``: 256 folders keep each folder small up to millions of photos
    and are few enough to be made all together with the first photo. Photos are written whole or not at all, and writing
    one that is there already costs one look. Safe to use from several processes at once; every process makes its own
    store.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._fs: Any
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")
        self._local = "file" in self._fs.protocol
        self._has_folders = False

    def put(self, data: bytes | memoryview, *, durable: bool = True, cached: bool = True) -> str:
        """Keep ``data`` and return its photo id.

        ``durable=False`` leaves it to the operating system when the bytes reach the disk: a killed process loses
        nothing, a power cut may, until :meth:`flush` returns. ``cached=False`` says that nobody will read them soon:
        with ``durable`` they leave the page cache once they are on the disk. Raises :class:`DataError` when the store
        cannot be written.
        """
        photo_id = photo_id_of(data)
        try:
            if self._local:
                self._put_local(photo_id, data, durable, cached)
            elif not self._fs.exists(self._path(photo_id)):
                # One PUT: object stores show it whole or not at all.
                self._fs.pipe_file(self._path(photo_id), bytes(data))
        except OSError as error:
            raise self._unwritable(error) from error
        return photo_id

    def check(self) -> None:
        """Raise :class:`DataError` unless photos can be written, shown by writing and removing an empty file."""
        probe = f"{self._root}/.probe-{uuid.uuid4().hex}"
        try:
            if self._local:
                Path(self._root).mkdir(parents=True, exist_ok=True)
            self._fs.pipe_file(probe, b"")
            self._fs.rm_file(probe)
        except OSError as error:
            raise self._unwritable(error) from error

    def get(self, photo_id: str) -> bytes:
        """The bytes of a photo; raises :class:`PhotoError` (``missing``) when the store does not hold it."""
        path = self._path(photo_id)
        try:
            return Path(path).read_bytes() if self._local else bytes(self._fs.cat_file(path))
        except FileNotFoundError as error:
            raise PhotoError(
                "missing",
                f"The photo {photo_id} is not in the photo store {self.url}.",
                "Ingest its source again, or set DENTWATCH_PHOTOS_URL to the store that holds it.",
            ) from error

    def has(self, photo_id: str) -> bool:
        """Whether the store holds the photo."""
        return bool(self._fs.exists(self._path(photo_id)))

    def local_path(self, photo_id: str) -> Path | None:
        """The photo's file, where the store is a local folder and holds it; else None."""
        path = Path(self._path(photo_id))
        return path if self._local and path.is_file() else None

    def photo_ids(self) -> Iterator[str]:
        """Every photo id in the store, in order within each folder."""
        for path in sorted(self._fs.ls(self._root, detail=False) if self._fs.exists(self._root) else []):
            for name in sorted(PurePosixPath(str(file)).name for file in self._fs.ls(path, detail=False)):
                if _PHOTO_ID.fullmatch(name):
                    yield name

    def flush(self) -> None:
        """Wait until photos put with ``durable=False``, by any process, are on the disk."""
        if self._local and hasattr(os, "sync"):
            os.sync()

    def _unwritable(self, error: OSError) -> DataError:
        return DataError(
            f"The photo store {self.url} cannot be written: {error}.",
            "Check that the place exists, has room and may be written; DENTWATCH_PHOTOS_URL names it.",
        )

    def _path(self, photo_id: str) -> str:
        if not _PHOTO_ID.fullmatch(photo_id):
            raise PhotoError("missing", f"{photo_id!r} is not a photo id.", "A photo id is 64 hex digits.")
        return f"{self._root}/{photo_id[:2]}/{photo_id}"

    def _put_local(self, photo_id: str, data: bytes | memoryview, durable: bool, cached: bool) -> None:
        path = self._path(photo_id)
        try:
            # A power cut can leave an empty file behind its name; the size tells it from a whole one.
            if os.stat(path).st_size == len(data):  # noqa: PTH116 (Path.stat costs twice as much, once per photo)
                if durable:  # whoever wrote it may still be waiting for the disk, or may not have waited at all
                    sync_path(path)
                    sync_path(os.path.dirname(path))  # noqa: PTH120
                return
        except FileNotFoundError:
            pass
        if not self._has_folders:
            self._make_folders()
        folder = os.path.dirname(path)  # noqa: PTH120
        temporary = f"{folder}/.{photo_id[:16]}-{uuid.uuid4().hex}"
        write_atomically(Path(temporary), Path(path), data, durable=durable, cached=cached)

    def _make_folders(self) -> None:
        """Make all folders, and have their names on the disk, so that no photo has to wait for that later."""
        root = Path(self._root)
        unnamed = [folder for folder in (root, *root.parents) if not folder.exists()]
        for number in range(256):
            (root / f"{number:02x}").mkdir(parents=True, exist_ok=True)
        for folder in (root, *(made.parent for made in unnamed)):
            sync_path(folder)
        self._has_folders = True


def write_atomically(
    temporary: Path, path: Path, data: bytes | memoryview, *, durable: bool = True, cached: bool = True
) -> None:
    """Write ``data`` to ``path`` so that a reader sees the old content or the new, never a part.

    ``temporary`` lies in the same folder. With ``durable`` the bytes and the name are on the disk on return.
    ``cached=False``: see :meth:`PhotoStore.put`.
    """
    try:
        with temporary.open("wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            if durable:
                os.fsync(file.fileno())
                if not cached and hasattr(os, "posix_fadvise"):
                    # Memory that was just in use takes the next photo several times as fast as memory from afar.
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_path(path.parent)


def sync_path(path: str | Path) -> None:
    """Make a file's bytes, or the names in a folder, durable, where the system knows how (POSIX)."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
