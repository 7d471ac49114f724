"""A photo of a vehicle together with what was detected on it, and where its damage lies in another photo."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dentwatch.records.annotations import Box
from dentwatch.records.detections import Detection
from dentwatch.serving.views import Registration, ViewFeatures

_MIN_IOU = 0.3
_MIN_SIZE_AGREEMENT = 0.4  # smaller ÷ larger area of two boxes whose centres lie in each other
Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class SeenPhoto:
    """A photo as it was inspected.

    ``width`` and ``height`` are those of the upright original in pixels, as are the boxes of ``detections``.
    ``features`` are None where the photo is not to be compared: it could not be decoded, or it is not reliable.
    """

    features: ViewFeatures | None
    width: int
    height: int
    detections: Sequence[Detection]

    def corners(self, box: Box) -> Corners:
        """A box in pixels of the shrunk photo that the features are of: ``(left, top, right, bottom)``."""
        if self.features is None:
            raise ValueError("a photo without features has no shrunk pixels")
        x, y = self.features.width / self.width, self.features.height / self.height
        left, top, right, bottom = box.xyxy
        return left * x, top * y, right * x, bottom * y


@dataclass(frozen=True, slots=True)
class Projection:
    """A box of one view in another, in pixels of that one's shrunk photo.

    ``corners`` bound what of the box is in view there, ``share`` is how much of its area that is, in [0, 1], and
    ``zoom`` the length in the other view ÷ the length in the first.
    """

    corners: Corners
    share: float
    zoom: float


def project(corners: Corners, registration: Registration, target: ViewFeatures) -> Projection | None:
    """Where a box lies in the view ``target``; None where the registration does not reach or it is out of view."""
    if not registration.carries(corners):
        return None
    left, top, right, bottom = corners
    quad = registration.project(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]))
    if not np.isfinite(quad).all():
        return None
    whole = (*quad.min(axis=0).tolist(), *quad.max(axis=0).tolist())
    seen = max(whole[0], 0.0), max(whole[1], 0.0), min(whole[2], target.width), min(whole[3], target.height)
    if seen[0] >= seen[2] or seen[1] >= seen[3]:
        return None
    return Projection(seen, _area(seen) / _area(whole), float(np.sqrt(_area(whole) / _area(corners))))


def overlap(one: Corners, other: Corners) -> float:
    """Intersection over union of two boxes."""
    common = max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])
    if common[0] >= common[2] or common[1] >= common[3]:
        return 0.0
    shared = _area(common)
    return shared / (_area(one) + _area(other) - shared)


def agrees(one: Corners, other: Corners) -> bool:
    """Whether two boxes in one view may bound the same damage: they overlap, or are centred in each other and alike."""
    if overlap(one, other) >= _MIN_IOU:
        return True
    alike = min(_area(one), _area(other)) / max(_area(one), _area(other)) >= _MIN_SIZE_AGREEMENT
    return alike and centred_in(one, other) and centred_in(other, one)


def centred_in(one: Corners, other: Corners) -> bool:
    """Whether the centre of the one box lies in the other."""
    x, y = (one[0] + one[2]) / 2, (one[1] + one[3]) / 2
    return other[0] <= x <= other[2] and other[1] <= y <= other[3]


def _area(corners: Corners) -> float:
    return (corners[2] - corners[0]) * (corners[3] - corners[1])
