"""Drifts put on clean photos: each is one thing that goes wrong with a camera, its light or the way of the file.

Exposure, tint and haze are changed in linear light, and under-exposure adds no noise: any simulated noise is a giveaway
that real darkness at the same ISO does not have.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.degradation import jpeg, noise, over_exposure, veil
from dentwatch.data.linear_light import to_linear, to_srgb

Photo = NDArray[np.uint8]
"""Upright sRGB, uint8 ``(H, W, 3)``."""

_LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)


@dataclass(frozen=True, slots=True)
class Drift:
    """One drift at one strength; ``cause`` is the name that the detector should give it."""

    name: str
    cause: str
    apply: Callable[[Photo, np.random.Generator], Photo]


def exposed(stops: float) -> Callable[[Photo, np.random.Generator], Photo]:
    """``stops`` more light (negative: less), without any noise."""
    return lambda rgb, rng: over_exposure(rgb, stops, rng)


def tinted(strength: float) -> Callable[[Photo, np.random.Generator], Photo]:
    """White balance off by ``strength`` = ln(red gain ÷ blue gain) in linear light; positive is warm."""
    gains = np.exp(np.array([strength / 2, 0.0, -strength / 2], np.float32))
    table = np.rint(to_srgb(np.clip(to_linear(_LEVELS)[:, None] * gains, 0, 1)) * 255).astype(np.uint8)

    def apply(rgb: Photo, _rng: np.random.Generator) -> Photo:
        return np.asarray(cv2.LUT(rgb, table[None]), np.uint8)

    return apply


def blurred(sigma: float) -> Callable[[Photo, np.random.Generator], Photo]:
    """A Gaussian blur of the sRGB values, of ``sigma`` pixels in a photo 640 pixels wide."""

    def apply(rgb: Photo, _rng: np.random.Generator) -> Photo:
        reach = sigma * max(rgb.shape[:2]) / 640
        return np.asarray(cv2.GaussianBlur(rgb, (0, 0), reach), np.uint8)

    return apply


def _veiled(share: float) -> Callable[[Photo, np.random.Generator], Photo]:
    return lambda rgb, rng: veil(rgb, share, rng)


def _amplified(stops: float) -> Callable[[Photo, np.random.Generator], Photo]:
    return lambda rgb, rng: noise(rgb, stops, rng)


def _compressed(quality: int) -> Callable[[Photo, np.random.Generator], Photo]:
    return lambda rgb, rng: jpeg(rgb, quality, rng)


FITTED: dict[str, tuple[Drift, ...]] = {
    "dark": tuple(Drift(f"{stops:+g} stops", "dark", exposed(stops)) for stops in (-0.5, -1.0, -2.0, -3.0)),
    "overexposed": tuple(Drift(f"{stops:+g} stops", "overexposed", exposed(stops)) for stops in (0.5, 1.0, 1.5)),
    "haze": tuple(Drift(f"haze {share:.0%}", "haze", _veiled(share)) for share in (0.3, 0.5, 0.7)),
    "blur": tuple(Drift(f"blur σ {sigma:g}", "blur", blurred(sigma)) for sigma in (1.0, 2.0, 3.0)),
    "noisy": tuple(Drift(f"noise {stops:g} stops", "noisy", _amplified(stops)) for stops in (1.0, 2.0, 3.0)),
    "compressed": tuple(Drift(f"JPEG {quality}", "compressed", _compressed(quality)) for quality in (30, 15, 8)),
    "warm": tuple(Drift(f"warm {strength:g}", "warm", tinted(strength)) for strength in (0.2, 0.4, 0.7)),
    "cool": tuple(Drift(f"cool {strength:g}", "cool", tinted(-strength)) for strength in (0.2, 0.4, 0.7)),
}
"""What the cause bets are fitted on, mild to strong."""

GRADUAL_SIXTEENTHS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16)
GRADUAL: tuple[Drift, ...] = tuple(
    Drift(f"{-step / 16:+g} stops", "dark", exposed(-step / 16)) for step in GRADUAL_SIXTEENTHS
)
"""The levels that a gradual drift passes, each measured: figures in between do not follow from their neighbours."""

MEASURED: tuple[Drift, ...] = (
    *(Drift(f"{stops:+g} stops", "dark", exposed(stops)) for stops in (-0.5, -1.0, -2.0)),
    Drift("+1 stops", "overexposed", exposed(1.0)),
    Drift("blur σ 2", "blur", blurred(2.0)),
    Drift("haze 40%", "haze", _veiled(0.4)),
    Drift("noise 2 stops", "noisy", _amplified(2.0)),
    Drift("JPEG 12", "compressed", _compressed(12)),
    Drift("warm 0.5", "warm", tinted(0.5)),
    Drift("cool 0.5", "cool", tinted(-0.5)),
)
"""What the benchmark measures."""
