"""Photos come out upright, in sRGB, whole, or with a reason."""

import io
import struct
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from dentwatch.data.decoding import decode
from dentwatch.errors import PhotoError

LIMIT = 50_000_000


def scene(width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """A smooth picture without symmetry, so that every flip and turn shows."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [255 * x / width, 255 * y / height, 127 + 100 * np.sin(x / 17 + y / 31)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "BMP", "TIFF"])
def test_every_format_gives_the_same_picture(file_format: str) -> None:
    data = encoded(Image.fromarray(scene()), file_format)
    photo = decode(data, max_pixels=LIMIT)
    assert (photo.width, photo.height, photo.scale) == (96, 64, 1.0)
    assert photo.rgb.shape == (64, 96, 3)
    assert photo.rgb.dtype == np.uint8
    assert difference(photo.rgb, scene()) < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "HEIF"])
def test_exif_orientation_is_applied(orientation: int, file_format: str) -> None:
    image = Image.fromarray(scene())
    image.getexif()[0x0112] = orientation
    data = encoded(image, file_format, exif=image.getexif().tobytes())
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    photo = decode(data, max_pixels=LIMIT)
    assert (photo.height, photo.width) == upright.shape[:2] == photo.rgb.shape[:2]
    assert difference(photo.rgb, upright) < 3


def test_wide_gamut_photos_become_srgb() -> None:
    # A made-up profile with red and blue swapped: honouring it must swap them back.
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"rXYZ", b"tXYZ")
    profile = swapped.replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ").replace(b"s\0R\0G\0B", b"x\0R\0G\0B")
    profile = profile.replace(b"sRGB", b"xRGB")
    for file_format in ("JPEG", "PNG"):
        data = encoded(Image.fromarray(scene()), file_format, icc_profile=profile, quality=95)
        photo = decode(data, max_pixels=LIMIT)
        assert difference(photo.rgb, scene()[..., ::-1]) < 4, file_format


def test_deep_cmyk_transparent_and_palette_photos() -> None:
    grey = (scene()[..., 0].astype(np.uint16) << 8) | 0x7F
    deep = decode(encoded(Image.fromarray(grey), "PNG"), max_pixels=LIMIT)
    assert difference(deep.rgb, np.repeat(scene()[..., :1], 3, axis=-1)) < 2

    cmyk = decode(encoded(Image.fromarray(scene()).convert("CMYK"), "JPEG", quality=95), max_pixels=LIMIT)
    assert difference(cmyk.rgb, scene()) < 6

    clear = Image.fromarray(np.dstack([scene(), np.zeros(scene().shape[:2], np.uint8)]))
    assert decode(encoded(clear, "PNG"), max_pixels=LIMIT).rgb.min() == 255

    palette = Image.fromarray(scene()).quantize(256)
    assert difference(decode(encoded(palette, "PNG"), max_pixels=LIMIT).rgb, scene()) < 12


def test_sixteen_bit_colour_tiff() -> None:
    cv2 = pytest.importorskip("cv2")
    _, data = cv2.imencode(".tiff", scene()[..., ::-1].astype(np.uint16) * 257)
    assert difference(decode(data.tobytes(), max_pixels=LIMIT).rgb, scene()) < 2


def test_a_sixteen_bit_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    cv2 = pytest.importorskip("cv2")
    _, data = cv2.imencode(".tiff", np.zeros((700, 500, 3), np.uint16))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("a bomb was decoded"))
    with pytest.raises(PhotoError, match="500 × 700") as refusal:
        decode(data.tobytes(), max_pixels=349_999)
    assert refusal.value.reason == "decompression_bomb"


def test_a_tiff_that_opencv_chokes_on_is_a_bad_photo() -> None:
    cv2 = pytest.importorskip("cv2")
    _, encoding = cv2.imencode(".tiff", np.zeros((70, 50, 3), np.uint16))
    absurd = encoding.tobytes()
    for number, side in ((256, 50), (257, 70)):  # ImageWidth and ImageLength, one SHORT each
        tag = struct.pack("<HHII", number, 3, 1, side)
        assert tag in absurd
        absurd = absurd.replace(tag, struct.pack("<HHII", number, 4, 1, 65_500))
    with pytest.raises(cv2.error):  # it raises for more than 2^30 pixels
        cv2.imdecode(np.frombuffer(absurd, np.uint8), cv2.IMREAD_COLOR)
    with pytest.raises(PhotoError) as refusal:
        decode(absurd, max_pixels=2**62)
    assert refusal.value.reason == "unreadable"


def test_a_reduced_decode_keeps_the_promised_side() -> None:
    big = Image.fromarray(scene(2000, 1500))
    data = encoded(big, "JPEG", quality=92)
    for target, side in ((640, 1000), (500, 500), (400, 500), (2000, 2000), (None, 2000), (100, 250)):
        photo = decode(data, max_pixels=LIMIT, target_side=target)
        assert max(photo.rgb.shape) == side
        assert (photo.width, photo.height) == (2000, 1500)
        assert photo.scale == pytest.approx(side / 2000)
    reduced = decode(data, max_pixels=LIMIT, target_side=500).rgb
    assert difference(reduced, np.asarray(big.resize((500, 375), Image.Resampling.BOX))) < 3


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def zeroed(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


def ended(data: bytes) -> bytes:
    return data[: len(data) // 2] + b"\xff\xd9"


def test_a_png_that_ends_between_two_chunks_is_truncated() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)  # large enough for several chunks
    data = encoded(Image.fromarray(noise), "PNG")
    ends, at = [], 8
    while at < len(data):
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        ends.append(at)
    assert len(ends) > 4
    assert decode(data + b"appended", max_pixels=LIMIT).rgb.shape == (300, 300, 3)
    for end in ends[1:-1]:  # before that, the header makes no sense
        with pytest.raises(PhotoError) as caught:
            decode(data[:end], max_pixels=LIMIT)
        assert caught.value.reason == "truncated"


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "HEIF", "TIFF", "BMP"])
def test_half_a_photo_is_refused_not_padded(file_format: str) -> None:
    data = encoded(Image.fromarray(scene(400, 300)), file_format)
    with pytest.raises(PhotoError) as caught:
        decode(half(data), max_pixels=LIMIT)
    assert caught.value.reason in ("truncated", "unreadable")


@pytest.mark.parametrize("damage", [half, zeroed, ended])
@pytest.mark.parametrize("target", [None, 100])
def test_damaged_jpegs_are_truncated_at_any_scale(damage: Callable[[bytes], bytes], target: int | None) -> None:
    noisy = np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8)
    data = damage(encoded(Image.fromarray(noisy), "JPEG"))
    with pytest.raises(PhotoError) as caught:
        decode(data, max_pixels=LIMIT, target_side=target)
    assert caught.value.reason == "truncated"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_an_image"),
        (b"hello, I am a text file", "not_an_image"),
        (b"\xff\xd8\xff\xe0 nothing more", "unreadable"),
        (b"%PDF-1.7 ...", "not_an_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 96 64\n%%EndComments\nshowpage\n", "not_an_image"),
        (b"P6 2 1 255\n" + bytes(6), "not_an_image"),
    ],
)
def test_what_is_no_photo_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(PhotoError) as caught:
        decode(data, max_pixels=LIMIT)
    assert caught.value.reason == reason


BOMB = """
import io, resource
from PIL import Image
from dentwatch.data.decoding import decode
from dentwatch.errors import PhotoError

buffer = io.BytesIO()
Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode(buffer.getvalue(), max_pixels=100_000_000)
except PhotoError as error:
    print(error.reason, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
"""


def test_a_decompression_bomb_is_refused_before_it_decodes() -> None:
    # A process of its own: in one that peaked higher before, a peak would not show.
    said = subprocess.run([sys.executable, "-c", BOMB], capture_output=True, text=True, check=True, timeout=60).stdout
    reason, grown, message = said.split(" ", 2)
    assert reason == "decompression_bomb"
    assert "20000 × 20000" in message
    assert int(grown) < 200_000  # KiB; decoded it would be 1.2 GB


def test_postscript_never_reaches_an_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("Ghostscript was called"))
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 96 64\n%%EndComments\n(%pipe%id) (r) file\n"
    assert Image.open(io.BytesIO(program)).format == "EPS"  # Pillow would take it
    with pytest.raises(PhotoError):
        decode(program, max_pixels=LIMIT)


def with_scans(count: int, tail: bytes = b"") -> bytes:
    """A progressive JPEG of ``count`` scans, of which the last repeats."""
    photo = encoded(Image.fromarray(scene()), "JPEG", progressive=True)
    last = photo.rindex(b"\xff\xda")
    return photo[:last] + photo[last:-2] * (count - photo[:last].count(b"\xff\xda")) + b"\xff\xd9" + tail


def test_a_jpeg_that_is_drawn_over_and_over_is_a_bomb() -> None:
    with pytest.raises(PhotoError, match="more than 32 scans") as caught:
        decode(with_scans(33), max_pixels=LIMIT)
    assert caught.value.reason == "decompression_bomb"
    for data in (with_scans(32), with_scans(20, tail=b"\xff\xda" * 50)):  # a film behind the photo may hold anything
        assert difference(decode(data, max_pixels=LIMIT).rgb, scene()) < 4


def test_a_damaged_profile_does_not_make_a_whole_jpeg_truncated() -> None:
    plain = encoded(Image.fromarray(scene()), "JPEG", quality=95)
    segment = b"ICC_PROFILE\0\2\1" + bytes(40)  # the second piece of one
    data = plain[:2] + b"\xff\xe2" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]
    assert np.array_equal(decode(data, max_pixels=LIMIT).rgb, decode(plain, max_pixels=LIMIT).rgb)
    with pytest.raises(PhotoError) as caught:
        decode(half(data), max_pixels=LIMIT)
    assert caught.value.reason == "truncated"


def test_half_transparent_pixels_are_laid_on_white() -> None:
    alpha = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))
    seen = decode(encoded(Image.fromarray(np.dstack([scene(), alpha])), "PNG"), max_pixels=LIMIT).rgb
    share = alpha[..., None] / 255
    assert np.abs(seen - (scene() * share + 255 * (1 - share))).max() <= 1


def test_a_photo_higher_than_a_strip_is_whole() -> None:
    tall = scene(8, 2500)
    assert np.array_equal(decode(encoded(Image.fromarray(tall), "PNG"), max_pixels=LIMIT).rgb, tall)
    deep = (tall[..., 0].astype(np.uint16) << 8) | 0x7F
    grey = decode(encoded(Image.fromarray(deep), "PNG"), max_pixels=LIMIT).rgb
    assert difference(grey, np.repeat(tall[..., :1], 3, axis=-1)) < 2


def test_a_grey_of_floats_may_hold_what_is_no_number() -> None:
    values = np.full((64, 96), 0.5, np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    grey = decode(encoded(Image.fromarray(values), "TIFF"), max_pixels=LIMIT).rgb
    assert grey[0, :3, 0].tolist() == [0, 255, 0]


def test_a_photo_too_long_for_a_jpeg_is_refused() -> None:
    with pytest.raises(PhotoError, match="65501 × 1") as caught:
        decode(encoded(Image.new("1", (65_501, 1)), "PNG"), max_pixels=LIMIT)
    assert caught.value.reason == "decompression_bomb"
    assert decode(encoded(Image.new("1", (65_500, 1)), "PNG"), max_pixels=LIMIT).width == 65_500
