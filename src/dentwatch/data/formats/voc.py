"""Pascal VOC XML, reading side: one file per photo, splits in ``ImageSets``.

Corners are taken as they are stated, in pixels from 0, as today's tools write them (the challenge's own files count
from 1). Besides boxes, ``polygon`` (``x1``, ``y1``, ``x2`` …, or ``pt``) and ``robndbox`` are understood. An object's
``annotator`` and ``original_label`` and a photo's ``vehicle`` are kept where present.
"""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import degrees
from xml.etree.ElementTree import Element

from dentwatch.data.formats.contract import ReadOptions
from dentwatch.data.formats.fields import (
    box_of_corners,
    enclosing_box,
    number_of,
    numbers_of,
    rotated_box,
    size_of,
    split_of,
    split_of_path,
    text_of,
    vehicle_of,
)
from dentwatch.data.formats.scan import Resolved, Scan
from dentwatch.data.formats.xml import elements, root_tags
from dentwatch.data.incoming import IncomingAnnotation, IncomingPhoto
from dentwatch.errors import SourceError
from dentwatch.records.annotations import Box, Split

_PHOTO_FOLDERS = ("JPEGImages", "images", "Images")


class PascalVoc:
    """Pascal VOC: ``Annotations/*.xml`` beside ``JPEGImages``, or each XML beside its photo."""

    name = "voc"

    def find(self, scan: Scan) -> list[str]:
        """XML files whose outermost element is ``annotation``, and damaged ones beside them.

        Raises :class:`SourceError` for a damaged file that is beside no other.
        """
        tags = root_tags(scan)
        folders = {posixpath.dirname(path) for path, tag in tags.items() if tag == "annotation"}
        found = []
        for path, tag in tags.items():
            if tag == "annotation" or (isinstance(tag, SourceError) and posixpath.dirname(path) in folders):
                found.append(path)
            elif isinstance(tag, SourceError):
                raise tag
        return found

    def read(self, scan: Scan, files: Sequence[str], options: ReadOptions) -> Iterator[IncomingPhoto]:
        """Photos in the order of their XML files."""
        splits = _image_sets(scan)
        seen: set[str] = set()
        for path in files:
            photo = _parsed(scan, path, options)
            split = splits.get(_identifier(path)) or splits.get(posixpath.basename(_identifier(path)))
            photo = replace(photo, split=split or photo.split)
            if photo.name in seen:
                problem = ("entry_duplicate", f"{photo.name} has another XML file besides {path}")
                photo = replace(photo, problems=(*photo.problems, problem))
            seen.add(photo.name)
            yield photo


def _parsed(scan: Scan, path: str, options: ReadOptions) -> IncomingPhoto:
    """The photo of one XML file; a damaged file leaves its photo unannotated, with a problem."""
    try:
        for root in elements(scan, path, "annotation"):
            return _photo(scan, path, root, options)
        problem = ("annotations_malformed", f"{path} holds no annotation")
    except SourceError as error:
        problem = ("annotations_malformed", error.message)
    resolved = _resolve(scan, path, posixpath.basename(_stem(path)))
    if resolved.path is None:
        return scan.missing(path, path, problem)
    return IncomingPhoto(resolved.path, scan.tree.reader(resolved.path), problems=(problem,))


