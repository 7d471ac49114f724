"""A vehicle seen from a point: radiance of the picture, and which pixels each damage changes."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic.camera import tone_curve
from dentwatch.data.synthetic.damage import Damage, Decal, Dent
from dentwatch.data.synthetic.mesh import FAR, Floats, Pose, dot, rasterize
from dentwatch.data.synthetic.shading import Light, Pixels, gather, padded, shade
from dentwatch.data.synthetic.surroundings import background
from dentwatch.data.synthetic.vehicle import Vehicle
from dentwatch.records.annotations import Annotation, Box

VISIBLE = 10
"""A pixel is visibly changed where a correctly exposed photo differs by at least this much in one channel, of 255."""
SHARE = 0.22
"""… and by at least this share of the damage's strong changes: nobody boxes the faint foot of a deep dent."""
NOTICED = 22
"""A damage is left out where its strong changes (their 95th percentile) are weaker than this, of 255."""
SMALLEST = {"scratch": 0.034, "dent": 0.055}
"""A damage is left out where its box would be smaller than the square of this share of the picture's side."""
KEY = 0.25
"""Mean radiance of a correctly exposed scene."""


@dataclass(frozen=True)
class Scene:
    """A vehicle, the camera's pose, the picture's side in pixels and how far the surroundings are turned (radians)."""

    vehicle: Vehicle
    pose: Pose
    size: int
    turn: float
    damages: tuple[Damage, ...] | None = field(default=None)

    def render(self) -> tuple[Floats, tuple[Annotation, ...]]:
        """Radiance (H, W, 3), exposed so that stops = 0 is correct, and the annotations of the damage that shows."""
        light = Light(self.vehicle.environment, self.turn)
        buffer = rasterize(self.vehicle.mesh, self.pose, self.size)
        car = buffer.depth.ravel() < FAR * 0.99
        picture = background(self.vehicle, self.pose, self.size, light, np.flatnonzero(~car))
        if not car.any():
            return self._metered(picture)[0], ()
        textures = self.vehicle.materials, self.vehicle.details
        pixels = gather(buffer, padded(np.flatnonzero(car)), self.pose, textures)
        seen = np.arange(len(pixels.index), dtype=np.int32)
        position = np.full(self.size * self.size, -1, np.int32)
        position[pixels.index] = seen
        metal = position.copy()
        metal[pixels.index] = np.where(pixels.metal, seen, -1)
        pixels = self._covered(pixels, position)
        clean = np.concatenate([self._shade(block, light, ()) for block in pixels.blocks()], 1)
        picture[pixels.index] = clean.T
        radiance, gain = self._metered(picture)
        annotations = self._damage(radiance, pixels, clean, gain, light, metal)
        return radiance, annotations

    def _covered(self, pixels: Pixels, position: NDArray[np.int32]) -> Pixels:
        """The pixels with the vehicle's stickers on them; a later sticker lies on an earlier one."""
        layers = np.zeros((len(pixels.index), 4), np.float32)
        for sticker in self.vehicle.stickers:
            reached, layer = self._reached(pixels, sticker, position)
            if layer is not None:
                layers[reached] = _over(layer, layers[reached])
        return pixels.covered(np.ascontiguousarray(layers.T)) if layers.any() else pixels

    def _metered(self, picture: Floats) -> tuple[Floats, float]:
        """The picture scaled to a mean of :data:`KEY`, and the scale; bright spots count as no more than white."""
        level = np.minimum(picture[::7], np.percentile(picture[::97], 97)).mean()
        gain = float(KEY / max(level, 1e-4))
        return picture.reshape(self.size, self.size, 3) * np.float32(gain), gain

    def _shade(self, pixels: Pixels, light: Light, damages: tuple[Damage, ...], layer: Floats | None = None) -> Floats:
        """Radiance (3, N) with these damages, laid over the scratch ``layer`` (N, 4)."""
        normals = pixels.normals
        for damage in damages:
            if isinstance(damage, Dent):
                normals = damage.tilt(pixels.points, normals)
            else:
                more = damage.layer(pixels.points, float(np.median(pixels.footprint)))
                layer = more if layer is None else _over(more, layer)
        return shade(pixels, normals, self.vehicle.paint, light, self.vehicle.distractors, layer)

    def _window(self, mark: Damage | Decal) -> tuple[slice, slice]:
        """Rows and columns of the picture that a mark can reach."""
        right, up, ahead = self.pose.axes() @ (mark.place.point - np.array(self.pose.eye, np.float32))
        closest = max(float(ahead) - mark.radius, 0.05)
        scale = self.size / (2 * np.tan(self.pose.field_of_view / 2))
        if ahead < -mark.radius:
            return slice(0, 0), slice(0, 0)
        ends = []
        far = float(ahead) + mark.radius
        for middle, squeeze in ((-float(up), 1.0), (float(right), self.pose.aspect)):
            bounds = middle - mark.radius, middle + mark.radius
            edges = [bound / depth * scale / squeeze + self.size / 2 for bound in bounds for depth in (closest, far)]
            ends.append(slice(int(np.clip(min(edges), 0, self.size)), int(np.clip(max(edges) + 2, 0, self.size))))
        return ends[0], ends[1]

    def _reached(
        self, pixels: Pixels, mark: Damage | Decal, position: NDArray[np.int32]
    ) -> tuple[NDArray[np.intp], Floats | None]:
        """Positions of the pixels that a mark may change, and a decal's layer (N, 4) there.

        ``position`` (H·W,) finds the part of the car that a pixel of the picture shows, or is −1 where no mark can be.
        """
        rows, columns = self._window(mark)
        near = position.reshape(self.size, self.size)[rows, columns].ravel()
        near = near[near >= 0]
        points = pixels.points.take(near, 1)
        a, b, height = mark.place.local(points)
        if isinstance(mark, Decal):
            inside = (np.abs(a) < mark.half_a) & (np.abs(b) < mark.half_b)
        else:
            inside = a * a + b * b < mark.radius**2
        inside &= np.abs(height) < 0.03 + 0.25 * mark.radius
        inside &= dot(mark.place.normal, pixels.normals.take(near, 1)) > 0.35
        chosen = near[inside]
        if isinstance(mark, Decal) and len(chosen):
            layer = mark.layer(points[:, inside], float(np.median(pixels.footprint.take(chosen))))
            covered = layer[:, 3] > 0.01
            return np.asarray(chosen[covered], np.intp), layer[covered]
        return np.asarray(chosen, np.intp), None

    def _damage(
        self, radiance: Floats, pixels: Pixels, clean: Floats, gain: float, light: Light, position: NDArray[np.int32]
    ) -> tuple[Annotation, ...]:
        """Put the damages into ``radiance`` and box each by what it alone changes."""
        picture = radiance.reshape(-1, 3)
        times = np.zeros(len(pixels.index), np.uint8)
        shown: list[Damage] = []
        annotations: list[Annotation] = []
        for damage in self.vehicle.damages if self.damages is None else self.damages:
            reached, layer = self._reached(pixels, damage, position)
            if len(reached) < 12:
                continue
            some = pixels.subset(reached)
            if layer is None:
                alone = self._shade(some, light, (damage,))
            else:
                alone = self._shade(some, light, (), layer.take(padded(np.arange(len(layer))), 0))
            alone = alone[:, : len(reached)] * np.float32(gain)
            box = self._box(damage.label, pixels.index[reached], clean.take(reached, 1) * np.float32(gain), alone)
            if box is not None:
                shown.append(damage)
                annotations.append(Annotation(damage.label, box))
                picture[pixels.index[reached]] = alone.T
                times[reached] += 1
        both = np.flatnonzero(times > 1)
        if len(both):
            some = pixels.subset(both)
            picture[some.index] = self._shade(some, light, tuple(shown)).T * np.float32(gain)
        return tuple(annotations)

    def _box(self, label: str, index: NDArray[np.intp], before: Floats, after: Floats) -> Box | None:
        """The extent of the visibly changed pixels, or None where too few are."""
        table = tone_curve(1.0)
        first, second = (table[_positions(light)].astype(np.int16) for light in (before, after))
        changed = np.abs(first - second).max(0)
        visible = changed[changed >= VISIBLE]
        strong = float(np.percentile(visible, 95)) if len(visible) else 0.0
        if strong < NOTICED:
            return None
        mask = np.zeros((self.size, self.size), np.uint8)
        mask.ravel()[index] = changed >= max(VISIBLE, SHARE * strong)
        # A lone pixel is noise of the reflection, not damage: three of nine must have changed.
        mask &= cv2.boxFilter(mask, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT) >= 3
        columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        if not len(columns):
            return None
        left, top = int(columns[0]), int(rows[0])
        width, height = int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top
        if width * height < (SMALLEST[label] * self.size) ** 2:
            return None
        return Box(float(left), float(top), float(width), float(height))


def _positions(light: Floats) -> NDArray[np.uint16]:
    return np.asarray(np.sqrt(np.clip(light, 0, 4) / 4) * 4095, np.uint16)


def _over(upper: Floats, lower: Floats) -> Floats:
    """One layer (N, 4) of two: ``upper`` on ``lower``, colours weighted by coverage."""
    alpha, beta = upper[:, 3:], lower[:, 3:] * (1 - upper[:, 3:])
    total = alpha + beta
    colour = (upper[:, :3] * alpha + lower[:, :3] * beta) / np.maximum(total, 1e-4)
    return np.concatenate([colour, total], 1)
