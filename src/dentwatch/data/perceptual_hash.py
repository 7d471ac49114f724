"""Perceptual hashes: photos that look alike have hashes that differ in few bits."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.statistics import shrink

HASH_BITS = 64
_SIDE = 32  # pixels of the grey thumbnail that is transformed
_LOW = 8  # lowest frequencies kept in each direction
_WEIGHTS = np.uint64(1) << np.arange(HASH_BITS, dtype=np.uint64)
_MIRROR = np.where(np.arange(_LOW) % 2 == 1, -1.0, 1.0)


def perceptual_hashes(rgb: NDArray[np.uint8]) -> tuple[int, int]:
    """The 64-bit DCT hashes of a photo, uint8 ``(H, W, 3)``, and of its mirror image.

    A bit says whether one of the 8 × 8 lowest frequencies of the 32 × 32 grey thumbnail is above their median
    (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010). Mirroring a picture negates
    its odd horizontal frequencies, so one transform gives both hashes.
    """
    # In two steps, because averaging by a whole factor is many times faster than by a broken one.
    small = shrink(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), min(rgb.shape[:2]) // (4 * _SIDE))
    grey = cv2.resize(small, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    # Rounding hides the last bits, in which processors differ, and makes a flat photo's frequencies exactly zero.
    low = np.round(cv2.dct(grey)[:_LOW, :_LOW].astype(np.float64), 2)
    return _bits(low), _bits(low * _MIRROR)


def _bits(low: NDArray[np.float64]) -> int:
    flat = low.ravel()
    return int(((flat > np.median(flat)) * _WEIGHTS).sum(dtype=np.uint64))


def distances(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Bits in which hashes differ, element by element; uint64 arrays of one shape (or that broadcast)."""
    differing: NDArray[Any] = np.bitwise_count(one ^ other)
    return differing
