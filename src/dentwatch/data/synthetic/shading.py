"""From what pixels see to linear radiance: clear coat over base coat, plastic, glass, lamps, chrome, dirt.

Reflectance at grazing angles follows Schlick, "An Inexpensive BRDF Model for Physically-based Rendering" (1994); the
clear coat's reflectance at normal incidence is 0.04 (refractive index 1.5). Pixels are kept as component arrays
``(3, N)`` with N a multiple of :data:`WIDTH`, because OpenCV's sampling wants rectangles.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic import atlas
from dentwatch.data.synthetic.charts import DENSITY
from dentwatch.data.synthetic.distractors import Distractors
from dentwatch.data.synthetic.environment import Environment, look_up, wrapped
from dentwatch.data.synthetic.mesh import TEXTURE_SCALE, Floats, GBuffer, Pose, dot
from dentwatch.data.synthetic.paint import Paint

WIDTH = 256
BLOCK = 128 * WIDTH
"""Pixels shaded at a time."""
GAP = 0.0035
"""Width of panel gaps in metres."""
# Metres per step of a mask byte at an edge: the slope of a blurred step is 1 / (σ √(2π)) per pixel of the atlas.
_EDGE = atlas.BLUR * np.sqrt(2 * np.pi) / DENSITY / 255


@dataclass(frozen=True, slots=True)
class Pixels:
    """N pixels of the car, each array's last axis.

    ``index`` (N,) into the flat picture; ``points``, unit ``normals`` and unit ``views`` (towards the eye), all
    ``(3, N)``; ``materials`` (6, N) coverage of glass, black, lamp, tail lamp, chrome and white; ``gap`` (N,) coverage
    of panel gaps; ``footprint`` (N,) metres per pixel; ``stickers`` (4, N) colour and coverage of stickers, if any.
    """

    index: NDArray[np.intp]
    points: Floats
    normals: Floats
    views: Floats
    materials: Floats
    gap: Floats
    footprint: Floats
    stickers: Floats | None = None

    def subset(self, chosen: NDArray[np.intp]) -> "Pixels":
        """The pixels at positions ``chosen``, the last repeated to a multiple of :data:`WIDTH`."""
        chosen = padded(chosen)
        return Pixels(
            self.index.take(chosen), self.points.take(chosen, 1), self.normals.take(chosen, 1),
            self.views.take(chosen, 1), self.materials.take(chosen, 1), self.gap.take(chosen),
            self.footprint.take(chosen), None if self.stickers is None else self.stickers.take(chosen, 1),
        )  # fmt: skip

    def covered(self, stickers: Floats) -> "Pixels":
        """The pixels with ``stickers`` (4, N) on them, which hide glass and trim."""
        return replace(self, stickers=stickers, materials=self.materials * (1 - stickers[3]))

    def blocks(self) -> Iterator["Pixels"]:
        """The pixels in blocks that fit the processor's cache, which makes shading a fifth faster."""
        for start in range(0, len(self.index), BLOCK):
            part = slice(start, start + BLOCK)
            yield Pixels(
                self.index[part], self.points[:, part], self.normals[:, part], self.views[:, part],
                self.materials[:, part], self.gap[part], self.footprint[part],
                None if self.stickers is None else self.stickers[:, part],
            )  # fmt: skip

    @property
    def metal(self) -> NDArray[np.bool_]:
        """Which pixels (N,) show painted metal or plastic: no glass, lamp or number plate."""
        glass, _, lamp, tail, _, plate = self.materials
        return np.asarray(glass + lamp + tail + plate < 0.5)


def padded(index: NDArray[np.intp]) -> NDArray[np.intp]:
    """``index`` with its last entry repeated up to a multiple of :data:`WIDTH`."""
    missing = -len(index) % WIDTH
    return np.concatenate([index, np.full(missing, index[-1])]) if missing else index


