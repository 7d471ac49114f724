"""Views of one vehicle: what makes a photo findable in another photo, and where the one lies in the other.

SIFT key points (Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", 2004) with RootSIFT descriptors
(Arandjelović & Zisserman, "Three things everyone should know to improve object retrieval", 2012), mutual nearest
neighbours with the ratio test, and one homography by MAGSAC++ (Barath et al., 2020). Reflections move over glossy
bodywork from photo to photo, and a car is no plane: so a registration is trusted only near the points that carry it.
"""

import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.shrinking import shrink

VIEW_SIDE = 400
"""Longer side, in pixels, of the grey picture in which key points are found."""
_POINTS = 400  # key points per photo, the strongest
_UNIT = 255.0  # descriptors are kept as bytes: 0 to 1 in 255 steps
_RATIO = 0.8  # Lowe's ratio of the best distance to the second best
_REPROJECTION = 3.0  # pixels that a point may miss its counterpart by
_MIN_INLIERS = 12
_MIN_SHARE = 0.25  # of the tentative matches that must agree with the homography
_MIN_SPREAD = 0.01  # of either photo's area that the inliers' hull covers
_MAX_ZOOM = 6.0  # lengths may grow or shrink by this from one photo to the other
_MAX_STRETCH = 4.0  # and by this more in one direction than across
_REACH = 40.0  # pixels beyond the inliers' hull, and about a box, in which points still speak for a place
_NEARBY = 3  # points that a place needs in that reach
_RNG_SEED = 0
_HEADER = struct.Struct("<HHH")  # width, height, key points


