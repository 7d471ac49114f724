"""Each way of making a photo worse does what it is named for, more with every step, and nothing else."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from dentwatch.data.degradation import DEGRADATIONS, Degradation, Kind, Photo, over_exposure
from dentwatch.data.linear_light import to_linear
from dentwatch.data.statistics import photo_statistics


def _street() -> Photo:
    """A photo with soft shade, edges and texture."""
    generator = np.random.default_rng(3)
    coarse = cv2.resize(generator.uniform(50, 170, (10, 12, 3)), (640, 480), interpolation=cv2.INTER_CUBIC)
    blocks = cv2.resize(generator.uniform(0.6, 1.3, (30, 40, 1)), (640, 480), interpolation=cv2.INTER_NEAREST)
    return (coarse * blocks[..., None]).clip(0, 255).astype(np.uint8)


STREET = _street()

WORSE: dict[Kind, tuple[str, float]] = {
    "low_light": ("luma_mean", -1),
    "over_exposure": ("bright_clip", 1),
    "defocus": ("sharpness", -1),
    "motion": ("sharpness", -1),
    "downscale": ("resolution", -1),
    "veil": ("contrast", -1),
    "noise": ("noise", 1),
    "jpeg": ("blockiness", 1),
}


def light(rgb: Photo) -> float:
    """Mean linear light."""
    return float(to_linear(rgb.astype(np.float32) / np.float32(255)).mean())


def by_name(way: Degradation) -> str:
    return way.kind


@pytest.mark.parametrize("way", DEGRADATIONS, ids=by_name)
def test_a_photo_gets_worse_with_every_step(way: Degradation) -> None:
    statistic, sign = WORSE[way.kind]
    # The same chance for every step: the direction of a motion, for one.
    steps = [way.apply(STREET, amount, np.random.default_rng(0)) for amount in way.amounts]
    values = [sign * getattr(photo_statistics(rgb), statistic) for rgb in (STREET, *steps)]
    assert all(later > sooner - 0.05 for sooner, later in pairwise(values))  # at the end little is left to lose
    assert values[-1] > values[0]


@pytest.mark.parametrize("way", DEGRADATIONS, ids=by_name)
def test_the_photo_itself_stays_as_it_is(way: Degradation) -> None:
    before = STREET.copy()
    made = way.apply(STREET, way.amounts[-1], np.random.default_rng(0))
    assert made.dtype == np.uint8
    assert made.shape[2] == 3
    np.testing.assert_array_equal(STREET, before)


@pytest.mark.parametrize("way", [way for way in DEGRADATIONS if way.kind in ("defocus", "motion", "veil")], ids=by_name)
def test_optics_lose_no_light(way: Degradation) -> None:
    for amount in way.amounts:
        assert light(way.apply(STREET, amount, np.random.default_rng(0))) == pytest.approx(light(STREET), rel=0.02)


def test_a_stop_doubles_the_light_until_it_is_white() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    rng = np.random.default_rng(0)
    assert light(over_exposure(grey, 1, rng)) == pytest.approx(2 * light(grey), rel=0.02)
    assert (over_exposure(grey, 5, rng) == 255).all()