def _photo(scan: Scan, path: str, root: Element, options: ReadOptions) -> IncomingPhoto:
    stated = text_of(root.findtext("filename")) or posixpath.basename(_stem(path))
    resolved = _resolve(scan, path, stated)
    photo = (
        scan.missing(stated, path, resolved.problem)
        if resolved.path is None
        else IncomingPhoto(resolved.path, scan.tree.reader(resolved.path))
    )
    annotations: list[IncomingAnnotation] = []
    problems = list(photo.problems)
    for position, element in enumerate(root.findall("object"), start=1):
        label, box = text_of(element.findtext("name")), _box(element)
        if label is None:
            problems.append(("class_unknown", f"object {position} in {path} has no name"))
        elif box is None:
            problems.append(("box_malformed", f"object {position} ({label}) in {path} has no box that makes sense"))
        else:
            annotator, original = element.findtext("annotator"), element.findtext("original_label")
            annotations.append(IncomingAnnotation(label, box, text_of(annotator), text_of(original)))
    fields = {element.tag: element.text for element in root}
    vehicle = vehicle_of(fields, options.vehicle_field)
    if options.vehicle_field and vehicle is None:
        problems.append(("vehicle_missing", f"{path} has no element {options.vehicle_field}"))
    return replace(
        photo,
        annotations=tuple(annotations),
        width=size_of(root.findtext("size/width")),
        height=size_of(root.findtext("size/height")),
        vehicle=vehicle,
        split=split_of_path(path),
        problems=tuple(problems),
    )


def _resolve(scan: Scan, path: str, stated: str) -> Resolved:
    """The photo of an XML file: as stated, in the usual folders; else the one that shares the XML's name."""
    folder = posixpath.dirname(path)
    folders = [folder, *(folder.replace("Annotations", name, 1) for name in _PHOTO_FOLDERS if "Annotations" in folder)]
    for candidate in folders:
        found = posixpath.normpath(posixpath.join(candidate, posixpath.basename(stated.replace("\\", "/"))))
        if found in scan.photo_set:
            return Resolved(found)
    for candidate in folders:
        same_name = scan.photo_by_stem.get(posixpath.join(candidate, posixpath.basename(_stem(path))))
        if same_name:
            return Resolved(same_name)
    return scan.resolve(stated, ("",))


def _box(element: Element) -> Box | None:
    bounds = element.find("bndbox")
    if bounds is not None:
        return box_of_corners([bounds.findtext(side) for side in ("xmin", "ymin", "xmax", "ymax")])
    turned = element.find("robndbox")
    if turned is not None:
        numbers = numbers_of([turned.findtext(name) for name in ("cx", "cy", "w", "h", "angle")])
        if numbers is None or numbers[2] < 0 or numbers[3] < 0:
            return None
        x, y, width, height, angle = numbers
        return rotated_box(Box(x - width / 2, y - height / 2, width, height), degrees(angle), (x, y))
    polygon = element.find("polygon")
    return None if polygon is None else _polygon_box(polygon)


def _polygon_box(polygon: Element) -> Box | None:
    points = [(point.findtext("x"), point.findtext("y")) for point in polygon.findall("pt")]
    if not points:
        count = sum(child.tag.startswith("x") for child in polygon)
        points = [(polygon.findtext(f"x{i}"), polygon.findtext(f"y{i}")) for i in range(1, count + 1)]
    numbers = [(number_of(x), number_of(y)) for x, y in points]
    complete = [(x, y) for x, y in numbers if x is not None and y is not None]
    return enclosing_box(complete) if len(complete) == len(numbers) else None


def _image_sets(scan: Scan) -> dict[str, Split]:
    """The split of each identifier listed in ``ImageSets/**/train.txt`` and the like (``trainval`` is no split)."""
    splits: dict[str, Split] = {}
    flagged: dict[str, Split] = {}  # per-class lists have the identifier and whether the class is there
    for path in scan.ending(".txt"):
        split = split_of(posixpath.basename(_stem(path)))
        if split is None or "ImageSets" not in path.split("/"):
            continue
        for line in scan.text(path).splitlines():
            identifier = line.strip()
            head, _, flag = identifier.rpartition(" ")
            if flag in ("-1", "0", "1") and head:
                flagged.setdefault(head.strip(), split)
            if identifier:
                splits.setdefault(identifier, split)
    return {**flagged, **splits}


def _stem(path: str) -> str:
    return posixpath.splitext(path)[0]


def _identifier(path: str) -> str:
    """What ``ImageSets`` calls the XML file: its path below ``Annotations``, without the ending."""
    return _stem(path).rpartition("Annotations/")[2]
