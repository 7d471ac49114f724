"""Sums over a grey picture are what NumPy adds up, with and without the compiled part."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dentwatch.data import grey_sums
from dentwatch.data.grey_sums import DetailSums, StepSums

SHAPES = [(1, 1), (1, 2), (2, 1), (2, 2), (1, 40), (40, 1), (3, 3), (8, 9), (16, 17), (33, 64), (95, 1031), (700, 5)]

compiled = pytest.mark.skipif(grey_sums.compiled_detail is None, reason="there was no C compiler on installation")


def pictures(shape: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Noise, the strongest edges that there are, and one level."""
    random = np.random.default_rng(sum(shape))
    checks = (np.indices(shape).sum(axis=0) % 2 * 255).astype(np.uint8)
    return [random.integers(0, 256, shape, np.uint8), checks, np.full(shape, 255, np.uint8)]


def added_up(grey: NDArray[np.uint8]) -> tuple[NDArray[np.int64], int, int, int, StepSums]:
    whole = grey.astype(np.int64)
    height, width = grey.shape
    above, below = np.abs(np.arange(height) - 1), np.arange(height) + 1
    left, right = np.abs(np.arange(width) - 1), np.arange(width) + 1
    above[0], below[-1] = min(1, height - 1), max(height - 2, 0)
    left[0], right[-1] = min(1, width - 1), max(width - 2, 0)
    laplacian = whole[above] + whole[below] + whole[:, left] + whole[:, right] - 4 * whole
    noise = np.diff(np.diff(whole, 2, axis=0), 2, axis=1)
    across, down = np.abs(np.diff(whole, axis=1)), np.abs(np.diff(whole, axis=0))
    steps = StepSums(int(across.sum()), int(across[:, 7::8].sum()), int(down.sum()), int(down[7::8].sum()))
    levels = np.bincount(grey.ravel(), minlength=256)
    return levels, int(laplacian.sum()), int((laplacian**2).sum()), int(np.abs(noise).sum()), steps


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("detail", "steps"),
    [
        pytest.param(grey_sums.detail_sums, grey_sums.step_sums, id="compiled", marks=compiled),
        pytest.param(grey_sums.opencv_detail, grey_sums.opencv_steps, id="OpenCV"),
    ],
)
def test_sums_are_those_of_whole_numbers(
    shape: tuple[int, int],
    detail: Callable[[NDArray[np.uint8]], DetailSums],
    steps: Callable[[NDArray[np.uint8]], StepSums],
) -> None:
    for grey in pictures(shape):
        levels, laplacian, squares, noise, stepped = added_up(grey)
        found = detail(grey)
        assert np.array_equal(found.levels, levels)
        assert (found.laplacian, found.squares, found.noise) == (laplacian, squares, noise)
        assert steps(grey) == stepped


def test_a_picture_with_gaps_is_summed_as_it_looks() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (60, 80), np.uint8)[::2, ::2]
    assert grey_sums.step_sums(grey) == grey_sums.step_sums(grey.copy())
    assert grey_sums.detail_sums(grey).squares == grey_sums.detail_sums(grey.copy()).squares


def test_without_the_compiled_part_opencv_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (50, 70), np.uint8)
    due = grey_sums.detail_sums(grey), grey_sums.step_sums(grey)
    monkeypatch.setattr(grey_sums, "compiled_detail", None)
    monkeypatch.setattr(grey_sums, "compiled_steps", None)
    assert grey_sums.step_sums(grey) == due[1]
    assert grey_sums.detail_sums(grey).squares == due[0].squares


@compiled
def test_arrays_of_other_forms_are_refused() -> None:
    from dentwatch.data import _grey_sums

    counts = np.empty(256, np.int64)
    others: list[Any] = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.int16), np.zeros((0, 4), np.uint8)]
    for grey in others:
        with pytest.raises(ValueError, match="shape"):
            _grey_sums.steps(grey)
        with pytest.raises(ValueError, match="shape"):
            _grey_sums.detail(grey, counts)
    with pytest.raises(ValueError, match="256"):
        _grey_sums.detail(np.zeros((4, 4), np.uint8), counts[:255])
    with pytest.raises(ValueError, match="256"):
        _grey_sums.detail(np.zeros((4, 4), np.uint8), np.empty(256, np.int32))
    with pytest.raises(ValueError, match="contiguous"):
        _grey_sums.steps(np.zeros((8, 8), np.uint8)[:, ::2])