@dataclass(frozen=True, slots=True, eq=False)
class ViewFeatures:
    """The key points of a photo, shrunk to ``width`` × ``height`` (:data:`VIEW_SIDE` at most).

    ``points`` is float16 ``(N, 2)``, x and y in pixels of the shrunk photo; ``descriptors`` is uint8 ``(N, 128)``.
    """

    width: int
    height: int
    points: NDArray[np.float16]
    descriptors: NDArray[np.uint8]

    def to_bytes(self) -> bytes:
        """The features as :meth:`from_bytes` reads them: 132 bytes a key point."""
        header = _HEADER.pack(self.width, self.height, len(self.points))
        return header + self.points.astype("<f2").tobytes() + self.descriptors.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ViewFeatures":
        """The features that :meth:`to_bytes` wrote; raises ValueError for anything else."""
        if len(data) < _HEADER.size:
            raise ValueError(f"{len(data)} bytes are no features of a view")
        width, height, count = _HEADER.unpack_from(data)
        if len(data) != _HEADER.size + count * 132:
            raise ValueError(f"{len(data)} bytes are not the features of {count} key points")
        points = np.frombuffer(data, "<f2", count * 2, _HEADER.size).reshape(count, 2)
        descriptors = np.frombuffer(data, np.uint8, offset=_HEADER.size + count * 4).reshape(count, 128)
        return cls(width, height, points.astype(np.float16), descriptors)


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """Where one view lies in another.

    ``homography`` is float64 ``(3, 3)``, from pixels of the one shrunk photo to pixels of the other; ``points`` and
    ``other_points`` are the float32 ``(K, 2)`` key points that agree with it, in the one and in the other.
    """

    homography: NDArray[np.float64]
    points: NDArray[np.float32]
    other_points: NDArray[np.float32]

    def carries(self, corners: tuple[float, float, float, float]) -> bool:
        """Whether a box ``(left, top, right, bottom)`` of the one view lies where the registration can be trusted.

        Its centre must lie in the hull of the points or close to it, and some points on the box or close to it: what
        fits the ground says nothing about the door above it.
        """
        left, top, right, bottom = corners
        hull = cv2.convexHull(self.points)
        if cv2.pointPolygonTest(hull, ((left + right) / 2, (top + bottom) / 2), True) < -_REACH:
            return False
        return self._within((left - _REACH, top - _REACH, right + _REACH, bottom + _REACH)) >= _NEARBY

    def agreement(self, corners: tuple[float, float, float, float], one: ViewFeatures) -> float:
        """The share of the key points of ``one`` in a box that are in the other view, too; 0 where there are few.

        Near 1 what is in the box looks the same in both views.
        """
        present = int(_inside(one.points.astype(np.float32), corners).sum())
        return self._within(corners) / present if present >= _NEARBY else 0.0

    def _within(self, corners: tuple[float, float, float, float]) -> int:
        return int(_inside(self.points, corners).sum())

    def reversed(self) -> "Registration":
        """Where the other view lies in the one."""
        return Registration(np.asarray(np.linalg.inv(self.homography), np.float64), self.other_points, self.points)

    def project(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Points ``(M, 2)`` of the one view in the other; those beyond its horizon are not finite."""
        lifted = np.column_stack([points, np.ones(len(points))]).astype(np.float64) @ self.homography.T
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(lifted[:, 2:] > 0, lifted[:, :2] / lifted[:, 2:], np.nan)


def features_of(rgb: NDArray[np.uint8]) -> ViewFeatures:
    """The features of a decoded photo, uint8 ``(H, W, 3)``; a photo without texture has none."""
    small = shrink(rgb, max(rgb.shape[:2]) // (2 * VIEW_SIDE))
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    scale = VIEW_SIDE / max(grey.shape)
    if scale < 1:
        size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    found, described = cv2.SIFT.create(_POINTS).detectAndCompute(grey, None)
    height, width = grey.shape
    if described is None:
        return ViewFeatures(width, height, np.zeros((0, 2), np.float16), np.zeros((0, 128), np.uint8))
    roots = np.sqrt(described / np.maximum(described.sum(axis=1, keepdims=True), 1e-6))
    points = np.array([point.pt for point in found], np.float16)
    return ViewFeatures(width, height, points, np.round(roots * _UNIT).astype(np.uint8))


def register(one: ViewFeatures, other: ViewFeatures) -> Registration | None:
    """Where ``one`` lies in ``other``; None where an overlap cannot be shown.

    Views that do overlap are often not registered (too oblique, too glossy); views that do not are very seldom
    (``docs/vehicles.md`` has the figures). The same two views always give the same answer.
    """
    pairs = _matches(one.descriptors, other.descriptors)
    if len(pairs) < _MIN_INLIERS:
        return None
    points = one.points[pairs[:, 0]].astype(np.float32)
    other_points = other.points[pairs[:, 1]].astype(np.float32)
    cv2.setRNGSeed(_RNG_SEED)
    homography, mask = cv2.findHomography(
        points, other_points, cv2.USAC_MAGSAC, _REPROJECTION, maxIters=1000, confidence=0.999
    )
    if homography is None:
        return None
    agreeing = mask.ravel() > 0
    if agreeing.sum() < max(_MIN_INLIERS, _MIN_SHARE * len(pairs)):
        return None
    found = Registration(np.asarray(homography, np.float64), points[agreeing], other_points[agreeing])
    spread = min(
        _hull_area(found.points) / (one.width * one.height),
        _hull_area(found.other_points) / (other.width * other.height),
    )
    return found if spread >= _MIN_SPREAD and _is_plausible(found) else None


def _matches(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Indices ``(M, 2)`` of descriptors that are each other's nearest, and clearly nearer than the second."""
    if min(len(one), len(other)) < _MIN_INLIERS:
        return np.zeros((0, 2), np.intp)
    first, second = (_normalised(descriptors) for descriptors in (one, other))
    likeness = first @ second.T
    rows = np.arange(len(one))
    nearest = likeness.argmax(axis=1)
    mutual = likeness.argmax(axis=0)[nearest] == rows
    best = likeness[rows, nearest].copy()
    likeness[rows, nearest] = -1
    # Squared distances of unit vectors are 2 - 2 × their product.
    clear = (1 - best) < _RATIO**2 * (1 - likeness.max(axis=1))
    kept = mutual & clear
    return np.column_stack([rows[kept], nearest[kept]])


def _normalised(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = descriptors.astype(np.float32)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6), np.float32)


def _inside(points: NDArray[np.float32], corners: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    left, top, right, bottom = corners
    x, y = points[:, 0], points[:, 1]
    return np.asarray((x >= left) & (x <= right) & (y >= top) & (y <= bottom))


def _hull_area(points: NDArray[np.float32]) -> float:
    return float(cv2.contourArea(cv2.convexHull(points)))


def _is_plausible(found: Registration) -> bool:
    """Whether a camera that moved could have done this: no fold, no mirror, no absurd zoom or stretch at any point."""
    h = found.homography
    lifted = np.column_stack([found.points, np.ones(len(found.points))]) @ h.T
    depth = lifted[:, 2]
    if not np.isfinite(h).all() or (depth <= 0).any():
        return False
    x, y = lifted[:, 0] / depth, lifted[:, 1] / depth
    # The Jacobian of the projection at each point, (K, 2, 2).
    jacobian = np.stack([h[0, :2] - x[:, None] * h[2, :2], h[1, :2] - y[:, None] * h[2, :2]], axis=1)
    jacobian /= depth[:, None, None]
    if (np.linalg.det(jacobian) <= 0).any():
        return False
    lengths = np.linalg.svd(jacobian, compute_uv=False)
    zoom, stretch = np.sqrt(lengths.prod(axis=1)), lengths[:, 0] / lengths[:, 1]
    return bool(zoom.max() <= _MAX_ZOOM and zoom.min() >= 1 / _MAX_ZOOM and stretch.max() <= _MAX_STRETCH)
