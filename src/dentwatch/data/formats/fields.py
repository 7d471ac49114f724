"""Values as annotation files state them, turned into Dentwatch's: splits, numbers, boxes, vehicle ids."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dentwatch.records.annotations import Box, Split

VEHICLE_FIELDS = ("vehicle", "vehicle_id", "vehicle_group")
_YEAR = re.compile(r"20\d\d$")
_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def split_of(word: object) -> Split | None:
    """The split that a word means (``valid`` is val, ``train2017`` is train), or None."""
    return _SPLITS.get(_YEAR.sub("", word.strip().lower())) if isinstance(word, str) else None


def split_of_path(path: str) -> Split | None:
    """The split that a folder of the path is named after; the innermost such folder counts."""
    for part in reversed(path.split("/")[:-1]):
        split = split_of(part)
        if split:
            return split
    return None


def text_of(value: object) -> str | None:
    """A field's value as text without blanks around it; None when there is none."""
    if value is None or isinstance(value, (dict, list)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def size_of(value: object) -> int | None:
    """A stated width or height in pixels, or None when the file states none that makes sense."""
    number = number_of(value)
    return int(number) if number is not None and 1 <= number < 2**31 else None


def number_of(value: object) -> float | None:
    """A finite number (also written as text), or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def numbers_of(values: object) -> list[float] | None:
    """Finite numbers, or None when one of them is not."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return None
    numbers = [number_of(value) for value in values]
    return None if None in numbers else [number for number in numbers if number is not None]


def box_of_xywh(values: object) -> Box | None:
    """The box of ``[x, y, width, height]``; None unless these are four finite numbers and no side is negative."""
    numbers = numbers_of(values)
    if numbers is None or len(numbers) != 4 or numbers[2] < 0 or numbers[3] < 0:
        return None
    return Box(*numbers)


def box_of_corners(values: object) -> Box | None:
    """The box of ``[left, top, right, bottom]``; None unless finite and in this order."""
    numbers = numbers_of(values)
    if numbers is None or len(numbers) != 4 or numbers[2] < numbers[0] or numbers[3] < numbers[1]:
        return None
    return Box.from_xyxy(*numbers)


def enclosing_box(points: Sequence[tuple[float, float]]) -> Box | None:
    """The smallest upright box around a polygon's points; None for fewer than two points."""
    if len(points) < 2:
        return None
    xs, ys = zip(*points, strict=True)
    return Box.from_xyxy(min(xs), min(ys), max(xs), max(ys))


def rotated_box(box: Box, degrees: float, centre: tuple[float, float]) -> Box:
    """The upright box around ``box`` turned clockwise (on the screen, y down) about ``centre`` (pixels)."""
    if degrees % 360 == 0:
        return box
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    left, top, right, bottom = box.xyxy
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    turned = [
        (
            centre[0] + (px - centre[0]) * cosine - (py - centre[1]) * sine,
            centre[1] + (px - centre[0]) * sine + (py - centre[1]) * cosine,
        )
        for px, py in corners
    ]
    xs, ys = zip(*turned, strict=True)
    return Box.from_xyxy(min(xs), min(ys), max(xs), max(ys))


def vehicle_of(fields: Mapping[str, Any], vehicle_field: str | None) -> str | None:
    """The vehicle id in ``vehicle_field``, or in one of the usual fields when none is named."""
    for name in (vehicle_field,) if vehicle_field else VEHICLE_FIELDS:
        vehicle = text_of(fields.get(name))
        if vehicle is not None:
            return vehicle
    return None
