"""An eighth of a JPEG is what libjpeg makes of it, in a third of the time, or left to libjpeg."""

import io
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import cv2
import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from dentwatch.data import eighth
from dentwatch.data.decoding import decode
from dentwatch.data.eighth import decode_eighth
from dentwatch.errors import PhotoError

pytestmark = pytest.mark.skipif(not eighth.COMPILED, reason="there was no C compiler when Dentwatch was installed")

WIDTH, HEIGHT = 1003, 741  # the last blocks of rows and columns are cut
FULL, WIDE, TALL, BOTH, QUARTER = 0x111111, 0x211111, 0x121111, 0x221111, 0x411111
"""Sampling of the colours as OpenCV names it: 4:4:4, 4:2:2, 4:4:0, 4:2:0 and 4:1:1."""


@lru_cache
def scene(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A picture ``(H, W, 3)`` with gradients, strong colours, edges and noise."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (9, 12, 3)).astype(np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    smooth[height // 3 : height // 2, width // 4 : width // 2] = (255, 0, 10)
    noisy = np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255)
    return noisy.astype(np.uint8)


def jpeg(rgb: NDArray[np.uint8], sampling: int = BOTH, quality: int = 92, restarts: int = 0, tables: int = 1) -> bytes:
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling, cv2.IMWRITE_JPEG_QUALITY, quality]
    options += [cv2.IMWRITE_JPEG_RST_INTERVAL, restarts, cv2.IMWRITE_JPEG_OPTIMIZE, tables]
    done, data = cv2.imencode(".jpg", rgb[..., ::-1], options)
    assert done
    return data.tobytes()


def by_libjpeg(data: bytes, colour: str = "RGB") -> NDArray[np.uint8]:
    """The same JPEG at an eighth by libjpeg-turbo, ``(⌈H / 8⌉, ⌈W / 8⌉, channels)``."""
    height, width, *_ = simplejpeg.decode_jpeg_header(data)
    sides = {"min_height": -(-int(height) // 8), "min_width": -(-int(width) // 8)}
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colour, strict=True, **sides)
    return pixels


def by_dc(data: bytes, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.int64]:
    rgb = decode_eighth(data, width, height)
    assert rgb is not None
    return rgb.astype(np.int64)


@pytest.mark.parametrize("quality", [30, 75, 92, 100])
@pytest.mark.parametrize("tables", [0, 1])
@pytest.mark.parametrize("restarts", [0, 1, 7])
def test_it_equals_libjpeg_where_colour_is_stored_in_full(quality: int, tables: int, restarts: int) -> None:
    data = jpeg(scene(), FULL, quality, restarts, tables)
    np.testing.assert_array_equal(by_dc(data), by_libjpeg(data))


@pytest.mark.parametrize(("sampling", "mean", "most"), [(WIDE, 4, 20), (TALL, 4, 20), (BOTH, 3, 25), (QUARTER, 7, 40)])
@pytest.mark.parametrize("restarts", [0, 5])
def test_brightness_equals_libjpeg_and_coarse_colour_comes_close(
    sampling: int, mean: float, most: float, restarts: int
) -> None:
    """``mean`` and ``most``: difference of a channel, over all samples and for all samples but the worst hundredth."""
    data = jpeg(scene(), sampling, restarts=restarts)
    ours, theirs = by_dc(data), by_libjpeg(data).astype(np.int64)
    inside = ((ours > 0) & (ours < 255) & (theirs > 0) & (theirs < 255)).all(axis=-1)  # where no channel is cut off
    luma = np.array([0.299, 0.587, 0.114])
    assert inside.mean() > 0.9
    assert np.abs(ours @ luma - by_libjpeg(data, "GRAY")[..., 0])[inside].max() <= 1
    differences = np.abs(ours - theirs)
    assert differences.mean() < mean
    assert np.percentile(differences, 99) < most  # at the edges of the red rectangle


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 7), (16, 17), (33, 5), (5, 640)])
@pytest.mark.parametrize("sampling", [FULL, WIDE, TALL, BOTH, QUARTER])
def test_every_size_has_the_pixels_that_libjpeg_gives_it(size: tuple[int, int], sampling: int) -> None:
    data = jpeg(scene(64, 640)[: size[1], : size[0]], sampling)
    rgb = by_dc(data, *size)
    assert rgb.shape == by_libjpeg(data).shape


