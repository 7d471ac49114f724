"""Light as lenses and sensors know it: sRGB to linear light and back, and another exposure with its noise."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_STEPS = 1 << 16
_SHOT = 0.004  # photon noise: variance per unit of linear signal, about ISO 1600 on a phone at full exposure
_READ = 0.00002  # sensor noise: variance at black


def to_linear(srgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """IEC 61966-2-1 decoding, [0, 1] → [0, 1]."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_srgb(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """IEC 61966-2-1 encoding, [0, 1] → [0, 1]."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)


LINEAR: NDArray[np.float32] = to_linear(np.arange(256, dtype=np.float32) / np.float32(255))
"""The linear light, in [0, 1], of each 8-bit sRGB value, ``(256,)``."""

_ENCODED = np.rint(to_srgb(np.linspace(0, 1, _STEPS, dtype=np.float32)) * 255).astype(np.uint8)


def encode(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """8-bit sRGB of linear light; what is brighter than 1 is lost."""
    # A table: several times as fast as a power per value.
    return _ENCODED[(np.clip(linear, 0, 1) * (_STEPS - 1) + np.float32(0.5)).astype(np.uint16)]


def _noise_levels() -> NDArray[np.float32]:
    """The normal distribution in 256 equally likely steps, ``(256,)``, of mean 0 and variance 1."""
    levels = np.array([NormalDist().inv_cdf((step + 0.5) / 256) for step in range(256)], np.float32)
    return np.asarray(levels / levels.std(), np.float32)


_NOISE = _noise_levels()


def darken(rgb: NDArray[np.uint8], stops: float, rng: np.random.Generator, amplified: float = 0.0) -> NDArray[np.uint8]:
    """The photo exposed ``stops`` (negative: darker) differently in linear light, with the noise of that exposure.

    ``amplified``: stops that the camera's ISO adds afterwards, to signal and noise alike.
    Photon noise has variance proportional to the signal, read noise is constant (Foi et al., "Practical
    Poissonian-Gaussian noise modeling", 2008). A value and a random byte, which chooses the noise, look the answer up
    in a table: five times as fast as the arithmetic for each value.
    """
    linear = LINEAR * np.float32(2.0**stops)
    noisy = linear[:, None] + np.sqrt(_SHOT * linear + _READ)[:, None] * _NOISE
    noisy *= np.float32(2.0**amplified)
    table = _ENCODED[(np.clip(noisy, 0, 1) * (_STEPS - 1)).astype(np.uint16)]
    places = rgb.astype(np.uint16)
    places <<= 8
    places |= rng.integers(0, 256, rgb.shape, np.uint8)
    return np.asarray(table.ravel().take(places), np.uint8)
