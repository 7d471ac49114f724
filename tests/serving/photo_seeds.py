"""Small valid photos in every format and variant that cameras, phones and programs write."""

import io
import struct
import zlib
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from PIL import Image
from rectangles import as_photo, rectangles_rgb

import dentwatch.data.decoding  # noqa: F401 (teaches Pillow HEIC)

WIDTH, HEIGHT = 96, 64
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row of each pass, and the steps between its columns and rows (PNG, section 8)."""


@lru_cache
def seeds() -> dict[str, bytes]:
    """The photos by name; the name begins with the format's usual extension."""
    return {**_jpegs(), **_pngs(), **_animations(), **_tiffs(), **_others()}


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG with the checksum that it should have."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _rgb(shift: int = 0) -> np.ndarray:  # type: ignore[type-arg]
    """A picture with a gradient, noise and two rectangles that the test model finds."""
    rgb = rectangles_rgb(WIDTH, HEIGHT, ("scratch", 10 + shift, 8, 30, 9), ("dent", 50 + shift, 30, 20, 20))
    noise = np.random.default_rng(shift).integers(0, 30, rgb.shape, np.uint8)
    return np.where(rgb == 90, rgb + noise, rgb).astype(np.uint8)


def _image(mode: str = "RGB", shift: int = 0) -> Image.Image:
    return Image.fromarray(_rgb(shift)).convert(mode)


def _saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, file_format, **options)
    return written.getvalue()


def _jpegs() -> dict[str, bytes]:
    cmyk = _saved(_image("CMYK"), "JPEG")
    adobe = cmyk.index(b"Adobe") + 11  # the byte that names the colour transform: 0 is CMYK, 2 is YCCK
    plain = _saved(_image(), "JPEG")
    precision = plain.index(b"\xff\xc0") + 4
    second = _image(shift=7)
    turned = {f"jpg-turned-{turn}": as_photo(_rgb(), turn, "JPEG") for turn in (3, 6, 8)}
    return {
        "jpg-baseline": plain,
        "jpg-progressive": _saved(_image(), "JPEG", progressive=True),
        "jpg-restarts": _saved(_image(), "JPEG", restart_marker_blocks=2),
        "jpg-cmyk": cmyk,
        "jpg-ycck": cmyk[:adobe] + b"\2" + cmyk[adobe + 1 :],
        "jpg-grey": _saved(_image("L"), "JPEG"),
        "jpg-12-bit": plain[:precision] + b"\x0c" + plain[precision + 1 :],
        "jpg-mpo": _saved(_image(), "MPO", save_all=True, append_images=[second]),
        **turned,
    }


def _pngs() -> dict[str, bytes]:
    alpha = np.dstack([_rgb(), np.linspace(0, 255, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype(np.uint8)])
    deep = _rgb().astype(np.uint16) * 257
    return {
        "png-rgb": _saved(_image(), "PNG"),
        "png-1-bit": _saved(_image("1"), "PNG"),
        "png-grey": _saved(_image("L"), "PNG"),
        "png-grey-16-bit": _saved(Image.fromarray(deep[..., 0]), "PNG"),
        "png-rgb-16-bit": _encoded(".png", deep),
        "png-alpha": _saved(Image.fromarray(alpha), "PNG"),
        "png-palette": _saved(_image("P"), "PNG", transparency=3),
        "png-interlaced": _interlaced(_rgb()),
    }


def _encoded(extension: str, pixels: np.ndarray) -> bytes:  # type: ignore[type-arg]
    done, data = cv2.imencode(extension, pixels)
    assert done
    return bytes(data)


def _interlaced(rgb: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """An interlaced PNG, which no library here writes: seven passes, rows without a filter."""
    passes = [rgb[top::down, left::right] for left, top, right, down in _ADAM7]
    rows = b"".join(b"\0" + row.tobytes() for part in passes for row in part)
    header = struct.pack(">IIBBBBB", rgb.shape[1], rgb.shape[0], 8, 2, 0, 0, 1)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _animations() -> dict[str, bytes]:
    frames = {"save_all": True, "append_images": [_image(shift=5), _image(shift=9)], "duration": 50}
    return {
        "png-animated": _saved(_image(), "PNG", **frames),
        "gif-animated": _saved(_image(), "GIF", **frames),
        "webp-animated": _saved(_image(), "WEBP", **frames),
        "gif-transparent": _saved(_image("P"), "GIF", transparency=3),
    }


def _tiffs() -> dict[str, bytes]:
    deep = _rgb().astype(np.uint16) * 257
    return {
        "tif-8-bit": _saved(_image(), "TIFF"),
        "tif-lzw": _saved(_image(), "TIFF", compression="tiff_lzw"),
        "tif-jpeg": _saved(_image(), "TIFF", compression="jpeg"),
        "tif-fax": _saved(_image("1"), "TIFF", compression="group4"),
        "tif-16-bit": _encoded(".tiff", deep),
        "tif-grey-16-bit": _saved(Image.fromarray(deep[..., 0]), "TIFF"),
        "tif-float": _saved(Image.fromarray(deep[..., 0].astype(np.float32) / 65535), "TIFF"),
        "tif-pages": _saved(_image(), "TIFF", save_all=True, append_images=[_image(shift=3)]),
        "tif-tiled": _tiled(_rgb()),
    }


def _tiled(rgb: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """A TIFF in tiles of 32 × 32 pixels, which no library here writes (TIFF 6.0, section 15)."""
    side = 32
    rows, columns = rgb.shape[0] // side, rgb.shape[1] // side
    tiles = rgb.reshape(rows, side, columns, side, 3).swapaxes(1, 2).reshape(rows * columns, -1)
    size = tiles.shape[1]
    pixels = 8 + 12 * 11 + 6  # behind the header and the directory
    counts_at = pixels + tiles.size
    offsets_at = counts_at + 4 * len(tiles)
    bits_at = offsets_at + 4 * len(tiles)
    fields = [
        (256, 3, 1, rgb.shape[1]),
        (257, 3, 1, rgb.shape[0]),
        (258, 3, 3, bits_at),
        (259, 3, 1, 1),  # not compressed
        (262, 3, 1, 2),  # RGB
        (277, 3, 1, 3),
        (284, 3, 1, 1),
        (322, 3, 1, side),
        (323, 3, 1, side),
        (324, 4, len(tiles), offsets_at),
        (325, 4, len(tiles), counts_at),
    ]
    directory = struct.pack("<H", len(fields)) + b"".join(struct.pack("<HHII", *one) for one in fields) + bytes(4)
    counts = struct.pack(f"<{len(tiles)}I", *[size] * len(tiles))
    offsets = struct.pack(f"<{len(tiles)}I", *range(pixels, counts_at, size))
    return b"II*\0\x08\0\0\0" + directory + tiles.tobytes() + counts + offsets + struct.pack("<3H", 8, 8, 8)


def _others() -> dict[str, bytes]:
    return {
        "webp-lossy": _saved(_image(), "WEBP"),
        "webp-lossless": _saved(_image("RGBA"), "WEBP", lossless=True),
        "heic-plain": _saved(_image(), "HEIF"),
        "heic-alpha": _saved(_image("RGBA"), "HEIF"),
        "avif-plain": _saved(_image(), "AVIF", speed=10),
        "bmp-rgb": _saved(_image(), "BMP"),
        "bmp-palette": _saved(_image("P"), "BMP"),
    }
