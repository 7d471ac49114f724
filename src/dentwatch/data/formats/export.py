"""Write a dataset version, or any records, as a folder in an annotation format."""

import shutil
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dentwatch.data.formats.coco_writer import CocoWriter
from dentwatch.data.formats.cvat_writer import CvatWriter
from dentwatch.data.formats.label_studio_writer import LabelStudioWriter
from dentwatch.data.formats.naming import Names
from dentwatch.data.formats.remembered import SIDECAR, line_of
from dentwatch.data.formats.voc_writer import VocWriter
from dentwatch.data.formats.writer import Writer
from dentwatch.data.formats.yolo_writer import RoboflowYoloWriter, YoloWriter
from dentwatch.errors import DataError
from dentwatch.records.annotations import PhotoRecord

WRITERS: dict[str, type[Writer]] = {
    "coco": CocoWriter,
    "yolo": YoloWriter,
    "yolo-roboflow": RoboflowYoloWriter,
    "voc": VocWriter,
    "label-studio": LabelStudioWriter,
    "cvat": CvatWriter,
}
"""Formats that can be written, by name."""


class PhotoBytes(Protocol):
    """Where the photos' bytes are: a :class:`dentwatch.records.photos.PhotoStore`."""

    def get(self, photo_id: str) -> bytes:
        """The bytes of a photo."""
        ...


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote."""

    folder: Path
    format: str
    photos: int
    annotated: int
    annotations: int


def export(records: Iterable[PhotoRecord], photos: PhotoBytes, out: Path, format: str) -> Exported:
    """Write photos and annotations into the new folder ``out``; nothing is there until everything is.

    What the format has no place for goes into the sidecar ``dentwatch.jsonl``, which reading picks up by itself.

    Raises :class:`DataError` for an unknown format or when ``out`` holds something.
    """
    if format not in WRITERS:
        raise DataError(f"{format!r} is not a format that can be written.", f"Formats are {', '.join(WRITERS)}.")
    out = out.absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} holds something already.", "Name a folder that is new or empty.")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        exported = _write(records, photos, unfinished, out, format)
        unfinished.chmod(0o755)
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return exported


def _write(records: Iterable[PhotoRecord], photos: PhotoBytes, folder: Path, out: Path, format: str) -> Exported:
    writer, names = WRITERS[format](folder), Names()
    count = annotated = annotations = 0
    with closing(writer), (folder / SIDECAR).open("w", encoding="utf-8") as sidecar:
        for record in records:
            data = photos.get(record.photo_id)
            file = names.path_for(record, data, writer.folder_for(record))
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            writer.add(record, file)
            sidecar.write(line_of(record, file, with_annotations=not writer.keeps_annotation_fields))
            count, annotated, annotations = (
                count + 1,
                annotated + record.annotated,
                annotations + len(record.annotations),
            )
    return Exported(out, format, count, annotated, annotations)
