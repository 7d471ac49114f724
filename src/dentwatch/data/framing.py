"""Bring boxes from the frame that an annotation file states into pixels of the upright photo."""

import math
from collections.abc import Callable

from dentwatch.records.annotations import Box

_ASPECT_TOLERANCE = 0.01
"""Aspect ratios this close are one photo at two sizes (thumbnails round their sides to whole pixels)."""
_OVERHANG = 1.0
"""Pixels that a box may stick out without a note: annotation tools round to whole pixels and to four decimals."""

Placement = Callable[[Box], Box]


def placement(
    stated: tuple[int, int] | None, upright: tuple[int, int], orientation: int
) -> tuple[Placement, str | None] | None:
    """How boxes of a frame of ``stated`` (width, height) come to lie on the photo, and the note that says so.

    ``upright`` is the upright photo's (width, height) in pixels, ``orientation`` its EXIF value. Boxes are scaled
    where the photo was resized, and turned where the annotator saw it lying. None: the frame fits the photo in no way.
    """
    if stated is None or stated == upright:
        return _same, None
    lying = (upright[1], upright[0])
    if _alike(stated, upright):
        return _scaled(stated, upright), "boxes_scaled"
    if orientation >= 5 and _alike(stated, lying):
        turned, scaled = _turned(lying, orientation), _scaled(stated, lying)
        return (lambda box: turned(scaled(box))), "boxes_turned"
    return None


def clip(box: Box, width: int, height: int) -> tuple[Box | None, str | None]:
    """The box within the photo, and the note or (where the box is None) the reason.

    Reasons: ``box_empty`` (no area, or not a number), ``box_outside``. Note: ``box_clipped``.
    """
    if not all(math.isfinite(value) for value in box.xyxy) or box.width <= 0 or box.height <= 0:
        return None, "box_empty"
    left, top, right, bottom = box.xyxy
    inside = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
    if inside == box.xyxy:
        return box, None
    overhang = max(abs(new - old) for new, old in zip(inside, box.xyxy, strict=True))
    clipped = Box.from_xyxy(*inside)
    # What is left of a box that was cut must still be something to see.
    if min(clipped.width, clipped.height) < min(_OVERHANG, box.width, box.height):
        return None, "box_outside"
    return clipped, "box_clipped" if overhang > _OVERHANG else None


def _same(box: Box) -> Box:
    return box


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return min(*one, *other) > 0 and abs(math.log(one[0] * other[1] / (one[1] * other[0]))) <= _ASPECT_TOLERANCE


def _scaled(stated: tuple[int, int], actual: tuple[int, int]) -> Placement:
    if stated == actual:
        return _same
    x, y = actual[0] / stated[0], actual[1] / stated[1]
    return lambda box: Box(box.x * x, box.y * y, box.width * x, box.height * y)


def _turned(lying: tuple[int, int], orientation: int) -> Placement:
    """Turn boxes of the photo as stored, ``lying`` (width, height), as EXIF orientations 5 to 8 turn its pixels."""
    width, height = lying

    def turn(box: Box) -> Box:
        left, top, right, bottom = box.y, box.x, box.y + box.height, box.x + box.width  # transposed
        if orientation in (6, 7):
            left, right = height - right, height - left
        if orientation in (7, 8):
            top, bottom = width - bottom, width - top
        return Box.from_xyxy(left, top, right, bottom)

    return turn
