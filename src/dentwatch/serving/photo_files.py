"""Photos in files: from what a person names on the command line to the photos that are inspected."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from dentwatch.errors import PhotoError, SourceError
from dentwatch.serving.inspection import Photo

EXTENSIONS = frozenset({".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""What a folder is searched for, in lower case; a file that is named itself may have any extension."""


def find_photos(references: Iterable[str]) -> list[str]:
    """The files that ``references`` mean: files, folders (every photo below, sorted) and glob patterns (sorted).

    A file that does not exist stays in the list, so that it is answered with an error like any other bad photo. Raises
    :class:`SourceError` for a folder without photos.
    """
    return [name for reference in references for name in _expand(reference)]


def file_photo(name: str) -> Photo:
    """The photo in the file ``name``; reading raises :class:`PhotoError` (``not_found``, ``unreadable``)."""
    # A name that is no valid UTF-8 could not be printed as JSON; it is shown with replacement characters.
    return Photo(os.fsencode(name).decode("utf-8", "replace"), lambda: _read(name))


def _expand(reference: str) -> Iterator[str]:
    path = Path(reference)
    if path.is_dir():
        inside = sorted(str(file) for file in path.rglob("*") if file.suffix.lower() in EXTENSIONS and file.is_file())
        if not inside:
            raise SourceError(
                f"The folder {reference} holds no photos.", f"Photos end in {', '.join(sorted(EXTENSIONS))}."
            )
        yield from inside
    elif not path.exists() and glob.has_magic(reference):
        # A pattern may be absolute, which Path.glob does not take.
        yield from sorted(glob.glob(reference, recursive=True)) or [reference]  # noqa: PTH207
    else:
        yield reference


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except FileNotFoundError as error:
        raise PhotoError("not_found", "There is no such file.", "Check the path.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PhotoError(
            "unreadable", f"The file cannot be read: {reason}.", "Check that it is a file of yours."
        ) from error
