"""Training photos varied so that the network learns damage, not circumstances.

Scratches are a few pixels thin, so photos are shrunk by area averaging and are never rotated (a rotated thin box is a
loose box). What a crop leaves of a box too cut to be recognised becomes an ignore region instead of background. Poor
light is simulated in linear light with shot noise, as a camera would see it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.enhancement import enhance
from dentwatch.data.linear_light import LINEAR, darken, to_srgb
from dentwatch.data.remakes import way_of
from dentwatch.records.model_bundle import Adaptation, Enhancement
from dentwatch.training.run_settings import AugmentationSettings

IGNORE = -1
_PAD = 114
_DRIFTED = (0.4, 1.2)  # how much of a drift a sample gets that shows it


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo with its truth: ``rgb`` uint8 ``(H, W, 3)``; ``boxes`` float32 ``(M, 4)`` xyxy in its pixels;
    ``labels`` int64 ``(M,)``, :data:`IGNORE` for ignore regions.
    """

    rgb: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


class Augmenter:
    """Makes training samples of ``size`` × ``size`` pixels; the same generator state gives the same sample.

    With ``drift`` some are as that drift would make them, weaker and stronger than it was measured; dark ones are
    brightened as ``enhancement`` says, as they will be in serving.
    """

    def __init__(
        self,
        settings: AugmentationSettings,
        size: int,
        drift: Adaptation | None = None,
        enhancement: Enhancement | None = None,
    ) -> None:
        self.settings = settings
        self.size = size
        self._drift = drift
        self._enhancement = enhancement
        self._way = None if drift is None else way_of(drift)

    def sample(
        self,
        first: LabelledPhoto,
        another: Callable[[], LabelledPhoto],
        rng: np.random.Generator,
        *,
        mosaic: bool,
    ) -> LabelledPhoto:
        """One training sample from ``first``; ``another`` gives further photos when it becomes a mosaic."""
        if mosaic and rng.random() < self.settings.mosaic:
            placed = self._mosaic([first, another(), another(), another()], rng)
        else:
            placed = self._single(first, rng)
        return LabelledPhoto(self._recolour(placed.rgb, rng), placed.boxes, placed.labels)

    def _single(self, photo: LabelledPhoto, rng: np.random.Generator) -> LabelledPhoto:
        canvas = np.full((self.size, self.size, 3), _PAD, np.uint8)
        zoom = self._zoom(rng, *self.settings.scale)
        boxes, labels = self._place(canvas, photo, (0, 0, self.size, self.size), zoom, rng)
        return LabelledPhoto(canvas, boxes, labels)

    def _mosaic(self, photos: list[LabelledPhoto], rng: np.random.Generator) -> LabelledPhoto:
        size = self.size
        canvas = np.full((size, size, 3), _PAD, np.uint8)
        x, y = (int(size * rng.uniform(0.35, 0.65)) for _ in range(2))
        areas = [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]
        low, high = self.settings.scale
        placed = [
            self._place(canvas, photo, area, self._zoom(rng, 0.75 * low, 0.75 * high), rng)
            for photo, area in zip(photos, areas, strict=True)
        ]
        return LabelledPhoto(
            canvas, np.concatenate([boxes for boxes, _ in placed]), np.concatenate([labels for _, labels in placed])
        )

    @staticmethod
    def _zoom(rng: np.random.Generator, low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def _place(
        self,
        canvas: NDArray[np.uint8],
        photo: LabelledPhoto,
        area: tuple[int, int, int, int],
        zoom: float,
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw a zoomed, perhaps flipped and cropped photo into ``area`` of the canvas; returns its boxes there."""
        left, top, right, bottom = area
        height, width = photo.rgb.shape[:2]
        scale = zoom * self.size / max(height, width)
        # The part of the photo that is seen: as much as fits into the area, at a random place.
        seen_width, seen_height = min(width, (right - left) / scale), min(height, (bottom - top) / scale)
        x0, y0 = rng.uniform(0, width - seen_width), rng.uniform(0, height - seen_height)
        x0, y0, x1, y1 = (round(v) for v in (x0, y0, x0 + seen_width, y0 + seen_height))
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
        drawn_width = max(1, min(right - left, round((x1 - x0) * scale)))
        drawn_height = max(1, min(bottom - top, round((y1 - y0) * scale)))
        at_x = left + int(rng.integers(0, right - left - drawn_width + 1))
        at_y = top + int(rng.integers(0, bottom - top - drawn_height + 1))
        part = cv2.resize(
            photo.rgb[y0:y1, x0:x1],
            (drawn_width, drawn_height),
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        )
        factor = np.array([drawn_width / (x1 - x0), drawn_height / (y1 - y0)] * 2, np.float32)
        boxes = (photo.boxes - np.array([x0, y0, x0, y0], np.float32)) * factor
        if rng.random() < self.settings.flip:
            part = cv2.flip(part, 1)
            boxes = boxes[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32)
            boxes += np.array([drawn_width, 0, drawn_width, 0], np.float32)
        canvas[at_y : at_y + drawn_height, at_x : at_x + drawn_width] = part
        clipped, labels = self._clip(boxes, photo.labels, drawn_width, drawn_height)
        return clipped + np.array([at_x, at_y, at_x, at_y], np.float32), labels

    def _clip(
        self, boxes: NDArray[np.float32], labels: NDArray[np.int64], width: int, height: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Boxes cut to the drawn part; one that is cut too much becomes an ignore region, one outside goes."""
        limit = np.array([width, height, width, height], np.float32)
        clipped = np.clip(boxes, 0, limit)
        area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
        sides = clipped[:, 2:] - clipped[:, :2]
        visible = np.prod(sides, axis=1) / np.maximum(area, 1e-6)
        # A scratch may be a pixel thin; what counts is that its length can be seen.
        recognisable = (visible >= self.settings.visible) & (sides.max(axis=1, initial=0) >= 5)
        present = (sides > 0.5).all(axis=1)
        return clipped[present], np.where(recognisable, labels, IGNORE)[present]

    def _recolour(self, rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        chances = rng.random(3)
        if chances[0] < self.settings.colour:
            rgb = _shift_colour(rgb, rng)
        if self._drift is not None and self._way is not None and rng.random() < self.settings.drifted:
            amount = self._way.between(self._drift.amount, rng.uniform(*_DRIFTED))
            rgb = self._way.apply(np.ascontiguousarray(rgb), amount, rng)
        elif chances[1] < self.settings.low_light:
            rgb = darken(rgb, rng.uniform(*self.settings.stops), rng)
        if chances[2] < self.settings.blur:
            rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.2)), np.uint8)
        return enhance(rgb, self._enhancement)


def _shift_colour(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another white balance, exposure (±½ stop), contrast and saturation."""
    saturation = rng.uniform(0.4, 1.5)
    grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    mixed = cv2.addWeighted(rgb, saturation, grey, 1 - saturation, 0)
    gain = 2.0 ** (rng.uniform(-0.5, 0.5) + rng.normal(0, 0.08, 3))
    encoded = to_srgb(np.clip(LINEAR[:, None] * gain[None].astype(np.float32), 0, 1))
    contrast = rng.uniform(0.8, 1.2)
    table = np.clip(((encoded - 0.45) * contrast + 0.45) * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(mixed, table[None]), np.uint8)
