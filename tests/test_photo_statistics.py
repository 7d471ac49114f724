"""Each statistic moves with the cause that it is named for, and with nothing that it should not."""

from dataclasses import astuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dentwatch.data.decoding import decode
from dentwatch.data.letterbox import letterbox
from dentwatch.data.statistics import STATISTICS_SIDE, lighting, photo_statistics


def scene(seed: int = 3, side: int = 640) -> NDArray[np.float64]:
    """Linear-light RGB in [0, 1] with edges, texture and soft shade."""
    generator = np.random.default_rng(seed)
    coarse = cv2.resize(generator.uniform(0.05, 0.6, (12, 12, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
    blocks = cv2.resize(generator.uniform(0.7, 1.3, (40, 40, 1)), (side, side), interpolation=cv2.INTER_NEAREST)
    return np.clip(coarse * blocks[..., None], 0, 1)


def photo(linear: NDArray[np.float64]) -> NDArray[np.uint8]:
    return (255 * np.clip(linear, 0, 1) ** (1 / 2.2) + 0.5).astype(np.uint8)


def test_light_is_measured() -> None:
    normal, dark, bright = (photo_statistics(photo(scene() * gain)) for gain in (1, 1 / 16, 6))
    assert dark.luma_mean < normal.luma_mean < bright.luma_mean
    assert (lighting(dark), lighting(normal), lighting(bright)) == ("dark", "normal", "bright")
    assert normal.luma_p5 < normal.luma_mean < normal.luma_p95
    assert bright.bright_clip > 0.3 > normal.bright_clip
    assert photo_statistics(photo(scene() * 1e-4)).dark_clip > 0.9
    assert photo_statistics(photo(0.3 + 0.2 * scene())).contrast < normal.contrast


def test_blur_lowers_sharpness_and_under_exposure_hardly_does() -> None:
    normal = photo_statistics(photo(scene())).sharpness
    blurred = photo_statistics(photo(cv2.GaussianBlur(scene(), (0, 0), 2))).sharpness
    dark = photo_statistics(photo(scene() / 2)).sharpness
    assert abs(dark - normal) < 0.1 * (normal - blurred)


def test_noise_is_measured_in_luma_levels() -> None:
    flat = np.full((STATISTICS_SIDE, STATISTICS_SIDE, 1), 120.0)
    noisy = flat + np.random.default_rng(0).normal(0, 5, flat.shape)
    measured = photo_statistics(np.repeat(np.clip(noisy, 0, 255).astype(np.uint8), 3, axis=-1))
    assert measured.noise == pytest.approx(5, rel=0.05)


def test_colour_is_measured() -> None:
    base = scene()
    warm, cool = photo_statistics(photo(base * [1.5, 1, 0.6])), photo_statistics(photo(base * [0.6, 1, 1.5]))
    grey = photo_statistics(photo(np.repeat(base.mean(-1, keepdims=True), 3, -1)))
    assert warm.colour_cast > 0.2
    assert cool.colour_cast < -0.2
    assert abs(grey.colour_cast) < 0.01
    assert grey.saturation < 0.01 < warm.saturation


def test_compression_shows_as_blockiness() -> None:
    pixels = photo(cv2.GaussianBlur(scene(), (0, 0), 3))
    _, hard = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 8])
    squeezed = decode(hard.tobytes(), max_pixels=10**8).rgb
    assert photo_statistics(squeezed).blockiness > photo_statistics(pixels).blockiness + 0.5


def test_a_reduced_decode_gives_nearly_the_same_figures() -> None:
    _, data = cv2.imencode(".jpg", photo(scene(side=2560)), [cv2.IMWRITE_JPEG_QUALITY, 95])
    whole = photo_statistics(decode(data.tobytes(), max_pixels=10**8).rgb)
    reduced = decode(data.tobytes(), max_pixels=10**8, target_side=STATISTICS_SIDE)
    assert max(reduced.rgb.shape) == 640
    small = photo_statistics(reduced.rgb, (reduced.width, reduced.height))
    assert small.resolution == whole.resolution == pytest.approx(6.5536)
    assert small.luma_mean == pytest.approx(whole.luma_mean, abs=0.5)
    assert small.contrast == pytest.approx(whole.contrast, rel=0.02)
    # Measured at 640 and at 512 px: nothing but steps, as here, is the worst case; blur is a matter of 2 and more.
    assert small.sharpness == pytest.approx(whole.sharpness, abs=0.5)


def test_blur_outweighs_what_the_size_of_a_photo_does_to_sharpness() -> None:
    large = scene(side=2560)
    sharp, blurred = (
        [
            photo_statistics(photo(cv2.resize(linear, (side, side), interpolation=cv2.INTER_AREA))).sharpness
            for side in sizes
        ]
        for sizes in [(480, 500, 560, 640, 719, 720, 960, 1100, 1280, 1600, 2560)]
        for linear in (large, cv2.GaussianBlur(large, (0, 0), 12))
    )
    assert max(blurred) < min(sharp) - 1


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 9), (640, 4)])
def test_odd_photos_have_finite_figures(size: tuple[int, int]) -> None:
    for level in (0, 255):
        figures = astuple(photo_statistics(np.full((*size, 3), level, np.uint8)))
        assert all(isinstance(figure, float) and np.isfinite(figure) for figure in figures)


@pytest.mark.parametrize(("height", "width"), [(480, 640), (640, 480), (100, 100), (33, 1000)])
def test_letterbox_and_back(height: int, width: int) -> None:
    rgb = np.full((height, width, 3), 200, np.uint8)
    fitted, box = letterbox(rgb, 416)
    assert fitted.shape == (416, 416, 3)
    assert fitted[0, 0, 0] == 200
    boxes = np.array([[0, 0, width, height], [3.5, 4.25, 30, 31]], np.float64)
    np.testing.assert_allclose(box.to_original(box.to_input(boxes)), boxes)
    assert box.to_input(boxes).max() == pytest.approx(416)
    filled = (fitted[..., 0] != 114).nonzero()
    assert (filled[1].max() + 1, filled[0].max() + 1) == pytest.approx(tuple(box.to_input(boxes)[0, 2:]), abs=1e-6)


@pytest.mark.parametrize(
    ("height", "width", "shape"),
    [
        (480, 640, (320, 416)),
        (640, 480, (416, 320)),
        (100, 100, (416, 416)),
        (33, 1000, (32, 416)),
        (90, 160, (256, 416)),
    ],
)
def test_letterbox_leaves_no_more_border_than_the_stride_takes(height: int, width: int, shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    square, box = letterbox(rgb, 416)
    fitted, same = letterbox(rgb, 416, stride=32)
    assert (fitted.shape[:2], same) == (shape, box)
    np.testing.assert_array_equal(fitted, square[: shape[0], : shape[1]])
    assert (square[shape[0] :] == 114).all() and (square[:, shape[1] :] == 114).all()


def test_letterbox_of_a_reduced_decode_speaks_of_the_original() -> None:
    _, box = letterbox(np.zeros((300, 400, 3), np.uint8), 416, original=(3200, 2400))
    np.testing.assert_allclose(box.to_original(np.array([[0, 0, 416, 312]])), [[0, 0, 3200, 2400]])
    np.testing.assert_allclose(box.to_original(np.array([[-5, -5, 900, 900]])), [[0, 0, 3200, 2400]])