def gather(
    buffer: GBuffer, seen: NDArray[np.intp], pose: Pose, textures: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> Pixels:
    """Collect the pixels ``seen`` (flat indices of the picture, padded) from the G-buffer."""
    size = len(buffer.depth)
    depth = buffer.depth.ravel().take(seen)
    ray = pose.rays(size, seen)
    points = np.array(pose.eye, np.float32)[:, None] + ray * depth
    views = np.asarray(-ray / np.sqrt(dot(ray, ray)), np.float32)
    normals = np.ascontiguousarray(buffer.normals.reshape(-1, 3).take(seen, 0).T) - np.float32(0.5)
    normals /= np.copysign(np.sqrt(dot(normals, normals)) + np.float32(1e-6), dot(normals, views))
    texture = buffer.texture.reshape(-1, 3).take(seen, 0)
    u, v = (np.ascontiguousarray(texture[:, axis] * TEXTURE_SCALE).reshape(-1, WIDTH) for axis in (0, 1))
    first, second = (cv2.remap(texture, u, v, cv2.INTER_LINEAR).reshape(-1, 4) for texture in textures)
    footprint = depth * np.float32(2 * np.tan(pose.field_of_view / 2) / size)
    points = np.asarray(points, np.float32)
    return Pixels(seen, points, normals, views, _coverage(first, second, footprint), _gaps(first, footprint), footprint)


def _coverage(first: NDArray[np.uint8], second: NDArray[np.uint8], footprint: Floats) -> Floats:
    """How much of each pixel each material covers, ``(6, N)``: signed distance to its edge over the pixel's width."""
    cover = np.zeros((6, len(footprint)), np.float32)
    for row, mask in zip(cover, [first[:, 2], first[:, 3], *second.T], strict=True):
        some = np.flatnonzero(mask)
        gain = np.float32(_EDGE) / footprint[some]
        row[some] = np.clip((mask[some].astype(np.float32) - np.float32(127.5)) * gain + np.float32(0.5), 0, 1)
    return cover


def _gaps(first: NDArray[np.uint8], footprint: Floats) -> Floats:
    """How much of each pixel a panel gap covers, (N,)."""
    near, other = (np.abs(first[:, panel].astype(np.int16) - 128) for panel in (atlas.PANEL_A, atlas.PANEL_B))
    edge = np.minimum(near, other)
    gap = np.zeros(len(edge), np.float32)
    some = np.flatnonzero(edge < 120)
    pixel = footprint[some]
    distance = edge[some] * np.float32(_EDGE)
    wide = np.maximum(pixel, np.float32(GAP * 0.6))
    gap[some] = np.clip((np.float32(GAP / 2) + wide / 2 - distance) / wide, 0, np.minimum(1, GAP / pixel))
    return gap


@dataclass(frozen=True, slots=True)
class Light:
    """The environment turned by ``turn`` radians against the car, with its sun in the car's frame."""

    environment: Environment
    turn: float

    @property
    def sun(self) -> Floats:
        """Direction of the sun (3,) in the car's frame."""
        x, y, z = self.environment.sun
        cosine, sine = np.cos(self.turn), np.sin(self.turn)
        return np.array([cosine * x - sine * y, sine * x + cosine * y, z], np.float32)

    def sample(self, directions: Floats, *panoramas: Floats) -> list[Floats]:
        """Radiance ``(3, N)`` of each panorama in unit directions ``(3, N)`` of the car's frame."""
        x, y, z = (part.reshape(-1, WIDTH) for part in directions)
        found = look_up(panoramas, x, y, z, self.turn)
        return [np.ascontiguousarray(radiance.reshape(-1, 3).T) for radiance in found]


def shade(
    pixels: Pixels, normals: Floats, paint: Paint, light: Light, distractors: Distractors, scratch: Floats | None = None
) -> Floats:
    """Linear radiance ``(3, N)``.

    ``normals`` (3, N) differ from the pixels' own where the body is dented; ``scratch`` (N, 4) is colour and coverage
    of bare layers.
    """
    place = light.environment
    normals = _wet(pixels, normals, distractors)
    cosine = dot(normals, pixels.views)
    facing = np.clip(cosine, 0, 1)
    mirror = 2 * cosine * normals - pixels.views
    near = mirror + pixels.points * np.float32(1 / place.radius)  # nearby surroundings shift as the point moves
    near /= np.sqrt(dot(near, near))
    sharp, glossy = light.sample(near, place.mirror, place.glossy)
    (sky,) = light.sample(normals, place.diffuse)
    irradiance = sky * _ambient(pixels, normals) + _sunlight(pixels, normals, light, distractors)
    fresnel = np.float32(0.04) + np.float32(0.96) * _fifth_power(1 - facing)
    base, metal = paint.base[:, None], paint.metal[:, None]
    coat = (base * irradiance + metal * (np.float32(0.75) * glossy + np.float32(0.25) * irradiance)) * (1 - fresnel)
    coat += fresnel * sharp
    if pixels.stickers is not None:  # foil over the clear coat, not as smooth
        foil = pixels.stickers[:3] * irradiance * (1 - fresnel) + fresnel * (sharp + glossy) * np.float32(0.5)
        coat += (foil - coat) * pixels.stickers[3]
    if scratch is not None:
        alpha = scratch[:, 3]
        coat += (scratch[:, :3].T * irradiance * np.float32(0.95) + np.float32(0.02) * glossy - coat) * alpha
    coat = _dirty(pixels, coat, irradiance, distractors)
    coat *= 1 - np.float32(0.93) * pixels.gap
    return _other_materials(pixels, coat, irradiance, sharp, glossy, fresnel, scratch)


def _fifth_power(value: Floats) -> Floats:
    square = value * value
    return np.asarray(square * square * value)


def _other_materials(
    pixels: Pixels,
    coat: Floats,
    irradiance: Floats,
    sharp: Floats,
    glossy: Floats,
    fresnel: Floats,
    scratch: Floats | None,
) -> Floats:
    """The paint's radiance ``coat`` (3, N) with glass, plastic, lamps and the rest where they cover it."""
    result = np.asarray(coat * np.maximum(1 - pixels.materials.sum(0), 0), np.float32)
    for number, cover in enumerate(pixels.materials):
        chosen = np.flatnonzero(cover > 0.004)
        if not len(chosen):
            continue
        diffuse, rough_share, mirror_share, added_fresnel = _MATERIALS[number]
        light = irradiance.take(chosen, 1)
        f = fresnel.take(chosen) * np.float32(added_fresnel) + np.float32(mirror_share)
        colour = diffuse * light + f * sharp.take(chosen, 1)
        if rough_share is not None:
            colour += rough_share * glossy.take(chosen, 1)
        if number == 1 and scratch is not None:  # plastic is scuffed a little where the paint is scratched
            colour += (np.float32(0.35) * light - colour) * (scratch[chosen, 3] * np.float32(0.5))
        if number == 2:  # the reflector behind a clear lamp
            x, y, z = pixels.points.take(chosen, 1)
            facets = np.sin(y * np.float32(110)) * np.sin((z + x) * np.float32(50))
            colour *= np.float32(0.8) + np.float32(0.2) * facets
        result[:, chosen] += colour * cover.take(chosen)
    return result


def _tinted(r: float, g: float, b: float) -> Floats:
    return np.array([[r], [g], [b]], np.float32)


_MATERIALS = (
    # diffuse, glossy and mirror reflectance, and how much of the Fresnel reflectance is added to the mirror
    (_tinted(0.022, 0.022, 0.022), None, 0.05, 1.0),  # glass over a dark interior
    (_tinted(0.028, 0.028, 0.028), _tinted(0.035, 0.035, 0.035), 0.0, 0.12),  # black plastic and rubber
    (_tinted(0.10, 0.10, 0.10), _tinted(0.28, 0.28, 0.28), 0.06, 1.0),  # a clear lamp
    (_tinted(0.30, 0.012, 0.014), _tinted(0.15, 0.006, 0.007), 0.03, 1.0),  # a tail lamp
    (_tinted(0.08, 0.08, 0.08), _tinted(0.34, 0.34, 0.34), 0.22, 0.0),  # chrome and wheel rims
    (_tinted(0.72, 0.72, 0.70), None, 0.0, 0.3),  # a number plate
)


def _ambient(pixels: Pixels, normals: Floats) -> Floats:
    """Share (N,) of the sky light that the ground below and the car itself leave over."""
    height = np.clip(pixels.points[2] * np.float32(1.6), 0, 1)
    down = np.clip(-normals[2], 0, 1)
    return np.asarray(
        (np.float32(0.45) + np.float32(0.55) * height) * (1 - np.float32(0.6) * down * (1 - height)), np.float32
    )


def _sunlight(pixels: Pixels, normals: Floats, light: Light, distractors: Distractors) -> Floats:
    radiance = light.environment.sun_radiance
    if not radiance.any():
        return np.zeros((3, 1), np.float32)
    lit = np.maximum(dot(light.sun, normals), 0)
    if distractors.shade:
        x, y, z = pixels.points
        pattern = _tile(
            distractors.dirt, (x + y * np.float32(0.6)) * np.float32(60), z * np.float32(60) + x * np.float32(20)
        )
        lit = lit * (1 - np.float32(distractors.shade) * np.clip(pattern * 3, 0, 1))
    return np.asarray(radiance[:, None] * lit, np.float32)


def _tile(texture: Floats, u: Floats, v: Floats) -> Floats:
    shape = (-1, WIDTH)
    found = cv2.remap(
        texture,
        wrapped(u, texture.shape[1]).reshape(shape),
        wrapped(v, texture.shape[0]).reshape(shape),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return np.asarray(found.reshape(u.size, *texture.shape[2:]))


def _dirty(pixels: Pixels, coat: Floats, irradiance: Floats, distractors: Distractors) -> Floats:
    """Dust all over and mud that thins out upwards; both are rough and brown."""
    if not (distractors.dust or distractors.mud):
        return coat
    x, y, z = pixels.points
    scale = np.float32(256 / distractors.dirt_scale)
    pattern = _tile(distractors.dirt, (x + y * np.float32(0.7)) * scale, z * scale)
    low = np.clip(1 - (z - np.float32(0.2)) * np.float32(1.5), 0, 1)
    amount = np.float32(distractors.dust) * np.clip(np.float32(0.25) + low + np.float32(0.3) * pattern, 0, 1)
    amount += np.float32(distractors.mud) * np.clip((pattern + low * np.float32(3) - np.float32(2.6)) * 2, 0, 1)
    return np.asarray(coat + (distractors.colour[:, None] * irradiance - coat) * np.minimum(amount, np.float32(0.9)))


def _wet(pixels: Pixels, normals: Floats, distractors: Distractors) -> Floats:
    if not distractors.drops:
        return normals
    x, y, z = pixels.points
    scale = np.float32(256 / 0.2)
    slopes = _tile(distractors.water, (x + y * np.float32(0.7)) * scale, z * scale) * np.float32(distractors.drops)
    fade = np.clip(np.float32(0.0016) / pixels.footprint, 0, 1)
    wet = normals.copy()
    wet[0] += slopes[:, 0] * fade
    wet[2] += slopes[:, 1] * fade
    return np.asarray(wet / np.sqrt(dot(wet, wet)))
