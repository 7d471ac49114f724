"""Triangle meshes and the G-buffer: which point of the car each pixel sees.

Coordinates are metres in the car's frame: x forward, y to the car's left, z up, the ground at z = 0. OpenCV's
rasterizer carries the texture coordinates and normals to the pixels; everything else is shaded from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

NEAR, FAR = 0.08, 80.0


@dataclass(frozen=True, slots=True)
class Mesh:
    """Vertices ``(V, 3)`` in metres, unit normals ``(V, 3)``, texture coordinates ``(V, 2)`` in pixels of the atlas,
    triangles ``(T, 3)``.
    """

    vertices: Floats
    normals: Floats
    texture: Floats
    triangles: Ints

    def mirrored(self) -> "Mesh":
        """The same mesh on the other side of the car (y → −y)."""
        flip = np.array([1, -1, 1], np.float32)
        return Mesh(self.vertices * flip, self.normals * flip, self.texture, self.triangles)


def join(meshes: list[Mesh]) -> Mesh:
    """One mesh of several."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]).astype(np.float32),
        np.concatenate([mesh.normals for mesh in meshes]).astype(np.float32),
        np.concatenate([mesh.texture for mesh in meshes]).astype(np.float32),
        np.concatenate([mesh.triangles + np.int32(start) for mesh, start in zip(meshes, starts, strict=True)]).astype(
            np.int32
        ),
    )


def grid_normals(points: NDArray[np.floating], outward: NDArray[np.floating]) -> Floats:
    """Unit normals ``(R, C, 3)`` of a grid of points ``(R, C, 3)``, on the side that ``outward`` points to."""
    along, across = np.gradient(points, axis=1), np.gradient(points, axis=0)
    normals = np.cross(along, across)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    normals = np.where(length < 1e-9, outward, normals)  # where the grid is pinched to a point
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    sign = np.where(np.sum(normals * outward, axis=-1, keepdims=True) < 0, -1.0, 1.0)
    return np.asarray(normals * sign, np.float32)


def grid(points: NDArray[np.floating], normals: NDArray[np.floating], texture: NDArray[np.floating]) -> Mesh:
    """The mesh of a grid ``(R, C, 3)`` of points with normals ``(R, C, 3)`` and texture coordinates ``(R, C, 2)``."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel(), index[1:, :-1].ravel()
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return Mesh(
        points.reshape(-1, 3).astype(np.float32),
        normals.reshape(-1, 3).astype(np.float32),
        texture.reshape(-1, 2).astype(np.float32),
        triangles,
    )


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the camera stands (metres), the point it looks at, its vertical field of view and roll (radians).

    ``aspect`` is width / height of the photo before it was squeezed into a square, as many data sets do.
    """

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    field_of_view: float
    roll: float = 0.0
    aspect: float = 1.0

    def axes(self) -> Floats:
        """The camera's right, up and forward axes as rows ``(3, 3)``."""
        return _axes(self)

    def rays(self, size: int, index: NDArray[np.intp]) -> Floats:
        """World directions ``(3, N)`` of pixels ``index`` (N,) of the flat picture, with a forward component of 1."""
        right, up, forward = self.axes()
        half = np.tan(self.field_of_view / 2)
        across, down = (line.take(index) for line in _pixel_grid(size))
        right, up = right * np.float32(half * self.aspect), up * np.float32(half)
        rays = np.empty((3, len(index)), np.float32)
        for axis in range(3):
            np.multiply(across, right[axis], out=rays[axis])
            rays[axis] -= down * up[axis]
            rays[axis] += forward[axis]
        return rays


@lru_cache(maxsize=4)
def _axes(pose: Pose) -> Floats:
    forward = np.subtract(pose.target, pose.eye)
    forward /= np.linalg.norm(forward)
    right = cross((*forward,), (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    up = cross((*right,), (*forward,))
    cosine, sine = np.cos(pose.roll), np.sin(pose.roll)
    return np.array([cosine * right + sine * up, cosine * up - sine * right, forward], np.float32)


def cross(first: Sequence[float], second: Sequence[float]) -> NDArray[np.float64]:
    """The cross product (3,) of two vectors; for single vectors NumPy's own takes twenty times as long."""
    (a, b, c), (x, y, z) = first, second
    return np.array([b * z - c * y, c * x - a * z, a * y - b * x], float)


@lru_cache(maxsize=2)
def _pixel_grid(size: int) -> tuple[Floats, Floats]:
    """Column and row of each pixel of the flat picture (size²,), from −1 to 1."""
    line = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - np.float32(1)
    return np.tile(line, size), np.repeat(line, size)


@dataclass(frozen=True, slots=True)
class GBuffer:
    """What the pixels see: ``depth`` (H, W) in metres along the optical axis (:data:`FAR` for no car), ``normals``
    (H, W, 3) mapped from −1..1 to 0..1 and not normalised, ``texture`` (H, W, 3) whose first two channels are pixels of
    the atlas / :data:`TEXTURE_SCALE`.
    """

    depth: Floats
    normals: Floats
    texture: Floats


TEXTURE_SCALE = np.float32(2048.0)


def dot(first: Floats, second: Floats) -> Floats:
    """Dot products (N,) of component arrays ``(3, N)``; written out, because NumPy sums short axes slowly."""
    return np.asarray(first[0] * second[0] + first[1] * second[1] + first[2] * second[2])


def rasterize(mesh: Mesh, pose: Pose, size: int) -> GBuffer:
    """Rasterize ``mesh`` as seen from ``pose`` into ``size`` × ``size`` pixels."""
    axes = pose.axes()
    local = (mesh.vertices - np.array(pose.eye, np.float32)) @ axes.T  # right, up, forward
    limit = local[:, 2] * np.float32(np.tan(pose.field_of_view / 2))
    local[:, 0] /= pose.aspect
    x, y, ahead = local.T
    sides = (x > limit, x < -limit, y > limit, y < -limit, ahead < NEAR)
    outside = sum((side.astype(np.uint8) << bit for bit, side in enumerate(sides)), np.zeros(len(local), np.uint8))
    first, second, third = (outside[corner] for corner in mesh.triangles.T)
    # The rasterizer needs every corner in front of the camera; a triangle wholly beyond one edge cannot be seen.
    unseen = ((first & second & third) != 0) | (((first | second | third) & 16) != 0)
    toward = dot((np.array(pose.eye, np.float32) - mesh.vertices).T, mesh.normals.T) > 0
    first, second, third = (toward[corner] for corner in mesh.triangles.T)
    kept = mesh.triangles[~unseen & (first | second | third)]
    view = local * np.array([1, 1, -1], np.float32)
    colour = np.empty((len(view), 3), np.float32)
    colour[:, :2] = mesh.texture / TEXTURE_SCALE
    colour[:, 2] = 0
    settings = cv2.TriangleRasterizeSettings()
    settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
    settings.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    depth = np.full((size, size), FAR, np.float32)
    texture = np.zeros((size, size, 3), np.float32)
    normals = np.full((size, size, 3), 0.5, np.float32)
    if len(kept):
        world = np.eye(4, dtype=np.float32)
        lens = (world, pose.field_of_view, NEAR, FAR, settings)
        cv2.triangleRasterize(view, kept, colour, texture, depth, *lens)
        cv2.triangleRasterizeColor(view, kept, mesh.normals * np.float32(0.5) + np.float32(0.5), normals, *lens)
    return GBuffer(depth, normals, texture)
