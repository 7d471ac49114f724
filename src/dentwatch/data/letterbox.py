"""Fit a photo into a model's input and bring boxes back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.shrinking import shrink_to


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a photo was fitted: input pixels = original pixels × ``scale``, top left corners together.

    ``scale_x`` and ``scale_y`` differ by less than a pixel over the photo (the fitted sides are whole pixels);
    ``width`` and ``height`` are those of the photo that the boxes of :meth:`to_original` refer to, in pixels.
    """

    scale_x: float
    scale_y: float
    width: int
    height: int

    def to_original(self, boxes: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Boxes ``(N, 4)`` xyxy in input pixels → xyxy in original pixels, clipped to the photo."""
        scaled = np.asarray(boxes, np.float64).reshape(-1, 4) / self._scale
        return np.clip(scaled, 0.0, np.array([self.width, self.height] * 2, np.float64))

    def to_input(self, boxes: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Boxes ``(N, 4)`` xyxy in original pixels → xyxy in input pixels."""
        return np.asarray(boxes, np.float64).reshape(-1, 4) * self._scale

    @property
    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.scale_x, self.scale_y] * 2, np.float64)


def letterbox_of(width: int, height: int, size: int) -> Letterbox:
    """How a photo of ``width`` × ``height`` pixels is fitted into a square of ``size`` pixels."""
    fitted_width, fitted_height = _fitted(width, height, size)
    return Letterbox(fitted_width / width, fitted_height / height, width, height)


def _fitted(width: int, height: int, size: int) -> tuple[int, int]:
    scale = size / max(height, width)
    return max(1, min(size, round(width * scale))), max(1, min(size, round(height * scale)))


def letterbox(
    rgb: NDArray[np.uint8],
    size: int,
    pad_value: int = 114,
    original: tuple[int, int] | None = None,
    finish: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
    stride: int = 0,
) -> tuple[NDArray[np.uint8], Letterbox]:
    """Fit ``rgb`` ``(H, W, 3)`` into ``(size, size, 3)``: aspect kept, top left, the rest filled with ``pad_value``.

    With a ``stride``, which ``size`` is a multiple of, the shorter side of the result is the least multiple of it that
    holds the photo: in one of 4:3 a network then has a quarter less to look at.
    Shrinking loses no pixel (:func:`~dentwatch.data.shrinking.shrink_to`), so that a thin scratch fades instead of
    vanishing; growing interpolates linearly.
    ``original`` is ``(width, height)`` of the upright original where ``rgb`` was decoded at a reduced scale: boxes then
    refer to the original. Default: ``rgb`` is the original. ``finish`` is done to the fitted photo, without border.
    """
    height, width = rgb.shape[:2]
    full_width, full_height = original or (width, height)
    fitted = _fitted(width, height, size)
    if fitted != (width, height):
        rgb = (shrink_to if size < max(width, height) else _grow_to)(rgb, *fitted)
    width, height = (size, size) if not stride else (-(-side // stride) * stride for side in fitted)
    canvas = np.full((height, width, 3), pad_value, np.uint8)
    canvas[: fitted[1], : fitted[0]] = finish(rgb) if finish else rgb
    return canvas, Letterbox(fitted[0] / full_width, fitted[1] / full_height, full_width, full_height)


def _grow_to(rgb: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
