"""COCO JSON, writing side: ``annotations.json`` and ``images``; see the reading side for the fields beyond COCO."""

import json
import posixpath
from pathlib import Path
from typing import Any

from dentwatch.data.formats.writer import Classes
from dentwatch.records.annotations import Annotation, PhotoRecord


class CocoWriter:
    """Streams images and annotations into two files and joins them at the end."""

    keeps_annotation_fields = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._classes = Classes()
        self._licences: list[str] = []
        self._images = (folder / "images.part").open("w", encoding="utf-8")
        self._annotations = (folder / "annotations.part").open("w", encoding="utf-8")
        self._image_count = self._annotation_count = 0

    def folder_for(self, record: PhotoRecord) -> str:  # noqa: ARG002 (all photos lie together)
        """The folder of the photos."""
        return "images"

    def add(self, record: PhotoRecord, file: str) -> None:
        """Write an image and its annotations; photos that nobody has annotated are left out of the JSON."""
        if not record.annotated:
            return
        self._image_count += 1
        image: dict[str, Any] = {
            "id": self._image_count,
            "file_name": posixpath.relpath(file, "images"),
            "width": record.width,
            "height": record.height,
            "split": record.split,
            "vehicle": record.vehicle,
        }
        if record.licence:
            image["license"] = self._licence_id(record.licence)
        image |= {key: value for key, value in (("consent", record.consent), ("source", record.source)) if value}
        self._images.write(_item(image, self._image_count))
        for annotation in record.annotations:
            self._annotation_count += 1
            self._annotations.write(_item(self._fields(annotation), self._annotation_count))

    def close(self) -> None:
        """Write ``annotations.json``."""
        self._images.close()
        self._annotations.close()
        head = {
            "info": {"description": "Exported by Dentwatch"},
            "licenses": [{"id": number, "name": name} for number, name in enumerate(self._licences, start=1)],
            "categories": [
                {"id": number, "name": name, "supercategory": "damage"}
                for number, name in enumerate(self._classes.names, start=1)
            ],
        }
        with (self._folder / "annotations.json").open("w", encoding="utf-8") as out:
            out.write(json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}"))
            for name in ("images", "annotations"):
                part = self._folder / f"{name}.part"
                out.write(f',\n "{name}": [')
                with part.open(encoding="utf-8") as lines:
                    out.writelines(lines)
                out.write("\n ]")
                part.unlink()
            out.write("\n}\n")

    def _licence_id(self, licence: str) -> int:
        if licence not in self._licences:
            self._licences.append(licence)
        return self._licences.index(licence) + 1

    def _fields(self, annotation: Annotation) -> dict[str, Any]:
        box = annotation.box
        fields: dict[str, Any] = {
            "id": self._annotation_count,
            "image_id": self._image_count,
            "category_id": self._classes.number(annotation.label) + 1,
            "bbox": [box.x, box.y, box.width, box.height],
            "area": box.width * box.height,
            "iscrowd": 0,
            "segmentation": [],
        }
        extra = (("original_category", annotation.original_label), ("annotator", annotation.annotator))
        return fields | {key: value for key, value in extra if value is not None}


def _item(fields: dict[str, Any], number: int) -> str:
    return ("," if number > 1 else "") + "\n  " + json.dumps(fields, ensure_ascii=False)
