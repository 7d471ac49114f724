"""Detections drawn onto the photo, for a person to look at."""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dentwatch.errors import SettingsError
from dentwatch.records.labels import LABELS
from dentwatch.serving.answers import DetectionAnswer

JPEG_QUALITY = 90

COLOURS: dict[str, tuple[int, int, int]] = dict(
    zip(
        LABELS,
        # Okabe and Ito, "Color Universal Design" (2008): told apart with any colour vision.
        ((230, 159, 0), (86, 180, 233), (240, 228, 66), (0, 158, 115), (204, 121, 167), (213, 94, 0), (0, 114, 178)),
        strict=True,
    )
)
_UNKNOWN = (200, 200, 200)


def draw(rgb: NDArray[np.uint8], detections: Sequence[DetectionAnswer]) -> bytes:
    """The photo ``rgb`` ``(H, W, 3)`` with the boxes of ``detections``, as a JPEG without metadata.

    Boxes are in pixels of ``rgb``. Lines and letters grow with the photo; the best detection lies on top.
    """
    image = Image.fromarray(rgb)
    pen = ImageDraw.Draw(image)
    longer = max(image.size)
    line = max(2, round(longer / 320))
    font = ImageFont.load_default(size=max(11.0, longer / 50))
    for detection in reversed(detections):
        _draw_one(pen, image.size, detection, line, font)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


class Drawings:
    """A folder (made if needed) that drawn photos are saved into, as ``<name>.inspected.jpg``.

    The suffix keeps a drawing from overwriting its photo. Raises :class:`SettingsError` for a folder that cannot be
    written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: Counter[str] = Counter()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"Drawings cannot be saved in {folder}: {error.strerror}.", "Name another folder with --save."
            ) from error

    def save(self, name: str, rgb: NDArray[np.uint8], detections: Sequence[DetectionAnswer]) -> Path:
        """Save the drawing of the photo ``name``; photos of the same name get a number."""
        stem = PurePath(name).stem
        self._taken[stem] += 1
        number = self._taken[stem]
        path = self._folder / f"{stem}{'' if number == 1 else f'-{number}'}.inspected.jpg"
        path.write_bytes(draw(rgb, detections))
        return path


def _draw_one(
    pen: ImageDraw.ImageDraw,
    size: tuple[int, int],
    detection: DetectionAnswer,
    line: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    colour = COLOURS.get(detection.label, _UNKNOWN)
    left, top = detection.x, detection.y
    right, bottom = left + detection.width, top + detection.height
    # A dark rim around the line keeps it visible on paint of any colour.
    rim = max(1, line // 3)
    pen.rectangle((left - rim, top - rim, right + rim, bottom + rim), outline=(0, 0, 0), width=line + 2 * rim)
    pen.rectangle((left, top, right, bottom), outline=colour, width=line)

    text = f"{detection.label.replace('_', ' ')} {detection.score:.0%}"
    text_left, text_top, text_right, text_bottom = pen.textbbox((0, 0), text, font=font)
    margin = line + 1
    width, height = text_right - text_left + 2 * margin, text_bottom - text_top + 2 * margin
    x = min(max(left, 0), max(size[0] - width, 0))
    # Above the box where there is room, else inside it.
    y = top - height if top >= height else min(top + line, max(size[1] - height, 0))
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    pen.text((x + margin - text_left, y + margin - text_top), text, fill=_ink(colour), font=font)


def _ink(ground: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever reads better on ``ground`` (by Rec. 601 luma)."""
    luma = 0.299 * ground[0] + 0.587 * ground[1] + 0.114 * ground[2]
    return (0, 0, 0) if luma > 110 else (255, 255, 255)
