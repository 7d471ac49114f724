"""COCO JSON, reading side.

Beyond the standard (https://cocodataset.org/#format-data) these fields are understood: an image's ``split``,
``vehicle`` (or ``vehicle_id``, ``vehicle_group``), ``licence``, ``consent``, ``source`` and ``annotated: false``; an
annotation's ``annotator`` and ``original_category`` (or ``original_label``); and ``info``'s ``licence``, ``consent``.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dentwatch.data.formats.contract import ReadOptions
from dentwatch.data.formats.fields import (
    box_of_xywh,
    enclosing_box,
    numbers_of,
    size_of,
    split_of,
    split_of_path,
    text_of,
    vehicle_of,
)
from dentwatch.data.formats.scan import Scan
from dentwatch.data.incoming import IncomingAnnotation, IncomingPhoto
from dentwatch.errors import SourceError
from dentwatch.records.annotations import Box

Problem = tuple[str, str]


class Coco:
    """COCO JSON: one file, or several (one per split, one per annotator) over the same photos."""

    name = "coco"

    def find(self, scan: Scan) -> list[str]:
        """JSON files that are an object with a list of ``images`` and one of ``annotations`` or ``categories``."""
        return [path for path in scan.ending(".json") if _is_coco(scan.json(path))]

    def read(self, scan: Scan, files: Sequence[str], options: ReadOptions) -> Iterator[IncomingPhoto]:
        """Photos in the order of the files; what several entries say about one photo is joined."""
        entries: dict[str, IncomingPhoto] = {}
        for path in files:
            for key, photo in _Document(scan, path, options).photos():
                entries[key] = joined(entries[key], photo) if key in entries else photo
        scan.forget()
        photos = list(entries.values())[::-1]
        entries.clear()
        while photos:  # each is let go as it is handed on
            yield photos.pop()


def joined(first: IncomingPhoto, second: IncomingPhoto) -> IncomingPhoto:
    """Two entries for one photo as one: all distinct annotations, and a problem that says so."""
    annotations: tuple[IncomingAnnotation, ...] | None = first.annotations
    if second.annotations is not None:
        annotations = tuple(dict.fromkeys((*(first.annotations or ()), *second.annotations)))
    problem = ("entry_duplicate", f"{first.name} is listed more than once; its annotations were joined")
    if first.split and second.split and first.split != second.split:
        text = f"{first.name} is in {first.split} and in {second.split}; {first.split} was kept"
        problem = ("split_contradicts", text)
    return replace(
        first,
        annotations=annotations,
        split=first.split or second.split,
        vehicle=first.vehicle or second.vehicle,
        licence=first.licence or second.licence,
        consent=first.consent or second.consent,
        problems=tuple(dict.fromkeys((*first.problems, *second.problems, problem))),
    )


def _is_coco(document: Any) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        return False
    return isinstance(document.get("annotations"), list) or isinstance(document.get("categories"), list)


@dataclass
class _Found:
    annotations: list[IncomingAnnotation] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class _Document:
    def __init__(self, scan: Scan, path: str, options: ReadOptions) -> None:
        self.scan, self.path, self.options = scan, path, options
        document = scan.json(path)
        self.info: Mapping[str, Any] = document["info"] if isinstance(document.get("info"), dict) else {}
        self.images: list[Any] = document["images"]
        self.annotations: list[Any] = document.get("annotations") or []
        self.categories = _table(document.get("categories"), ("name",))
        self.licences = _table(document.get("licenses") or document.get("licences"), ("name", "url"))
        stated = any(isinstance(image, dict) and image.get("license") is not None for image in self.images)
        self.only_licence = next(iter(self.licences.values())) if len(self.licences) == 1 and not stated else None
        if not self.categories and self.annotations:
            raise SourceError(
                f"{path} in {scan.tree.location} has annotations but no categories.",
                "COCO needs a list `categories` of objects with id and name; export the annotations again.",
            )
        folder = posixpath.dirname(path)
        parent = posixpath.dirname(folder)
        self.folders = [folder, posixpath.join(folder, "images"), "", "images", posixpath.join(parent, "images")]
        stem = posixpath.splitext(posixpath.basename(path))[0]
        self.split = split_of_path(path) or next(filter(None, map(split_of, stem.replace("-", "_").split("_"))), None)

    def photos(self) -> Iterator[tuple[str, IncomingPhoto]]:
        """Pairs of a key that is equal for equal photos, and the photo."""
        found = self._annotations_by_image()
        seen: set[str] = set()
        for position, image in enumerate(self.images):
            name = image.get("file_name") if isinstance(image, dict) else None
            if not isinstance(name, str) or not name.strip():
                stated = f"{self.path}#images[{position}]"
                photo = self.scan.missing(stated, self.path, ("entry_malformed", f"{stated} has no file_name"))
                yield stated, photo
                continue
            key = _key(image.get("id"))
            photo = self._photo(image, name, found.pop(key, _Found()))
            if key in seen:
                text = f"image id {key} of {name} is another photo's in {self.path}, so its annotations are unknown"
                photo = replace(photo, annotations=None, problems=(*photo.problems, ("entry_duplicate", text)))
            seen.add(key)
            yield photo.name, photo
        for key, orphan in found.items():
            name = f"{self.path}#image_id={key}"
            text = f"{len(orphan.annotations)} annotations are for image id {key}, which {self.path} does not list"
            photo = self.scan.missing(name, self.path, ("annotation_orphaned", text))
            yield name, replace(photo, problems=(*photo.problems, *orphan.problems))

    def _photo(self, image: Mapping[str, Any], name: str, found: _Found) -> IncomingPhoto:
        path, problem = self.scan.resolve(name, self.folders)
        if path is None:
            photo = self.scan.missing(name, self.path, problem)
        else:
            photo = IncomingPhoto(path, self.scan.tree.reader(path))
        vehicle = vehicle_of(image, self.options.vehicle_field)
        problems = [*photo.problems, *found.problems]
        if self.options.vehicle_field and vehicle is None:
            problems.append(("vehicle_missing", f"{name} has no field {self.options.vehicle_field} in {self.path}"))
        return replace(
            photo,
            annotations=None if image.get("annotated") is False else tuple(found.annotations),
            width=size_of(image.get("width")),
            height=size_of(image.get("height")),
            vehicle=vehicle,
            split=split_of(image.get("split")) or self.split or (split_of_path(path) if path else None),
            licence=self._licence(image),
            consent=text_of(image.get("consent")) or text_of(self.info.get("consent")),
            source=text_of(image.get("source")) or "",
            problems=tuple(problems),
        )

    def _licence(self, image: Mapping[str, Any]) -> str | None:
        stated = text_of(image.get("licence")) or self.licences.get(_key(image.get("license")))
        whole = text_of(self.info.get("licence")) or text_of(self.info.get("license"))
        return stated or whole or self.only_licence

    def _annotations_by_image(self) -> dict[str, _Found]:
        found: dict[str, _Found] = {}
        for position, annotation in enumerate(self.annotations):
            if not isinstance(annotation, dict):
                raise SourceError(
                    f"{self.path} in {self.scan.tree.location}: annotations[{position}] is not an object.",
                    "Export the annotations again.",
                )
            entry = found.setdefault(_key(annotation.get("image_id")), _Found())
            where = f"annotation {annotation.get('id', position)} in {self.path}"
            label = self.categories.get(_key(annotation.get("category_id")))
            box = _box(annotation)
            if label is None:
                entry.problems.append(("class_unknown", f"{where} has category_id {annotation.get('category_id')!r}"))
            elif box is None:
                entry.problems.append(("box_malformed", f"{where} has bbox {annotation.get('bbox')!r}"))
            else:
                original = annotation.get("original_category", annotation.get("original_label"))
                entry.annotations.append(
                    IncomingAnnotation(label, box, text_of(annotation.get("annotator")), text_of(original))
                )
        return found


def _box(annotation: Mapping[str, Any]) -> Box | None:
    if annotation.get("bbox"):
        return box_of_xywh(annotation["bbox"])
    polygons = annotation.get("segmentation")
    points: list[tuple[float, float]] = []
    for polygon in polygons if isinstance(polygons, list) else []:
        numbers = numbers_of(polygon)
        if numbers is None or len(numbers) % 2:
            return None
        points.extend(zip(numbers[::2], numbers[1::2], strict=True))
    return enclosing_box(points)


def _table(rows: object, names: Iterable[str]) -> dict[str, str]:
    table: dict[str, str] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict):
            text = next(filter(None, (text_of(row.get(name)) for name in names)), None)
            if text:
                table[_key(row.get("id"))] = text
    return table


def _key(identifier: object) -> str:
    """Ids are compared as text: tools write the same id as 1 and as "1"."""
    return str(identifier)
