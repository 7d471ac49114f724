"""The pictures of a condition report: photos scaled down and stripped of metadata, and a close view of each damage."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dentwatch.data.decoding import decode
from dentwatch.serving.report_input import ReportDamage

PHOTO_SIDE, THUMBNAIL_SIDE = 1300, 640
"""Longer side, pixels: 200 per inch across the page, and the same for photos without a finding, three in a row."""
_CROP_SIZE = (480, 360)
_LEAST_CROP = 200  # pixels of the original: less is too blurred to recognise anything in
_AROUND = 1.8  # width of a crop, in widths of its box
_QUALITY = 80

Place = tuple[float, float, float, float]
"""Left, top, width and height of a box as shares of the picture's width and height."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG without metadata, its height ÷ width, and where the boxes lie in it."""

    jpeg: bytes
    aspect: float
    boxes: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class PhotoPictures:
    """A photo with the boxes of its damages, and one crop for each of them, in their order."""

    photo: Picture
    crops: tuple[Picture, ...]


def picture(data: bytes, damages: Sequence[ReportDamage], max_pixels: int) -> PhotoPictures:
    """The pictures of the photo ``data``; raises :class:`dentwatch.errors.PhotoError` when it cannot be decoded."""
    side = PHOTO_SIDE if damages else THUMBNAIL_SIDE
    # Crops show a part of the photo, so they need more of its pixels than the photo itself.
    decoded = decode(data, max_pixels=max_pixels, target_side=2 * side if damages else side)
    rgb, scale = decoded.rgb, decoded.scale
    placed = [tuple(value * scale for value in (one.x, one.y, one.width, one.height)) for one in damages]
    height, width = rgb.shape[:2]
    shrink = min(1.0, side / max(width, height))
    whole = _resized(rgb, (max(1, round(width * shrink)), max(1, round(height * shrink))))
    boxes = tuple(_within(box, (0, 0, width, height)) for box in placed)
    crops = tuple(_crop(rgb, box, _LEAST_CROP * scale) for box in placed)
    return PhotoPictures(Picture(_jpeg(whole), height / width, boxes), crops)


def _crop(rgb: NDArray[np.uint8], box: tuple[float, ...], least: float) -> Picture:
    """A view of one box in the shape of :data:`_CROP_SIZE`, at least ``least`` pixels of ``rgb`` wide where it can."""
    shape = _CROP_SIZE[0] / _CROP_SIZE[1]
    photo_height, photo_width = rgb.shape[:2]
    x, y, box_width, box_height = box
    wanted = max(box_width * _AROUND, box_height * _AROUND * shape, least)
    width = max(1, int(min(wanted, photo_width, photo_height * shape)))
    height = max(1, round(width / shape))
    left = int(min(max(x + box_width / 2 - width / 2, 0), photo_width - width))
    top = int(min(max(y + box_height / 2 - height / 2, 0), photo_height - height))
    shown = _resized(rgb[top : top + height, left : left + width], _CROP_SIZE)
    return Picture(_jpeg(shown), 1 / shape, (_within(box, (left, top, width, height)),))


def _within(box: tuple[float, ...], window: Place) -> Place:
    left, top, width, height = window
    return (box[0] - left) / width, (box[1] - top) / height, box[2] / width, box[3] / height


def _resized(rgb: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    # Averaging keeps thin scratches when a photo shrinks; it would make blocks of one that grows.
    method = cv2.INTER_AREA if rgb.shape[1] > size[0] else cv2.INTER_CUBIC
    resized: NDArray[np.uint8] = cv2.resize(rgb, size, interpolation=method)
    return resized


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()
