"""Augmentation: boxes follow the pixels, thin scratches stay, light is linear, and a seed gives the same bytes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dentwatch.data.linear_light import darken
from dentwatch.training.augmentation import IGNORE, Augmenter, LabelledPhoto
from dentwatch.training.run_settings import AugmentationSettings

SIDE = 256
COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)], np.uint8)
GREY = 128
PLAIN = {"colour": 0.0, "low_light": 0.0, "blur": 0.0}


def _photo(width: int, height: int, *boxes: tuple[int, int, int, int], first: int = 0) -> LabelledPhoto:
    """Grey, with a rectangle of its own colour for every box; the label is the colour's place in ``COLOURS``."""
    rgb = np.full((height, width, 3), GREY, np.uint8)
    for number, (left, top, right, bottom) in enumerate(boxes):
        rgb[top:bottom, left:right] = COLOURS[first + number]
    return LabelledPhoto(
        rgb, np.array(boxes, np.float32).reshape(-1, 4), np.arange(first, first + len(boxes), dtype=np.int64)
    )


def _extent(rgb: NDArray[np.uint8], colour: NDArray[np.uint8]) -> tuple[float, float, float, float] | None:
    """Where ``colour`` shows: pixels that are nearer to it than to the grey around it."""
    grey = np.full(3, GREY, float)
    near = np.linalg.norm(rgb - colour.astype(float), axis=2) < np.linalg.norm(colour - grey) / 2
    if not near.any():
        return None
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _augmenter(**changes: object) -> Augmenter:
    return Augmenter(AugmentationSettings.model_validate(PLAIN | changes), SIDE)


def _never() -> LabelledPhoto:
    raise AssertionError("a sample that is no mosaic needs no other photo")


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.6, 0.6), (1.7, 1.7), (0.6, 1.8)])
def test_boxes_follow_the_pixels_of_a_single_photo(flip: float, scale: tuple[float, float]) -> None:
    augmenter = _augmenter(flip=flip, scale=scale)
    photo = _photo(400, 300, (20, 30, 120, 90), (250, 40, 390, 110), (60, 180, 100, 280), (300, 200, 360, 215))
    followed = 0
    for seed in range(12):
        sample = augmenter.sample(photo, _never, np.random.default_rng(seed), mosaic=False)
        assert sample.rgb.shape == (SIDE, SIDE, 3)
        shown = {index for index, colour in enumerate(COLOURS) if _extent(sample.rgb, colour)}
        for box, label in zip(sample.boxes, sample.labels, strict=True):
            if label != IGNORE:
                extent = _extent(sample.rgb, COLOURS[label])
                assert extent is not None and np.abs(np.array(extent) - box).max() <= 2.0
                followed += 1
                shown.discard(int(label))
        assert len(shown) <= np.sum(sample.labels == IGNORE), "what shows is learnt or ignored, never background"
    assert followed >= 12


def test_boxes_follow_the_pixels_into_a_mosaic() -> None:
    augmenter = _augmenter(mosaic=1.0)
    photos = [_photo(400, 300, (120, 80, 280, 200), first=number) for number in range(4)]
    followed = mosaics = 0
    for seed in range(20):
        others = iter(photos[1:])
        sample = augmenter.sample(photos[0], lambda: next(others), np.random.default_rng(seed), mosaic=True)  # noqa: B023
        assert next(others, None) is None, "four photos share the canvas"
        mosaics += len(set(sample.labels.tolist()) - {IGNORE}) > 1
        for box, label in zip(sample.boxes, sample.labels, strict=True):
            if label != IGNORE:
                extent = _extent(sample.rgb, COLOURS[label])
                assert extent is not None and np.abs(np.array(extent) - box).max() <= 2.0
                followed += 1
    assert mosaics >= 15 and followed >= 40


def test_a_flip_mirrors() -> None:
    photo = _photo(SIDE, SIDE, (10, 20, 60, 40))
    sample = _augmenter(flip=1.0, scale=(1.0, 1.0)).sample(photo, _never, np.random.default_rng(0), mosaic=False)
    assert np.array_equal(sample.rgb, photo.rgb[:, ::-1])
    assert sample.boxes.tolist() == [[SIDE - 60, 20, SIDE - 10, 40]]


