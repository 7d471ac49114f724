"""Names of exported photos: close to their own, yet safe on every file system and never the same twice."""

import io
import posixpath
import re
import unicodedata

from PIL import Image, UnidentifiedImageError

from dentwatch.data.formats.scan import PHOTO_SUFFIXES, is_photo, suffix
from dentwatch.records.annotations import PhotoRecord

_UNSAFE = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]')
_RESERVED = frozenset({"images", "labels", "Annotations", "JPEGImages", "ImageSets"})
"""Folders that mean something to a format; inside a photo's own path they would be taken for the format's."""

_LONGEST_PART = 100
"""Characters: file systems allow 255 bytes, and a character may take four."""


class Names:
    """Gives out paths for photos; the same records in the same order always get the same paths."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def path_for(self, record: PhotoRecord, data: bytes, inside: str = "") -> str:
        """A relative path below the folder ``inside``.

        Two photos never share a path, not even without its ending (label files are named so) or in another case.
        """
        path = posixpath.join(inside, safe_path(record.name) or record.photo_id)
        if not is_photo(path):
            path += _ending_of(data)
        if self._key(path) in self._taken:
            path = f"{posixpath.splitext(path)[0]}-{record.photo_id[:16]}{suffix(path)}"
        while self._key(path) in self._taken:
            path = f"{posixpath.splitext(path)[0]}_{suffix(path)}"
        self._taken.add(self._key(path))
        return path

    @staticmethod
    def _key(path: str) -> str:
        return unicodedata.normalize("NFKC", posixpath.splitext(path)[0]).casefold()


def safe_path(name: str) -> str:
    """The name without what could lead out of a folder or cannot be in a file name; a first ``images/`` is dropped."""
    parts = [_safe_part(part) for part in name.split("/") if part not in ("", ".", "..")]
    if len(parts) > 1 and parts[0] == "images":
        parts = parts[1:]
    folders = [f"{part}_" if part in _RESERVED else part for part in parts[:-1]]
    return "/".join([*folders, *parts[-1:]])


def _safe_part(part: str) -> str:
    part = _UNSAFE.sub("_", part).strip().rstrip(".") or "_"
    if part.startswith((".", "__MACOSX")):
        part = f"_{part}"
    stem, ending = posixpath.splitext(part)
    return f"{stem[: _LONGEST_PART - len(ending)].rstrip()}{ending}" if len(part) > _LONGEST_PART else part


def _ending_of(data: bytes) -> str:
    """The usual ending of a photo's format, told from its first bytes; ``.jpg`` when they do not tell."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            name = (image.format or "").lower()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError):
        return ".jpg"
    return ".jpg" if name in ("jpeg", "mpo") or f".{name}" not in PHOTO_SUFFIXES else f".{name}"
