"""Smooth random textures that repeat without a seam."""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def noise(rng: np.random.Generator, size: int, cells: int) -> Floats:
    """One octave ``(size, size)`` of noise around 0 with standard deviation near 1, ``cells`` bumps across."""
    coarse = np.pad(rng.standard_normal((cells, cells)).astype(np.float32), 2, mode="wrap")
    step = size / cells
    fine = cv2.resize(coarse, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
    start = round(2 * step)
    return np.asarray(fine[start : start + size, start : start + size])


def fractal(rng: np.random.Generator, size: int, cells: int, octaves: int, persistence: float = 0.5) -> Floats:
    """Several octaves ``(size, size)`` of :func:`noise`, each finer and weaker by ``persistence``; deviation near 1."""
    total = np.zeros((size, size), np.float32)
    weight, power = 1.0, 0.0
    for octave in range(octaves):
        total += np.float32(weight) * noise(rng, size, min(size, cells * 2**octave))
        power += weight**2
        weight *= persistence
    return np.asarray(total / np.float32(power**0.5))
