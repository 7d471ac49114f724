"""Photos made worse step by step, as a camera or a careless hand would: the light, the focus, the size, the file.

Light is changed in linear light, where lenses and sensors work, not in sRGB values: a blurred lamp then stays bright,
and what is brighter than the sensor can hold is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.linear_light import LINEAR, darken, encode

Kind = Literal["low_light", "over_exposure", "defocus", "motion", "downscale", "veil", "noise", "jpeg"]

Photo = NDArray[np.uint8]
"""Upright sRGB, uint8 ``(H, W, 3)``."""

_SUBPIXELS = 4  # bits of a pixel's fraction that OpenCV draws lines with


@dataclass(frozen=True, slots=True)
class Degradation:
    """A way in which photos get worse: ``amounts`` rise from hardly visible to useless, in ``unit``."""

    kind: Kind
    unit: str
    amounts: tuple[float, ...]
    apply: Callable[[Photo, float, np.random.Generator], Photo]


def low_light(rgb: Photo, stops: float, rng: np.random.Generator) -> Photo:
    """``stops`` less light than there was, with the shot noise of what is left."""
    return darken(rgb, -stops, rng)


def over_exposure(rgb: Photo, stops: float, _rng: np.random.Generator) -> Photo:
    """``stops`` more light than there was; what exceeds white is lost."""
    return np.asarray(cv2.LUT(rgb, encode(LINEAR * np.float32(2.0**stops))), np.uint8)


def defocus(rgb: Photo, radius: float, _rng: np.random.Generator) -> Photo:
    """Out of focus: a blur disc of ``radius`` thousandths of the longer side."""
    reach = radius / 1000 * max(rgb.shape[:2])
    side = 2 * int(np.ceil(reach)) + 1
    rows, columns = np.mgrid[:side, :side] - side // 2
    return _blurred(rgb, np.clip(reach + 0.5 - np.hypot(rows, columns), 0, 1))


def motion(rgb: Photo, length: float, rng: np.random.Generator) -> Photo:
    """Moved while the shutter was open: a straight path of ``length`` thousandths of the longer side."""
    angle = rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2000 * max(rgb.shape[:2])
    side = 2 * int(np.ceil(np.abs(reach).max())) + 1
    path = np.zeros((side, side), np.float32)
    ends = [
        tuple(int(v) for v in np.round((side // 2 + sign * reach) * 2**_SUBPIXELS).astype(np.int64)) for sign in (-1, 1)
    ]
    cv2.line(path, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, _SUBPIXELS)
    return _blurred(rgb, path)


def downscale(rgb: Photo, side: float, _rng: np.random.Generator) -> Photo:
    """A smaller photo: a longer side of ``side`` pixels, or as it is where it has no more."""
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return rgb
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def veil(rgb: Photo, share: float, _rng: np.random.Generator) -> Photo:
    """Fog, a fogged lens or a finger before it: ``share`` of the light is the photo's mean colour, spread evenly."""
    means = LINEAR[rgb].reshape(-1, 3).mean(axis=0)
    tables = [encode(LINEAR * np.float32(1 - share) + mean * np.float32(share)) for mean in means]
    return np.asarray(cv2.LUT(rgb, np.stack(tables, axis=-1)[None]), np.uint8)


def noise(rgb: Photo, stops: float, rng: np.random.Generator) -> Photo:
    """The same brightness from ``stops`` less light, as at a high ISO: the signal is amplified, and its noise too."""
    return darken(rgb, -stops, rng, amplified=stops)


def jpeg(rgb: Photo, quality: float, _rng: np.random.Generator) -> Photo:
    """Compressed hard: a JPEG of ``quality`` (1 to 100)."""
    options = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    encoded: Any = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)[1]
    return np.asarray(cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)


DEGRADATIONS: tuple[Degradation, ...] = (
    Degradation("low_light", "stops less light", (1, 2, 3, 4, 5, 6, 7), low_light),
    Degradation("over_exposure", "stops more light", (0.5, 1, 1.5, 2, 3, 4, 5), over_exposure),
    Degradation("defocus", "blur radius, ‰ of the side", (1, 2, 3, 4, 6, 9, 14), defocus),
    Degradation("motion", "path, ‰ of the side", (4, 8, 12, 18, 27, 40, 60), motion),
    Degradation("downscale", "pixels of the longer side", (400, 300, 225, 170, 125, 90, 60), downscale),
    Degradation("veil", "share of veiling light", (0.5, 0.75, 0.85, 0.9, 0.94, 0.97), veil),
    Degradation("noise", "stops amplified", (1, 2, 3, 4, 5), noise),
    Degradation("jpeg", "JPEG quality", (50, 25, 12, 6, 3), jpeg),
)


def _blurred(rgb: Photo, kernel: NDArray[Any]) -> Photo:
    linear = LINEAR[rgb]
    blurred = cv2.filter2D(linear, -1, (kernel / kernel.sum()).astype(np.float32), borderType=cv2.BORDER_REFLECT)
    return encode(blurred)
