"""Dents and scratches, each in its own tangent plane of the body.

A mark has a place: a point of the body, its outward normal and two tangents. ``a`` and ``b`` below are metres along
those tangents. A dent is a height field whose slope tilts the normals; a scratch is a decal of laid-bare layers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from dentwatch.data.synthetic.mesh import Floats, cross, dot

ROW = 256
"""Pixels come in multiples of this many, because OpenCV's sampling wants rectangles."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mark sits: ``point`` in metres, unit ``normal``, tangents ``along`` and ``across``, each (3,)."""

    point: Floats
    normal: Floats
    along: Floats
    across: Floats

    @classmethod
    def on(cls, point: Floats, normal: Floats, turn: float) -> "Place":
        """A place whose tangents are turned by ``turn`` radians from the horizontal."""
        up = (0.0, 0.0, 1.0) if abs(normal[2]) < 0.998 else (0.0, 1.0, 0.0)
        level = cross(up, normal.tolist())
        level /= np.linalg.norm(level)
        rise = cross(normal.tolist(), level.tolist())
        along = np.cos(turn) * level + np.sin(turn) * rise
        across = cross(normal.tolist(), along.tolist())
        return cls(*(np.asarray(vector, np.float32) for vector in (point, normal, along, across)))

    def local(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """Components ``a``, ``b`` and height above the tangent plane of points ``(3, N)``, in metres."""
        offset = points - self.point[:, None]
        return dot(self.along, offset), dot(self.across, offset), dot(self.normal, offset)


@dataclass(frozen=True, slots=True)
class Lobe:
    """One pressed-in part of a dent: centre, radii and depth in metres, turned by ``turn``.

    ``crease`` (0 to 1) sharpens its floor.
    """

    a: float
    b: float
    radius_a: float
    radius_b: float
    turn: float
    depth: float
    crease: float

    def slope(self, a: Floats, b: Floats) -> tuple[Floats, Floats]:
        """Partial derivatives (N,) of the height along a and b, dimensionless.

        The height is −depth·(1 − q)² of the squared distance q; a crease replaces the square across the lobe by a
        hyperbola, so that the floor becomes a rounded fold.
        """
        cosine, sine = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
        u = ((a - self.a) * cosine + (b - self.b) * sine) / np.float32(self.radius_a)
        v = ((b - self.b) * cosine - (a - self.a) * sine) / np.float32(self.radius_b)
        if self.crease > 0:
            soft = np.float32(0.04 + 0.5 * (1 - self.crease))
            root = np.asarray(np.sqrt(v * v + soft * soft), np.float32)
            across, gradient_v = root - soft, v / root
        else:
            across, gradient_v = v * v, v + v
        inside = np.maximum(1 - u * u - across, 0)
        scale = np.float32(2 * self.depth) * inside
        slope_u, slope_v = scale * 2 * u / np.float32(self.radius_a), scale * gradient_v / np.float32(self.radius_b)
        slope_a, slope_b = slope_u * cosine - slope_v * sine, slope_u * sine + slope_v * cosine
        return np.asarray(slope_a, np.float32), np.asarray(slope_b, np.float32)


@dataclass(frozen=True, slots=True)
class Dent:
    """A dent of one or more lobes; ``radius`` in metres encloses it."""

    place: Place
    lobes: tuple[Lobe, ...]
    radius: float
    label: str = "dent"

    @classmethod
    def sample(cls, rng: np.random.Generator, place: Place) -> "Dent":
        """A round, elongated, creased or many-lobed dent from a door ding to a crash."""
        size = float(np.clip(np.exp(rng.normal(np.log(0.17), 0.5)), 0.04, 0.42))
        kind = str(rng.choice(["round", "long", "crease", "crumple"], p=[0.3, 0.22, 0.28, 0.2]))
        steep = float(np.clip(rng.lognormal(np.log(0.27), 0.4), 0.1, 0.6))
        lobes = []
        if kind == "round":
            lobes.append(Lobe(0, 0, size, size * float(rng.uniform(0.7, 1.0)), 0, size * steep, 0))
        elif kind == "long":
            lobes.append(Lobe(0, 0, size * 1.5, size * float(rng.uniform(0.3, 0.6)), 0, size * steep * 0.55, 0))
        elif kind == "crease":
            narrow, fold = size * float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.5, 1))
            lobes.append(Lobe(0, 0, size * 1.5, narrow, 0, size * steep * 0.6, fold))
            if rng.random() < 0.5:
                lobes.append(Lobe(0, 0, size * 1.2, size * 0.9, 0, size * steep * 0.4, 0))
        else:
            lobes += [_crumple(rng, size, steep) for _ in range(int(rng.integers(3, 7)))]
        radius = max(float(np.hypot(lobe.a, lobe.b)) + max(lobe.radius_a, lobe.radius_b * 1.5) for lobe in lobes)
        return cls(place, tuple(lobes), radius)

    def tilt(self, points: Floats, normals: Floats) -> Floats:
        """The normals ``(3, N)`` of a dented body at ``points`` ``(3, N)``."""
        a, b, _ = self.place.local(points)
        slope_a, slope_b = np.zeros_like(a), np.zeros_like(a)
        for lobe in self.lobes:
            more_a, more_b = lobe.slope(a, b)
            slope_a += more_a
            slope_b += more_b
        tilted = normals - self.place.along[:, None] * slope_a - self.place.across[:, None] * slope_b
        return np.asarray(tilted / np.sqrt(dot(tilted, tilted)), np.float32)


