"""Where the car stands: what surrounds it as light, as reflection and as background.

Radiance is linear. A panorama covers all directions: columns are azimuth, rows are the sine of the elevation, so every
texel covers the same solid angle. Its diffuse and glossy versions are exact sums over that sphere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from dentwatch.data.synthetic import backdrop
from dentwatch.data.synthetic.noise import Floats

_ROWS, _COLUMNS = 24, 48
GLOSS = 30.0
"""Exponent of the cosine lobe that blurs the glossy panorama."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Linear radiance around the car.

    ``panorama`` (512, 2048, 3) is what the camera sees, ``mirror`` (256, 1024, 3) what paint reflects of it; ``glossy``
    and ``diffuse`` (24, 48, 3) are its blurred versions; ``ground`` (512, 512, 3) is a tile of ground, ``tile`` metres
    wide, that repeats; ``radius`` is the distance of the surroundings in metres; ``sun`` is the direction of the sun
    and ``sun_radiance`` (3,) the irradiance it gives (zero when it is covered or indoors).
    """

    kind: str
    panorama: Floats
    mirror: Floats
    glossy: Floats
    diffuse: Floats
    ground: Floats
    tile: float
    radius: float
    sun: tuple[float, float, float]
    sun_radiance: Floats

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Environment":
        """A place: a street, a car park, a yard, a garage, or one of them at night."""
        scene = backdrop.sample(rng)
        small = cv2.resize(scene.panorama, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA).reshape(-1, 3)
        shape = (_ROWS, _COLUMNS, 3)
        return cls(
            kind=scene.kind,
            panorama=scene.panorama,
            mirror=cv2.resize(scene.panorama, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
            glossy=np.ascontiguousarray((_lobe(GLOSS) @ small).reshape(shape)),
            diffuse=np.ascontiguousarray((_lobe(1.0) @ small).reshape(shape)),
            ground=scene.ground,
            tile=scene.tile,
            radius=scene.radius,
            sun=scene.sun,
            sun_radiance=scene.sun_radiance,
        )


@lru_cache
def _lobe(exponent: float) -> Floats:
    """Weights ``(D, D)`` that sum the panorama around each direction with a cosine lobe."""
    z = 1 - 2 * (np.arange(_ROWS) + 0.5) / _ROWS
    azimuth = 2 * np.pi * (np.arange(_COLUMNS) + 0.5) / _COLUMNS
    flat = np.sqrt(1 - z**2)[:, None]
    height = np.broadcast_to(z[:, None], (_ROWS, _COLUMNS))
    directions = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), height], -1).reshape(-1, 3)
    weights = np.maximum(directions @ directions.T, 0) ** exponent
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def wrapped(value: Floats, period: int) -> Floats:
    """``value`` modulo ``period``; NumPy's own remainder is several times slower."""
    return np.asarray(value - np.floor(value * np.float32(1 / period)) * np.float32(period))


def look_up(panoramas: Iterable[Floats], x: Floats, y: Floats, z: Floats, turn: float) -> list[Floats]:
    """Radiance ``(*S, 3)`` of each panorama, turned by ``turn`` radians, in unit directions of 2-D shape ``S``."""
    around = wrapped(cv2.phase(x, y) * np.float32(1 / (2 * np.pi)) - np.float32(turn / (2 * np.pi)), 1)
    down = np.float32(0.5) - z * np.float32(0.5)
    found = []
    for panorama in panoramas:
        rows, columns = panorama.shape[:2]
        u = around * np.float32(columns) - np.float32(0.5)
        v = np.clip(down * np.float32(rows) - np.float32(0.5), 0, rows - 1)
        found.append(np.asarray(cv2.remap(panorama, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)))
    return found
