"""Perceptual hashes: photos that look alike have hashes that differ in few bits.

A hash decides which photos are near duplicates, and that is part of a dataset version, so it must come out the same on
every machine: pixels are averaged in whole numbers, and the transform is rounded far above floating-point noise.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.shrinking import shrink

HASH_BITS = 64
_SIDE = 32  # cells of the thumbnail that is transformed, in each direction
_LOW = 8  # lowest frequencies kept in each direction
_LUMA = np.array([299, 587, 114], np.int32)  # Rec. 601, in thousandths
_WEIGHTS = np.uint64(1) << np.arange(HASH_BITS, dtype=np.uint64)
_MIRROR = np.where(np.arange(_LOW) % 2 == 1, -1.0, 1.0)
_COSINES = np.cos(np.pi / _SIDE * np.outer(np.arange(_LOW), np.arange(_SIDE) + 0.5))  # DCT-II, (8, 32)


def perceptual_hashes(rgb: NDArray[np.uint8], half: NDArray[Any] | None = None) -> tuple[int, int]:
    """The 64-bit DCT hashes of a photo, uint8 ``(H, W, 3)``, and of its mirror image.

    ``half`` is ``shrink(rgb, 2)``, where it is at hand: it is most of the work.

    A bit says whether one of the 8 × 8 lowest frequencies of the 32 × 32 grey thumbnail is above their median
    (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010). Mirroring a picture negates
    its odd horizontal frequencies, so one transform gives both hashes.
    """
    low = np.round(_COSINES @ _thumbnail(rgb, half) @ _COSINES.T, 3)
    return _bits(low), _bits(low * _MIRROR)


def distances(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Bits in which hashes differ, element by element; uint64 arrays of one shape (or that broadcast)."""
    differing: NDArray[Any] = np.bitwise_count(one ^ other)
    return differing


def _thumbnail(rgb: NDArray[np.uint8], half: NDArray[Any] | None) -> NDArray[np.float64]:
    """Mean luma of 32 × 32 cells, ``(32, 32)``."""
    small: NDArray[Any] = rgb
    if min(rgb.shape[:2]) >= 8 * _SIDE:  # at least four pixels a cell are left
        halvings = int(np.log2(min(rgb.shape[:2]) / (4 * _SIDE)))
        small = shrink(shrink(rgb, 2) if half is None else half, 2 ** (halvings - 1))
    elif min(rgb.shape[:2]) < _SIDE:
        sides = max(rgb.shape[1], _SIDE), max(rgb.shape[0], _SIDE)
        small = cv2.resize(rgb, sides, interpolation=cv2.INTER_NEAREST)
    edges = [np.arange(_SIDE + 1) * length // _SIDE for length in small.shape[:2]]
    # A cell's sum from the summed-area table, in whole numbers.
    sums = np.diff(np.diff(cv2.integral(small)[np.ix_(*edges)], axis=0), axis=1)
    return np.asarray((sums @ _LUMA) / (1000.0 * np.outer(*(np.diff(edge) for edge in edges))))


def _bits(low: NDArray[np.float64]) -> int:
    flat = low.ravel()
    return int(((flat > np.median(flat)) * _WEIGHTS).sum(dtype=np.uint64))
