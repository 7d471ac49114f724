"""A folder or fsspec URL where files appear whole or not at all."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import fsspec

from dentwatch.errors import DatasetError
from dentwatch.records.photos import sync_path, write_atomically

_SCRATCH = ".scratch-"


class Place:
    """Files under ``url`` by relative path with forward slashes.

    A local file is written beside its place, synced and renamed; an object store shows an object only when its upload
    is done. Either way no reader ever sees a part of a file, also when the writer is killed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._fs: Any
        self._fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        self._root = str(root).rstrip("/")
        self.is_local = "file" in self._fs.protocol

    def path(self, relative: str) -> str:
        """The path of a file as the file system knows it."""
        return f"{self._root}/{relative}"

    def exists(self, relative: str) -> bool:
        """Whether the file is there."""
        return bool(self._fs.exists(self.path(relative)))

    def read(self, relative: str) -> bytes | None:
        """The file's bytes, or None where there is no such file."""
        try:
            return bytes(self._fs.cat_file(self.path(relative)))
        except FileNotFoundError:
            return None

    def open(self, relative: str) -> IO[bytes]:
        """The file, opened for random reading; raises :class:`DatasetError` when it is missing."""
        try:
            file: IO[bytes] = self._fs.open(self.path(relative), "rb")
        except FileNotFoundError as error:
            raise DatasetError(
                f"{self.path(relative)} is missing although the catalog names it.",
                "Restore it from a backup, or ingest the sources again.",
            ) from error
        return file

    def write(self, relative: str, data: bytes) -> None:
        """Write a small file."""
        path = self.path(relative)
        if not self.is_local:
            self._fs.pipe_file(path, data)
            return
        folder = Path(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f".{uuid.uuid4().hex}", Path(path), data)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A local folder to prepare files in; it goes with what is left in it when the block ends."""
        if self.is_local:
            Path(self._root).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=self._root if self.is_local else None) as folder:
            yield Path(folder)

    def adopt(self, file: Path, relative: str) -> None:
        """Move a finished file from :meth:`scratch` to its place."""
        if not self.is_local:
            self._fs.put_file(str(file), self.path(relative))
            return
        path = Path(self.path(relative))
        path.parent.mkdir(parents=True, exist_ok=True)
        sync_path(file)
        file.replace(path)
        sync_path(path.parent)

    def remove(self, relative: str) -> None:
        """Remove a file or folder if it is there."""
        path = self.path(relative)
        if self._fs.exists(path):
            self._fs.rm(path, recursive=True)

    def sweep(self) -> None:
        """Remove what killed writers left behind; call it only while no other writer is at work."""
        if not self.is_local or not Path(self._root).is_dir():
            return
        for leftover in Path(self._root).glob(f"{_SCRATCH}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    @contextmanager
    def only_writer(self) -> Iterator[None]:
        """Hold this place as its only writer; a lock of the operating system, so a killed holder frees it.

        Raises :class:`DatasetError` when another process holds it. Object stores know no such lock: there, let one
        machine write at a time.
        """
        if not self.is_local or os.name != "posix":
            yield
            return
        import fcntl

        Path(self._root).mkdir(parents=True, exist_ok=True)
        with (Path(self._root) / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DatasetError(
                    f"Another process is writing dataset versions in {self.url}.",
                    "Wait until it has finished, then run the command again.",
                ) from error
            yield
