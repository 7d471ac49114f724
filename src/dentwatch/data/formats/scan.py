"""One look at a tree: which photos and which possible annotation files it holds, and how references find photos."""

import json
import posixpath
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from dentwatch.data.formats.remembered import Remembered
from dentwatch.data.formats.tree import FileTree
from dentwatch.data.incoming import IncomingPhoto, MissingPhoto
from dentwatch.errors import SourceError

PHOTO_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff"}
    | {".webp"}
)


def suffix(path: str) -> str:
    """The file name's ending in lower case, with its dot."""
    return posixpath.splitext(path)[1].lower()


def is_photo(path: str) -> bool:
    """Whether the file's name says that it is a photo."""
    return suffix(path) in PHOTO_SUFFIXES


def normal(path: str) -> str:
    """The path in Unicode's composed form: archives made on a Mac hold decomposed names."""
    return unicodedata.normalize("NFC", path)


class Resolved(NamedTuple):
    """The photo that a reference means (None: there is none) and the problem met on the way, if any."""

    path: str | None
    problem: tuple[str, str] | None = None


class Scan:
    """A tree as formats look at it; lists are made once, documents are kept one at a time."""

    def __init__(self, tree: FileTree) -> None:
        self.tree = tree
        self._document: tuple[str, Any] | None = None

    @cached_property
    def photos(self) -> list[str]:
        """Paths of the photos, sorted."""
        return [path for path in self.tree.files() if is_photo(path)]

    @cached_property
    def photo_set(self) -> frozenset[str]:
        """Paths of the photos."""
        return frozenset(self.photos)

    @cached_property
    def photo_by_stem(self) -> dict[str, str]:
        """Photos by their path without its ending; of several, the first."""
        return {posixpath.splitext(path)[0]: path for path in reversed(self.photos)}

    @cached_property
    def others(self) -> list[str]:
        """Paths of the files that are not photos, sorted."""
        return [path for path in self.tree.files() if not is_photo(path)]

    @cached_property
    def remembered(self) -> Remembered:
        """What Dentwatch's own sidecars say; raises :class:`SourceError` for a damaged one."""
        return Remembered.load(self.tree)

    def ending(self, *suffixes: str) -> list[str]:
        """Files that are not photos and whose names end so."""
        return [path for path in self.others if suffix(path) in suffixes]

    def read(self, path: str) -> bytes:
        """A file's bytes; raises :class:`SourceError`."""
        with self.tree.open(path) as file:
            return file.read()

    def text(self, path: str) -> str:
        """A text file in UTF-8; raises :class:`SourceError` when it is not."""
        try:
            return self.read(path).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{path} in {self.tree.location} is not UTF-8 text (byte {error.start}).", "Save it as UTF-8."
            ) from error

    def json(self, path: str) -> Any:
        """A JSON file's document; raises :class:`SourceError` naming the file and the line that is broken."""
        if self._document is None or self._document[0] != path:
            try:
                self._document = path, json.loads(self.text(path))
            except json.JSONDecodeError as error:
                raise SourceError(
                    f"{path} in {self.tree.location} is not JSON: {error.msg} in line {error.lineno}, "
                    f"column {error.colno}.",
                    "Export the annotations again, remove the file, or name the format of the others with --format.",
                ) from error
            except RecursionError as error:
                raise SourceError(f"{path} in {self.tree.location} is nested too deeply to be annotations.") from error
        return self._document[1]

    def forget(self) -> None:
        """Let go of the document that was read last."""
        self._document = None

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        index: dict[str, list[str]] = {}
        for path in self.photos:
            index.setdefault(normal(posixpath.basename(path)), []).append(path)
        return index

    def resolve(self, reference: str, folders: Sequence[str]) -> Resolved:
        """The photo that an annotation file means by ``reference``.

        It is looked for below each of ``folders`` and, failing that, by the longest ending of the reference that a
        photo of the tree shares, since annotation tools write paths of the machine they ran on. A reference never
        reaches outside the tree.
        """
        reference = reference.replace("\\", "/")
        for folder in folders:
            path = posixpath.normpath(posixpath.join(folder, reference))
            if path in self.photo_set:
                return Resolved(path)
        parts = [part for part in normal(reference).split("/") if part not in ("", ".", "..")]
        candidates = self._by_name.get(parts[-1], []) if parts else []
        for length in range(len(parts), 0, -1):
            ending = parts[-length:]
            matches = [path for path in candidates if normal(path).split("/")[-length:] == ending]
            if len(matches) == 1:
                return Resolved(matches[0])
            if matches:
                return Resolved(
                    None, ("photo_ambiguous", f"{reference} could be {len(matches)} photos, such as {matches[0]}")
                )
        return Resolved(None)

    def missing(self, reference: str, annotation_file: str, problem: tuple[str, str] | None = None) -> IncomingPhoto:
        """What stands for a photo that ``annotation_file`` speaks of and the tree does not hold."""
        reader = MissingPhoto(reference, f"{annotation_file} in {self.tree.location}")
        return IncomingPhoto(reference, reader, None, problems=(problem,) if problem else ())