@pytest.mark.parametrize("zoom", [0.6, 0.8, 1.0, 1.8])
def test_a_thin_scratch_survives_scaling(zoom: float) -> None:
    rgb = np.full((640, 640, 3), 90, np.uint8)
    rgb[320:322, 270:370] = 250
    photo = LabelledPhoto(rgb, np.array([[270, 320, 370, 322]], np.float32), np.array([0]))
    augmenter = Augmenter(AugmentationSettings.model_validate(PLAIN | {"flip": 0.0, "scale": (zoom, zoom)}), 416)
    learnt = 0
    for seed in range(6):
        sample = augmenter.sample(photo, _never, np.random.default_rng(seed), mosaic=False)
        for (left, top, right, bottom), label in zip(sample.boxes, sample.labels, strict=True):
            if label == IGNORE:
                continue
            learnt += 1
            rows = sample.rgb[max(0, int(top) - 1) : int(np.ceil(bottom)) + 1, int(left) + 2 : int(right) - 2]
            shown = rows.astype(float).max(axis=0).mean(axis=1) - 90  # of every column, its brightest row
            # Averaging keeps the light of the scratch: its pixels are fewer, but each column of it shows.
            assert shown.min() > 20
            assert right - left >= 5
    assert learnt >= 3


def test_what_a_crop_cuts_too_much_becomes_an_ignore_region() -> None:
    augmenter = _augmenter(visible=0.5)
    boxes = np.array([[-80, 10, 20, 30], [-40, 10, 60, 30], [-30, 40, -5, 60], [10, 70, 40, 90]], np.float32)
    clipped, labels = augmenter._clip(boxes, np.array([0, 1, 0, 1]), 100, 100)
    assert labels.tolist() == [IGNORE, 1, 1]  # a fifth is left, three fifths are left, none (gone), whole
    assert clipped.tolist() == [[0, 10, 20, 30], [0, 10, 60, 30], [10, 70, 40, 90]]


def test_an_ignore_region_stays_one() -> None:
    photo = LabelledPhoto(
        np.zeros((100, 100, 3), np.uint8), np.array([[10, 10, 90, 90]], np.float32), np.array([IGNORE])
    )
    sample = _augmenter(scale=(1.0, 1.0)).sample(photo, _never, np.random.default_rng(0), mosaic=False)
    assert sample.labels.tolist() == [IGNORE]


def test_a_photo_without_boxes_stays_without() -> None:
    photo = _photo(300, 200)
    sample = _augmenter(mosaic=1.0).sample(photo, lambda: photo, np.random.default_rng(0), mosaic=True)
    assert sample.boxes.shape == (0, 4) and sample.labels.shape == (0,)


def _linear(srgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """IEC 61966-2-1, written out a second time."""
    value = srgb.astype(float) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("level", [120, 180, 230])
@pytest.mark.parametrize("stops", [-0.5, -1.5, -3.0])
def test_darkening_is_linear_in_light_with_the_noise_of_that_exposure(level: int, stops: float) -> None:
    photo = np.full((300, 300, 3), level, np.uint8)
    dark = _linear(darken(photo, stops, np.random.default_rng(1)))
    signal = float(_linear(np.array([level], np.uint8))[0]) * 2.0**stops
    deviation = np.sqrt(0.004 * signal + 0.00002)  # photons and read noise
    # Where noise would reach below black it is cut off, which lifts the mean a little.
    tolerance = 0.01 * signal if signal > 4 * deviation else 0.06 * signal
    assert dark.mean() == pytest.approx(signal, abs=tolerance)
    assert dark.std() == pytest.approx(deviation, rel=0.04 if signal > 4 * deviation else 0.2)


def test_noise_differs_between_pixels_channels_and_draws() -> None:
    photo = np.full((64, 64, 3), 128, np.uint8)
    rng = np.random.default_rng(2)
    first, second = darken(photo, -2, rng).astype(float), darken(photo, -2, rng).astype(float)
    for one, other in ((first, second), (first[..., 0], first[..., 1]), (first[:32], first[32:])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.05


def test_the_same_state_gives_the_same_bytes_and_another_does_not() -> None:
    augmenter = Augmenter(AugmentationSettings(), SIDE)
    rng = np.random.default_rng(5)
    photo = LabelledPhoto(
        rng.integers(0, 256, (200, 300, 3), np.uint8), np.array([[50, 50, 150, 100]], np.float32), np.array([0])
    )
    different = 0
    for seed in range(10):
        one, same, other = (
            augmenter.sample(photo, lambda: photo, np.random.default_rng(state), mosaic=True)
            for state in (seed, seed, seed + 100)
        )
        assert np.array_equal(one.rgb, same.rgb)
        assert np.array_equal(one.boxes, same.boxes) and np.array_equal(one.labels, same.labels)
        different += not np.array_equal(one.rgb, other.rgb)
    assert different == 10


def test_a_photo_in_the_cache_is_never_written_to() -> None:
    photo = _photo(SIDE, SIDE, (10, 20, 60, 40))
    photo.rgb.flags.writeable = False
    before = photo.rgb.copy(), photo.boxes.copy()
    augmenter = Augmenter(AugmentationSettings(colour=1, low_light=1, blur=1, flip=1), SIDE)
    augmenter.sample(photo, _never, np.random.default_rng(0), mosaic=False)
    assert np.array_equal(photo.rgb, before[0]) and np.array_equal(photo.boxes, before[1])
