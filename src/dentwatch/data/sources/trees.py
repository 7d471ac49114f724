"""Trees of files: a local folder, a zip (local or remote), a folder of any fsspec file system."""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any
from zipfile import BadZipFile, ZipFile, ZipInfo

from dentwatch.data.formats.tree import FileTree
from dentwatch.data.sources.readers import BLOCK_SIZE, LocalReader, UrlReader, ZipReader, zip_at
from dentwatch.errors import SourceError


class LocalTree:
    """A folder of this machine; links to folders are not followed."""

    def __init__(self, folder: Path) -> None:
        self.location = str(folder)
        self._folder = folder.absolute()

    @cached_property
    def _files(self) -> list[str]:
        found: list[str] = []
        for parent, folders, names in os.walk(self._folder, onerror=_unreadable):
            folders[:] = [name for name in folders if not name.startswith(".")]
            below = Path(parent).relative_to(self._folder).as_posix()
            prefix = "" if below == "." else f"{below}/"
            found.extend(prefix + name for name in names)
        return _visible(found)

    def files(self) -> Sequence[str]:
        """Every visible file, sorted."""
        return self._files

    def open(self, path: str) -> IO[bytes]:
        """A file opened for reading; raises :class:`SourceError`."""
        try:
            return (self._folder / path).open("rb")
        except OSError as error:
            raise SourceError(f"{self._folder / path} cannot be read: {error.strerror}.") from error

    def reader(self, path: str) -> Callable[[], bytes]:
        """What reads the file later."""
        return LocalReader(f"{self._folder}/{path}")


class ZipTree:
    """A zip, read where it lies: members are read one by one and never unpacked to disk."""

    def __init__(self, location: str) -> None:
        self.location = location
        self._archive = location if "://" in location else str(Path(location).absolute())
        try:
            self._zip: ZipFile = zip_at(self._archive)
        except (BadZipFile, OSError) as error:
            raise SourceError(
                f"{location} is not a zip that can be read: {error}.",
                "Name a folder or a zip; if it is a zip, fetch it again.",
            ) from error

    @cached_property
    def _files(self) -> list[str]:
        return _visible(member.filename for member in safe_members(self._zip, self.location))

    def files(self) -> Sequence[str]:
        """Every visible member, sorted; raises :class:`SourceError` for an encrypted or hostile archive."""
        return self._files

    def open(self, path: str) -> IO[bytes]:
        """A member opened for reading; raises :class:`SourceError`."""
        try:
            return self._zip.open(path)
        except (BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
            raise SourceError(f"{path} in {self.location} cannot be read: {error}.") from error

    def reader(self, path: str) -> Callable[[], bytes]:
        """What reads the member later."""
        return ZipReader(self._archive, path)


def safe_members(archive: ZipFile, location: str) -> list[ZipInfo]:
    """The files of a zip at ``location``; raises :class:`SourceError` for an encrypted or hostile archive."""
    found = [member for member in archive.infolist() if not member.is_dir()]
    for member in found:
        path = PurePosixPath(member.filename)
        if path.is_absolute() or ".." in path.parts:
            raise SourceError(
                f"{location} holds {member.filename!r}, a path that leads out of the archive.",
                "Such an archive is broken or hostile; pack the photos again.",
            )
        if member.flag_bits & 1:
            raise SourceError(f"{location} is encrypted.", "Unpack it with its password first.")
    return found


class RemoteTree:
    """A folder of any fsspec file system."""

    def __init__(self, url: str, filesystem: Any, root: str) -> None:
        self.location = url
        self._filesystem = filesystem
        self._root = root.rstrip("/")

    @cached_property
    def _files(self) -> list[str]:
        try:
            found = self._filesystem.find(self._root)
        except Exception as error:  # each file system has errors of its own
            raise SourceError(f"{self.location} cannot be listed: {error}.", _ACCESS) from error
        start = len(self._root) + 1
        return _visible(path[start:] for path in found if path.startswith(f"{self._root}/"))

    def files(self) -> Sequence[str]:
        """Every visible file, sorted; raises :class:`SourceError`."""
        return self._files

    def open(self, path: str) -> IO[bytes]:
        """A file opened for reading; raises :class:`SourceError`."""
        try:
            file: IO[bytes] = self._filesystem.open(f"{self._root}/{path}", "rb", block_size=BLOCK_SIZE)
        except Exception as error:  # each file system has errors of its own
            raise SourceError(f"{path} in {self.location} cannot be read: {error}.", _ACCESS) from error
        return file

    def reader(self, path: str) -> Callable[[], bytes]:
        """What reads the file later."""
        return UrlReader(self._filesystem.unstrip_protocol(f"{self._root}/{path}"))


_ACCESS = "Check the address and the credentials of the environment (for S3: AWS_*, AWS_ENDPOINT_URL, or FSSPEC_S3_*)."


def open_tree(location: str) -> FileTree:
    """The tree at a path, at the path of a zip, or at an fsspec URL of either.

    Raises :class:`SourceError` when there is nothing, or nothing that can be read.
    """
    if "://" in location and not location.startswith("file://"):
        return _open_remote(location)
    path = Path(location.removeprefix("file://"))
    if path.is_dir():
        return LocalTree(path)
    if path.is_file():
        return ZipTree(str(path))
    raise SourceError(
        f"{location} does not exist.", "Name a folder, a zip, a URL such as s3://bucket/photos, or a database URL."
    )


def _open_remote(url: str) -> FileTree:
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(url)
        if url.lower().endswith(".zip"):
            if not filesystem.exists(root):
                raise SourceError(f"{url} does not exist.", _ACCESS)
            return ZipTree(url)
        tree = RemoteTree(url, filesystem, root)
    except SourceError:
        raise
    except Exception as error:  # unknown protocols, missing packages, refused connections
        raise SourceError(f"{url} cannot be opened: {error}.", _ACCESS) from error
    if not tree.files():
        raise SourceError(f"{url} does not exist or is empty.", _ACCESS)
    return tree


def _visible(paths: Iterable[str]) -> list[str]:
    """Without hidden files and what archivers of a Mac add, sorted."""
    hidden = (".", "__MACOSX")
    return sorted({path for path in paths if not any(part.startswith(hidden) for part in path.split("/"))})


def _unreadable(error: OSError) -> None:
    raise SourceError(f"{error.filename} cannot be listed: {error.strerror}.", "Check its permissions.")