def test_grey_photos_equal_libjpeg() -> None:
    buffer = io.BytesIO()
    Image.fromarray(scene()).convert("L").save(buffer, "JPEG", quality=88)
    np.testing.assert_array_equal(by_dc(buffer.getvalue()), by_libjpeg(buffer.getvalue()))


@pytest.mark.parametrize("sampling", [WIDE, TALL, BOTH, QUARTER])
def test_colour_is_not_shifted(sampling: int) -> None:
    """A red square in the middle of grey keeps its middle, to a twentieth of a pixel of the eighth."""
    rgb = np.full((512, 512, 3), 120, np.uint8)
    rgb[160:352, 160:352] = (200, 80, 80)
    picture = by_dc(jpeg(rgb, sampling, 95), 512, 512)
    redness = (picture[..., 0] - picture[..., 1]).astype(float)
    places = np.arange(64)
    for axis in (0, 1):
        assert redness.sum(axis) @ places / redness.sum() == pytest.approx(31.5, abs=0.05)


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def test_comments_fill_bytes_and_what_follows_the_end_do_no_harm() -> None:
    plain = jpeg(scene())
    with_blocks = plain[:2] + b"\xff\xff" + segment(0xFE, b"a comment") + segment(0xE5, bytes(300)) + plain[2:]
    for data in (with_blocks, with_blocks[:-2] + b"\xff\xff\xff\xd9", with_blocks + b"\xff\xd8 another photo"):
        np.testing.assert_array_equal(by_dc(data), by_dc(plain))


def saved(mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene()).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        saved(progressive=True),
        saved("CMYK"),
        saved(keep_rgb=True),
        jpeg(scene())[:-2],  # no end
        jpeg(scene())[:-2] + b"\0\0\xff\xd9",  # something before the end
        jpeg(scene(), restarts=4).replace(b"\xff\xd3", b"\xff\xd5", 1),
        b"",
        b"\xff\xd8",
        b"not a photo",
    ],
)
def test_what_it_does_not_know_and_what_is_damaged_is_left_to_others(data: bytes) -> None:
    assert decode_eighth(data, WIDTH, HEIGHT) is None


def test_a_photo_of_another_size_than_was_checked_is_not_decoded() -> None:
    data = jpeg(scene())
    assert decode_eighth(data, WIDTH + 8, HEIGHT) is None
    assert decode_eighth(data, WIDTH, HEIGHT - 8) is None


@pytest.mark.parametrize("form", [(93, 126), (93, 126, 4)])
def test_an_array_of_another_form_is_refused(form: tuple[int, ...]) -> None:
    from dentwatch.data import _dc_jpeg

    with pytest.raises(ValueError, match="shape"):
        _dc_jpeg.decode_eighth(jpeg(scene()), np.empty(form, np.uint8))
    with pytest.raises(ValueError, match="contiguous"):
        _dc_jpeg.decode_eighth(jpeg(scene()), np.empty((93, 252, 3), np.uint8)[:, ::2])


def test_threads_do_not_disturb_each_other() -> None:
    photos = [jpeg(scene(), sampling, quality) for sampling in (FULL, BOTH) for quality in (40, 70, 95)] * 8
    alone = [by_dc(data) for data in photos]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(by_dc, photos), strict=True):
            np.testing.assert_array_equal(one, other)


decode_for = partial(decode, max_pixels=WIDTH * HEIGHT)


def test_decoding_uses_it_for_an_eighth_and_only_then() -> None:
    data = jpeg(scene())
    np.testing.assert_array_equal(decode_for(data, target_side=WIDTH // 8).rgb, by_dc(data))
    quarter = decode_for(data, target_side=WIDTH // 8 + 1)
    assert quarter.rgb.shape[:2] == (-(-HEIGHT // 4), -(-WIDTH // 4))


@pytest.mark.parametrize("damage", [slice(None, -2), slice(None, 60_000), slice(None, 2_000)])
def test_damage_is_called_what_it_was_called_before(damage: slice) -> None:
    with pytest.raises(PhotoError) as caught:
        decode_for(jpeg(scene())[damage], target_side=WIDTH // 8)
    assert caught.value.reason == "truncated"


def test_without_the_compiled_part_libjpeg_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eighth, "_fill", None)
    data = jpeg(scene())
    np.testing.assert_array_equal(decode_for(data, target_side=WIDTH // 8).rgb, by_libjpeg(data))
