"""Dentwatch's sidecar ``dentwatch.jsonl``: what an export knows about photos and its format has no place for.

One JSON object per line. ``file`` is the photo's path beside the sidecar; ``name``, ``vehicle``, ``split``,
``licence``, ``consent``, ``source``, ``width``, ``height`` and ``notes`` are the photo's; ``annotations`` (only where
the format cannot keep them) is a list of ``[label, original_label, annotator]`` in the order of the annotations.
"""

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dentwatch.data.formats.fields import size_of, split_of, text_of
from dentwatch.data.formats.tree import FileTree
from dentwatch.data.incoming import IncomingAnnotation, IncomingPhoto
from dentwatch.errors import SourceError
from dentwatch.records.annotations import PhotoRecord

SIDECAR = "dentwatch.jsonl"


@dataclass(frozen=True)
class Remembered:
    """The sidecars of a tree: their lines by the photo's path, parsed when asked for."""

    lines: dict[str, bytes]

    @classmethod
    def load(cls, tree: FileTree) -> "Remembered":
        """Read every sidecar of the tree; raises :class:`SourceError` naming the line that is damaged."""
        lines: dict[str, bytes] = {}
        for path in tree.files():
            if posixpath.basename(path) != SIDECAR:
                continue
            folder = posixpath.dirname(path)
            with tree.open(path) as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        lines[posixpath.join(folder, _file_of(tree, path, number, line))] = line
        return cls(lines)

    def fields(self, path: str) -> Mapping[str, Any]:
        """What the sidecar says about the photo at ``path``; empty when it says nothing."""
        line = self.lines.get(path)
        fields: Mapping[str, Any] = json.loads(line) if line else {}
        return fields

    def size(self, path: str) -> tuple[int, int] | None:
        """Width and height of the upright photo in pixels, where the sidecar states them."""
        fields = self.fields(path)
        width, height = size_of(fields.get("width")), size_of(fields.get("height"))
        return (width, height) if width and height else None

    def apply(self, photo: IncomingPhoto, keep_vehicle: bool = False) -> IncomingPhoto:
        """The photo with what the sidecar says about it, which goes before what folders and files are called.

        ``keep_vehicle`` keeps a vehicle that was found, since the user named the field to find it in.
        """
        fields = self.fields(photo.name)
        if not fields:
            return photo
        notes = fields.get("notes")
        return replace(
            photo,
            name=text_of(fields.get("name")) or photo.name,
            annotations=_completed(photo.annotations, fields.get("annotations")),
            width=photo.width or size_of(fields.get("width")),
            height=photo.height or size_of(fields.get("height")),
            vehicle=(photo.vehicle if keep_vehicle else None) or text_of(fields.get("vehicle")) or photo.vehicle,
            split=split_of(fields.get("split")) or photo.split,
            licence=text_of(fields.get("licence")) or photo.licence,
            consent=text_of(fields.get("consent")) or photo.consent,
            source=text_of(fields.get("source")) or photo.source,
            notes=tuple(str(note) for note in notes) if isinstance(notes, list) else (),
        )


def line_of(record: PhotoRecord, file: str, with_annotations: bool) -> str:
    """The sidecar's line for a photo exported to ``file``."""
    fields: dict[str, Any] = {
        "file": file,
        "name": record.name,
        "vehicle": record.vehicle,
        "split": record.split,
        "licence": record.licence,
        "consent": record.consent,
        "source": record.source,
        "width": record.width,
        "height": record.height,
        "notes": list(record.notes),
    }
    if with_annotations and any(item.original_label or item.annotator for item in record.annotations):
        fields["annotations"] = [[item.label, item.original_label, item.annotator] for item in record.annotations]
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _file_of(tree: FileTree, path: str, number: int, line: bytes) -> str:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise SourceError(
            f"{path} in {tree.location} is damaged in line {number}: {error}.", "Export again, or remove it."
        ) from error
    file = fields.get("file") if isinstance(fields, dict) else None
    if not isinstance(file, str):
        raise SourceError(f"{path} in {tree.location}, line {number}: `file` is missing.", "Export again.")
    return file


def _completed(
    annotations: tuple[IncomingAnnotation, ...] | None, rows: object
) -> tuple[IncomingAnnotation, ...] | None:
    """Annotations with the annotator and original label of ``rows``, unless they were edited since."""
    if not annotations or not isinstance(rows, list) or len(rows) != len(annotations):
        return annotations
    if any(not isinstance(row, list) or len(row) != 3 for row in rows):
        return annotations
    if any(row[0] != item.label for row, item in zip(rows, annotations, strict=True)):
        return annotations
    return tuple(
        replace(
            item, original_label=item.original_label or text_of(row[1]), annotator=item.annotator or text_of(row[2])
        )
        for row, item in zip(rows, annotations, strict=True)
    )