def _crumple(rng: np.random.Generator, size: float, steep: float) -> Lobe:
    radius = size * float(rng.uniform(0.3, 0.9))
    a, b = (float(value) for value in rng.normal(0, (size * 0.6, size * 0.4)))
    narrow, turn = radius * float(rng.uniform(0.3, 1)), float(rng.uniform(0, np.pi))
    return Lobe(
        a, b, radius, narrow, turn, radius * steep * float(rng.uniform(-0.35, 1.0)), float(rng.choice([0, 0, 0.9]))
    )


@dataclass(frozen=True)
class Decal:
    """A thin layer that spans ``half_a`` × ``half_b`` metres about its place; ``draw`` makes its picture."""

    place: Place
    half_a: float
    half_b: float
    draw: Callable[[], Floats]

    @cached_property
    def picture(self) -> Floats:
        """Linear colour and coverage ``(h, w, 4)``, the lowest row first, drawn when the decal is first seen."""
        return self.draw()

    @property
    def radius(self) -> float:
        """Radius in metres that encloses it."""
        return float(np.hypot(self.half_a, self.half_b))

    def layer(self, points: Floats, footprint: float) -> Floats:
        """Colour and coverage ``(N, 4)`` at ``points`` ``(3, N)``, filtered for pixels ``footprint`` metres wide."""
        picture = self.picture
        density = picture.shape[1] / (2 * self.half_a)
        shrink = density * footprint
        if shrink > 1.3:
            size = max(2, round(picture.shape[1] / shrink)), max(2, round(picture.shape[0] / shrink))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        a, b, _ = self.place.local(points)
        u = (a / np.float32(2 * self.half_a) + np.float32(0.5)) * picture.shape[1] - np.float32(0.5)
        v = (b / np.float32(2 * self.half_b) + np.float32(0.5)) * picture.shape[0] - np.float32(0.5)
        rows = -(-len(u) // ROW)
        u, v = (np.resize(line, (rows, ROW)) for line in (u, v))
        sampled = cv2.remap(picture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return np.asarray(sampled.reshape(-1, 4)[: points.shape[1]])


@dataclass(frozen=True)
class Scratch(Decal):
    """A scratch: the layers it lays bare, or what it left behind."""

    label: str = "scratch"


Damage = Dent | Scratch
