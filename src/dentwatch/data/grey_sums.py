"""What photo statistics add up over the pixels of a grey picture: levels, second differences, steps.

The compiled part (``grey_sums.c``) is built on installation and goes over the picture three times. Where there was no C
compiler it is missing, and OpenCV finds the same whole numbers in ten passes.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_SECOND_DIFFERENCE = np.array([1, -2, 1], np.float32)


@dataclass(frozen=True, slots=True)
class DetailSums:
    """``levels`` int64 ``(256,)``: how many pixels have each; sums of the Laplacian, of its squares, and of noise.

    The Laplacian takes a picture to go on beyond its edge as a mirror image would. Noise is the sum of the absolute
    response to Immerkær's kernel, of all pixels but those at the edge.
    """

    levels: NDArray[np.int64]
    laplacian: int
    squares: int
    noise: int


@dataclass(frozen=True, slots=True)
class StepSums:
    """Sums of the absolute steps between neighbours, across and down; ``…_borders``: those over every eighth border."""

    across: int
    across_borders: int
    down: int
    down_borders: int


def detail_sums(grey: NDArray[np.uint8]) -> DetailSums:
    """The sums of ``grey``, uint8 ``(H, W)``."""
    if compiled_detail is None:
        return opencv_detail(grey)
    levels = np.empty(256, np.int64)
    return DetailSums(levels, *compiled_detail(np.ascontiguousarray(grey), levels))


def step_sums(grey: NDArray[np.uint8]) -> StepSums:
    """The steps of ``grey``, uint8 ``(H, W)``."""
    return opencv_steps(grey) if compiled_steps is None else StepSums(*compiled_steps(np.ascontiguousarray(grey)))


def opencv_detail(grey: NDArray[np.uint8]) -> DetailSums:
    """A :func:`detail_sums` that needs no compiler."""
    levels = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    laplacian = cv2.Laplacian(grey, cv2.CV_16S)
    noise = 0.0
    if min(grey.shape) > 2:
        # The kernel is the second difference across, times that down: two short filters cost less than a square one.
        response = cv2.sepFilter2D(grey, cv2.CV_16S, _SECOND_DIFFERENCE, _SECOND_DIFFERENCE)[1:-1, 1:-1]
        noise = cv2.norm(response, cv2.NORM_L1)
    squares = cv2.norm(laplacian, cv2.NORM_L2SQR)
    return DetailSums(levels.astype(np.int64), round(cv2.sumElems(laplacian)[0]), round(squares), round(noise))


def opencv_steps(grey: NDArray[np.uint8]) -> StepSums:
    """A :func:`step_sums` that needs no compiler."""
    return StepSums(*_along(grey[:, 1:], grey[:, :-1], 0), *_along(grey[1:], grey[:-1], 1))


def _along(one: NDArray[Any], other: NDArray[Any], axis: int) -> tuple[int, int]:
    if not one.size:
        return 0, 0
    sums = cv2.reduce(cv2.absdiff(one, other), axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel().astype(np.int64)
    return int(sums.sum()), int(sums[7::8].sum())


compiled_detail: Callable[[NDArray[np.uint8], NDArray[np.int64]], tuple[int, int, int]] | None = None
compiled_steps: Callable[[NDArray[np.uint8]], tuple[int, int, int, int]] | None = None
with suppress(ImportError):
    from dentwatch.data import _grey_sums

    compiled_detail, compiled_steps = _grey_sums.detail, _grey_sums.steps
