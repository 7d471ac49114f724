"""Overlap and size of boxes."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dentwatch.records.annotations import Box

BoxSize = Literal["small", "medium", "large"]
BOX_SIZES: tuple[BoxSize, ...] = ("small", "medium", "large")

REFERENCE_SIDE = 640.0
"""Box sizes are judged as if the photo's longer side had this many pixels, as COCO's photos have: a dent does not turn
from small to large because the phone has more megapixels."""

SMALL_AREA = 32.0**2
LARGE_AREA = 96.0**2

Boxes = NDArray[np.float64]


def corners(boxes: Sequence[Box]) -> Boxes:
    """``boxes`` as an ``(N, 4)`` xyxy array in pixels."""
    return np.array([box.xyxy for box in boxes], dtype=np.float64).reshape(-1, 4)


def reference_scale(width: int, height: int) -> float:
    """What a photo of this size is multiplied by before the size of its boxes is judged."""
    return REFERENCE_SIDE / max(width, height)


def box_size(box: Box, width: int, height: int) -> BoxSize:
    """COCO's size class of ``box`` in a photo of ``width`` × ``height`` pixels, at :data:`REFERENCE_SIDE`.

    Small is below 32² pixels, medium below 96², large the rest.
    """
    area = box.width * box.height * reference_scale(width, height) ** 2
    return "small" if area < SMALL_AREA else "medium" if area < LARGE_AREA else "large"


def _areas(boxes: Boxes) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def _intersections(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    product: NDArray[np.float64] = np.prod(np.clip(high - low, 0.0, None), axis=2)
    return product


def overlap(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Intersection over union of ``(N, 4)`` and ``(M, 4)`` xyxy boxes, as ``(N, M)``."""
    shared = _intersections(first, second)
    union = _areas(first)[:, None] + _areas(second)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def covered(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Share of each of ``(N, 4)`` boxes that lies inside each of ``(M, 4)`` boxes, as ``(N, M)``."""
    shared = _intersections(first, second)
    areas = np.broadcast_to(_areas(first)[:, None], shared.shape)
    return np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0)
