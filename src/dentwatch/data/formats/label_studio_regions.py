"""The regions of one Label Studio annotation as boxes in pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dentwatch.data.formats.fields import enclosing_box, number_of, numbers_of, rotated_box, size_of, text_of
from dentwatch.data.incoming import IncomingAnnotation
from dentwatch.records.annotations import Box

_WITHOUT_BOX = ("choices", "taxonomy", "rating", "textarea", "relation", "number", "datetime", "pairwise", "ranker")
"""Results about the whole photo or about other results; they say nothing about where."""

_BARE_SHAPES = ("rectangle", "ellipse", "polygon")
"""A shape drawn with a tool that has no labels of its own; a twin of type ``labels`` with the same id carries them."""


@dataclass
class Regions:
    """What one annotation says: boxes, the size they were drawn on, and what could not be used."""

    width: int | None = None
    height: int | None = None
    annotations: list[IncomingAnnotation] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def agrees(self, other: "Regions") -> bool:
        """Whether both say the same, whoever drew it and in whatever order."""
        return _statements(self) == _statements(other)


def _statements(regions: Regions) -> set[tuple[str, Box]]:
    return {(item.label, item.box) for item in regions.annotations}


def read_regions(annotation: Mapping[str, Any], where: str) -> Regions:
    """The regions of an annotation of the full export; ``where`` names it in problems."""
    regions = Regions()
    annotator = _annotator(annotation.get("completed_by"))
    stated = annotation.get("result")
    results = [item if isinstance(item, dict) else {} for item in stated] if isinstance(stated, list) else []
    labelled = {item.get("id") for item in results if item.get("type") == "labels"}
    for position, fields in enumerate(results, start=1):
        kind = str(fields.get("type"))
        value = _object(fields.get("value"))
        region = f"region {position} ({kind}) of {where}"
        if kind in _WITHOUT_BOX or (kind in _BARE_SHAPES and fields.get("id") in labelled):
            continue
        labels = value.get(kind)
        width, height = size_of(fields.get("original_width")), size_of(fields.get("original_height"))
        make = _SHAPES.get(kind)
        if make is None:
            regions.problems.append(("annotation_unsupported", f"{region} has no box"))
        elif not isinstance(labels, list) or not labels or text_of(labels[0]) is None:
            regions.problems.append(("class_unknown", f"{region} has no label"))
        elif width is None or height is None:
            regions.problems.append(("size_unknown", f"{region} does not state the size of the photo"))
        else:
            regions.width, regions.height = width, height
            box = make(value, width, height)
            if box is None:
                regions.problems.append(("box_malformed", f"{region} has no box that makes sense"))
                continue
            meta = _object(fields.get("meta"))
            original, drawn_by = text_of(meta.get("original_label")), text_of(meta.get("annotator")) or annotator
            for label in labels:
                regions.annotations.append(IncomingAnnotation(str(label).strip(), box, drawn_by, original))
    return regions


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _annotator(completed_by: object) -> str | None:
    if isinstance(completed_by, dict):
        return (
            text_of(completed_by.get("email"))
            or text_of(completed_by.get("username"))
            or text_of(completed_by.get("id"))
        )
    return text_of(completed_by)


def _rectangle(value: Mapping[str, Any], width: int, height: int) -> Box | None:
    numbers = numbers_of([value.get(name) for name in ("x", "y", "width", "height")])
    degrees = number_of(value.get("rotation") or 0)
    if numbers is None or degrees is None or numbers[2] < 0 or numbers[3] < 0:
        return None
    x, y, w, h = numbers
    box = Box(x * width / 100, y * height / 100, w * width / 100, h * height / 100)
    return rotated_box(box, degrees, (box.x, box.y))  # Label Studio turns about the top left corner


def _ellipse(value: Mapping[str, Any], width: int, height: int) -> Box | None:
    numbers = numbers_of([value.get(name) for name in ("x", "y", "radiusX", "radiusY")])
    degrees = number_of(value.get("rotation") or 0)
    if numbers is None or degrees is None or numbers[2] < 0 or numbers[3] < 0:
        return None
    x, y, rx, ry = (number * side / 100 for number, side in zip(numbers, (width, height) * 2, strict=True))
    return rotated_box(Box(x - rx, y - ry, 2 * rx, 2 * ry), degrees, (x, y))


def _polygon(value: Mapping[str, Any], width: int, height: int) -> Box | None:
    stated = value.get("points")
    points = [numbers_of(point) for point in stated] if isinstance(stated, list) else []
    complete = [(point[0] * width / 100, point[1] * height / 100) for point in points if point and len(point) == 2]
    return enclosing_box(complete) if len(complete) == len(points) else None


def _any_shape(value: Mapping[str, Any], width: int, height: int) -> Box | None:
    make = _polygon if "points" in value else _ellipse if "radiusX" in value else _rectangle
    return make(value, width, height)


_SHAPES = {
    "rectanglelabels": _rectangle,
    "ellipselabels": _ellipse,
    "polygonlabels": _polygon,
    "labels": _any_shape,
    "rectangle": _rectangle,
    "ellipse": _ellipse,
    "polygon": _polygon,
}
