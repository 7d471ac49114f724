"""CVAT XML 1.1 "for images", reading side (https://docs.cvat.ai/docs/manual/advanced/xml_format/).

Boxes (also rotated), polygons, polylines, point clouds, ellipses and cuboids become upright boxes. A shape's
attributes ``annotator`` and ``original_label`` are kept; an image's fields are its XML attributes and the attributes of
its tags. An image without shapes counts as annotated: CVAT does not say whether somebody looked.
"""

import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
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
from dentwatch.data.formats.scan import Scan
from dentwatch.data.formats.xml import elements, root_tags
from dentwatch.data.incoming import IncomingAnnotation, IncomingPhoto
from dentwatch.errors import SourceError
from dentwatch.records.annotations import Box


class Cvat:
    """CVAT XML: ``annotations.xml`` beside the photos or a folder ``images``, as CVAT's own zip has it."""

    name = "cvat"

    def find(self, scan: Scan) -> list[str]:
        """XML files whose outermost element is ``annotations``."""
        return [path for path, tag in root_tags(scan).items() if tag == "annotations"]

    def read(self, scan: Scan, files: Sequence[str], options: ReadOptions) -> Iterator[IncomingPhoto]:
        """Photos in the order of the XML files, streamed."""
        seen: set[str] = set()
        for path in files:
            for element in elements(scan, path, "image", "track"):
                if element.tag == "track":
                    raise SourceError(
                        f"{path} in {scan.tree.location} holds tracks of a video.", 'Export it as "CVAT for images".'
                    )
                photo = _photo(scan, path, element, options)
                if photo.name in seen:
                    problem = ("entry_duplicate", f"{photo.name} is listed more than once in {path}")
                    photo = replace(photo, problems=(*photo.problems, problem))
                seen.add(photo.name)
                yield photo


def _photo(scan: Scan, path: str, element: Element, options: ReadOptions) -> IncomingPhoto:
    name, subset = element.get("name", ""), element.get("subset", "")
    folder = posixpath.dirname(path)
    images = posixpath.join(folder, "images")
    resolved = scan.resolve(name, [posixpath.join(images, subset), folder, images])
    if resolved.path is None:
        photo = scan.missing(name or f"{path}#image {element.get('id')}", path, resolved.problem)
    else:
        photo = IncomingPhoto(resolved.path, scan.tree.reader(resolved.path))
    annotations, fields, problems = _shapes(element, path)
    problems = [*photo.problems, *problems]
    vehicle = vehicle_of(fields, options.vehicle_field)
    if options.vehicle_field and vehicle is None:
        problems.append(("vehicle_missing", f"{name} has no attribute {options.vehicle_field} in {path}"))
    return replace(
        photo,
        annotations=tuple(annotations),
        width=size_of(element.get("width")),
        height=size_of(element.get("height")),
        vehicle=vehicle,
        split=split_of(subset) or split_of_path(photo.name),
        problems=tuple(problems),
    )


def _shapes(image: Element, path: str) -> tuple[list[IncomingAnnotation], dict[str, str | None], list[tuple[str, str]]]:
    """The annotations of an image element, its fields, and the problems of shapes that are no annotation."""
    annotations: list[IncomingAnnotation] = []
    problems: list[tuple[str, str]] = []
    fields: dict[str, str | None] = dict(image.attrib)
    for position, shape in enumerate(image, start=1):
        attributes = {item.get("name", ""): item.text for item in shape.findall("attribute")}
        where = f"shape {position} ({shape.tag}) of {image.get('name')} in {path}"
        if shape.tag == "tag" and attributes:
            fields.update(attributes)
            continue
        make, label = _SHAPES.get(shape.tag), text_of(shape.get("label"))
        box = make(shape) if make else None
        if make is None:
            problems.append(("annotation_unsupported", f"{where} has no box"))
        elif label is None:
            problems.append(("class_unknown", f"{where} has no label"))
        elif box is None:
            problems.append(("box_malformed", f"{where} has no box that makes sense"))
        else:
            annotator, original = text_of(attributes.get("annotator")), text_of(attributes.get("original_label"))
            annotations.append(IncomingAnnotation(label, box, annotator, original))
    return annotations, fields, problems


def _rectangle(shape: Element) -> Box | None:
    box = box_of_corners([shape.get(side) for side in ("xtl", "ytl", "xbr", "ybr")])
    return None if box is None else _turned(shape, box)


def _ellipse(shape: Element) -> Box | None:
    numbers = numbers_of([shape.get(name) for name in ("cx", "cy", "rx", "ry")])
    if numbers is None or numbers[2] < 0 or numbers[3] < 0:
        return None
    x, y, rx, ry = numbers
    return _turned(shape, Box(x - rx, y - ry, 2 * rx, 2 * ry))


def _turned(shape: Element, box: Box) -> Box | None:
    degrees = number_of(shape.get("rotation", "0"))
    if degrees is None:
        return None
    return rotated_box(box, degrees, (box.x + box.width / 2, box.y + box.height / 2))


def _outline(shape: Element) -> Box | None:
    points = [numbers_of(pair.split(",")) for pair in shape.get("points", "").split(";")]
    complete = [(point[0], point[1]) for point in points if point is not None and len(point) == 2]
    return enclosing_box(complete) if len(complete) == len(points) else None


def _cuboid(shape: Element) -> Box | None:
    corners = [f"{side}{end}" for side in ("tl", "bl", "tr", "br") for end in ("1", "2")]
    points = numbers_of([shape.get(f"{axis}{corner}") for corner in corners for axis in "xy"])
    return None if points is None else enclosing_box(list(zip(points[::2], points[1::2], strict=True)))


_SHAPES: dict[str, Callable[[Element], Box | None]] = {
    "box": _rectangle,
    "ellipse": _ellipse,
    "polygon": _outline,
    "polyline": _outline,
    "points": _outline,
    "cuboid": _cuboid,
}
