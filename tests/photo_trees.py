"""Folders and zips of files for the tests of formats and sources."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.sources import open_source

Files = Mapping[str, Any]


def photo(width: int = 100, height: int = 50, colour: str = "red", orientation: int | None = None) -> bytes:
    """A JPEG of one colour; ``width`` and ``height`` are as stored, before ``orientation`` is applied."""
    out, exif = io.BytesIO(), Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", (width, height), colour).save(out, "JPEG", exif=exif)
    return out.getvalue()


def content(value: Any) -> bytes:
    """Bytes as they are, text in UTF-8, anything else as JSON."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def write_tree(folder: Path, files: Files) -> Path:
    """The folder, with the files in it."""
    for path, value in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content(value))
    return folder


def zip_of(files: Files) -> bytes:
    """The bytes of a zip of the files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, value in files.items():
            archive.writestr(name, content(value))
    return out.getvalue()


def write_zip(path: Path, files: Files) -> Path:
    """A zip of the files."""
    path.write_bytes(zip_of(files))
    return path


def read_tree(folder: Path, files: Files, **options: Any) -> dict[str, IncomingPhoto]:
    """The photos of a folder with these files, by name."""
    photos = list(open_source(str(write_tree(folder, files)), **options).photos())
    assert len({item.name for item in photos}) == len(photos)
    return {item.name: item for item in photos}


def boxes(item: IncomingPhoto) -> list[tuple[str, float, float, float, float]]:
    """Label and left, top, right, bottom (rounded to a thousandth of a pixel) of a photo's annotations."""
    assert item.annotations is not None
    return [(found.label, *(round(side, 3) for side in found.box.xyxy)) for found in item.annotations]


def reasons(item: IncomingPhoto) -> list[str]:
    """The reasons of a photo's problems."""
    return [reason for reason, _ in item.problems]
