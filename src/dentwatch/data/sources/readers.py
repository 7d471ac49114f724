"""What reads one photo's bytes later, in whatever process it is called: small objects that can be pickled."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO
from zipfile import ZipFile

from dentwatch.errors import PhotoError

MAX_BYTES = 512 * 1024 * 1024
"""No photo is larger; what claims to be (a zip member may) is not read."""

BLOCK_SIZE = 2**20
"""Bytes that are fetched ahead of a reader of a remote file; s3fs would take 50 MB, for a photo out of a zip."""


@dataclass(frozen=True, slots=True)
class LocalReader:
    """Reads a file of this machine."""

    path: str

    def __call__(self) -> bytes:
        """The file's bytes; raises :class:`PhotoError` (``missing``, ``unreadable``, ``too_large``)."""
        try:
            with Path(self.path).open("rb") as file:
                return _bounded(file, self.path)
        except FileNotFoundError as error:
            raise PhotoError("missing", f"{self.path} does not exist.") from error
        except OSError as error:
            raise PhotoError("unreadable", f"{self.path} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True, slots=True)
class UrlReader:
    """Reads a file of any fsspec file system, such as ``s3://bucket/photo.jpg``."""

    url: str

    def __call__(self) -> bytes:
        """The file's bytes; raises :class:`PhotoError` (``missing``, ``unreadable``)."""
        import fsspec

        try:
            system, path = fsspec.core.url_to_fs(self.url)
            data: bytes = system.cat_file(path)
        except FileNotFoundError as error:
            raise PhotoError("missing", f"{self.url} does not exist.") from error
        except Exception as error:  # each file system has errors of its own
            raise PhotoError("unreadable", f"{self.url} cannot be read: {error}.") from error
        return data


@dataclass(frozen=True, slots=True)
class ZipReader:
    """Reads one member of a zip, wherever the zip lies; nothing is unpacked to disk."""

    archive: str
    member: str

    def __call__(self) -> bytes:
        """The member's bytes; raises :class:`PhotoError` (``missing``, ``unreadable``, ``too_large``)."""
        try:
            with zip_at(self.archive).open(self.member) as file:
                return _bounded(file, f"{self.member} in {self.archive}")
        except KeyError as error:
            raise PhotoError("missing", f"{self.member} is not in {self.archive}.") from error
        except PhotoError:
            raise
        except Exception as error:  # damaged members raise whatever their decompressor does
            raise PhotoError("unreadable", f"{self.member} in {self.archive} cannot be read: {error}.") from error


@dataclass(frozen=True, slots=True)
class BytesReader:
    """Bytes that are already here: a database row's."""

    data: bytes

    def __call__(self) -> bytes:
        """The bytes."""
        return self.data


def zip_at(location: str) -> ZipFile:
    """A zip at a path or fsspec URL, opened once per process (forks must not share a file position).

    Raises :class:`zipfile.BadZipFile` and whatever the file system raises.
    """
    if "://" in location:
        return _open_zip(location, (os.getpid(),))
    state = Path(location).stat()
    return _open_zip(location, (os.getpid(), state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=8)
def _open_zip(location: str, state: tuple[int, ...]) -> ZipFile:  # noqa: ARG001 (a changed file is another zip)
    if "://" not in location:
        return ZipFile(location)
    import fsspec

    system, path = fsspec.core.url_to_fs(location)
    return ZipFile(system.open(path, "rb", block_size=BLOCK_SIZE))


def _bounded(file: IO[bytes], name: str) -> bytes:
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise PhotoError("too_large", f"{name} is larger than {MAX_BYTES // 2**20} MiB.")
    return data
