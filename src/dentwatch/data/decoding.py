"""From a photo's bytes to upright 8-bit sRGB, safely and no larger than needed.

Plain JPEGs take libjpeg-turbo (simplejpeg), which can decode at a half, a quarter or an eighth of the size for a
fraction of the cost; an eighth is left to :mod:`dentwatch.data.eighth` where that can. Everything else takes Pillow.
Every decode is a whole one: a photo whose end is missing raises instead of being padded with grey.
"""

import io
import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pillow_heif
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from dentwatch.data import jpeg_segments, png_chunks
from dentwatch.data.eighth import decode_eighth
from dentwatch.errors import PhotoError

pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = None  # decode() refuses bombs by its own limit, before any pixel is decoded

# Pillow opens more than photos, and hands PostScript to an interpreter; the others of its parsers stay out of reach.
_FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "BMP", "GIF", "TIFF")
_STRIP = 1024  # rows that are converted at a time, so that no second copy of a large photo is made
_MOST_SCANS = 32  # of a JPEG; programs that squeeze photos hard write up to about 20

_LONGEST_SIDE = 65_500  # a JPEG cannot be longer, and a photo is shown as one

_ORIENTATION_TAG, _WIDTH_TAG, _HEIGHT_TAG = 0x0112, 0x0100, 0x0101
_SRGB = ImageCms.createProfile("sRGB")
_HARMLESS = ("extraneous", "bad icc marker")  # what libjpeg calls corrupt while the picture is whole
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"BM", b"II*\x00", b"MM\x00*", b"GIF8")


@dataclass(frozen=True, slots=True)
class DecodedPhoto:
    """A photo ready to be looked at.

    ``rgb`` is uint8 ``(H, W, 3)``, upright, sRGB. ``width`` and ``height`` are those of the upright original in
    pixels, ``scale`` is decoded ÷ original (1.0, or less after a reduced decode). ``orientation`` is the EXIF value
    that was applied (1 = none), ``file_format`` Pillow's name of the format.
    """

    rgb: NDArray[np.uint8]
    width: int
    height: int
    scale: float
    orientation: int = 1
    file_format: str = ""


class _InPlace(io.RawIOBase):
    """A file of bytes that stay where they are: ``io.BytesIO`` copies what is part of something larger."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: len(self._data)}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        part = self._data[self._place : self._place + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)


def decode(data: bytes | memoryview, *, max_pixels: int, target_side: int | None = None) -> DecodedPhoto:
    """Decode a JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF photo.

    With ``target_side`` a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, but never so that its longer side falls
    below ``target_side`` pixels. Raises :class:`PhotoError` with the reason ``not_an_image``, ``unreadable``,
    ``truncated`` or ``decompression_bomb`` (more than ``max_pixels``, or a JPEG of more scans than any program writes).
    """
    data = _readable(data)
    image = _open(data, max_pixels)
    width, height = image.size
    _refuse_bomb(width, height, max_pixels)
    orientation = _orientation(image)
    file_format = image.format or ""
    if file_format == "PNG" and not png_chunks.is_ended(bytes(data)):  # Pillow is content with the last row
        raise _truncated()
    rgb = _decode_jpeg(data, image, target_side) if file_format in ("JPEG", "MPO") else _decode_any(image)
    rgb = _upright(rgb, orientation)
    if orientation >= 5:
        width, height = height, width
    scale = max(rgb.shape[:2]) / max(width, height)
    return DecodedPhoto(np.ascontiguousarray(rgb), width, height, scale, orientation, file_format)


def size_of(data: bytes | memoryview) -> tuple[int, int]:
    """Width and height of a photo in pixels as its header states them, before it is turned upright.

    No pixel is decoded. Raises :class:`PhotoError` as :func:`decode` does for a header that cannot be read.
    """
    data = _readable(data)
    return _deep_tiff_size(data) or _open(data, max_pixels=0).size


def _readable(data: bytes | memoryview) -> bytes | memoryview:
    """``data`` as what follows can read it: a JPEG where it is, and other photos, which are few, copied."""
    return data if data[:3] == b"\xff\xd8\xff" else bytes(data)


def _refuse_bomb(width: int, height: int, max_pixels: int) -> None:
    if max(width, height) > _LONGEST_SIDE:
        raise PhotoError(
            "decompression_bomb",
            f"The photo would decode to {width} × {height} pixels, and a side may have {_LONGEST_SIDE:,}.",
            "Make it smaller.",
        )
    if width * height > max_pixels:
        raise PhotoError(
            "decompression_bomb",
            f"The photo would decode to {width} × {height} pixels, more than the {max_pixels:,} allowed.",
            "Make it smaller. If it is genuine, raise DENTWATCH_DATA__MAX_PIXELS (in the service, "
            "DENTWATCH_SERVING__MAX_PIXELS).",
        )


def _refuse_scans(data: bytes) -> None:
    """A scan of a few bytes costs a pass over the whole picture, so that a small file could keep a core for hours."""
    if data.count(b"\xff\xda") <= _MOST_SCANS:  # what is appended to a photo may hold these bytes, too
        return
    scans = 0
    try:
        for marker, _ in jpeg_segments.segments(data):
            scans += marker == jpeg_segments.SOS
            if scans > _MOST_SCANS:
                break
    except (ValueError, IndexError, struct.error):
        pass  # the decoder will say what is wrong behind the scans that were counted
    if scans > _MOST_SCANS:
        raise PhotoError(
            "decompression_bomb",
            f"The photo is drawn in more than {_MOST_SCANS} scans, which no camera does.",
            "If it is genuine, save it again.",
        )


def _open(data: bytes | memoryview, max_pixels: int) -> Image.Image:
    if not data:
        raise PhotoError("not_an_image", "The file is empty.", "Fetch it again from its source.")
    try:
        file = io.BytesIO(data) if isinstance(data, bytes) else io.BufferedReader(_InPlace(data))
        return Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError:
        deep = _open_deep_tiff(data, max_pixels)
        if deep is not None:
            return deep
        if bytes(data[:4]).startswith(_MAGIC) or data[4:8] == b"ftyp":
            raise PhotoError(
                "unreadable", "The file begins like a photo, but its header makes no sense.", "Fetch it again."
            ) from None
        raise PhotoError(
            "not_an_image",
            "The file is not a photo in a known format.",
            "Known are JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF and TIFF.",
        ) from None
    except Exception as error:  # any of Pillow's parsers may trip over a malformed header in its own way
        raise PhotoError("unreadable", f"The photo's header cannot be read: {error}.", "Fetch it again.") from error


def _deep_tiff_size(data: bytes | memoryview) -> tuple[int, int] | None:
    """Width and height of a TIFF, also of one that Pillow does not open; None if it is not one."""
    if data[:4] not in (b"II*\x00", b"MM\x00*") or len(data) > 1_000_000_000:
        return None
    try:
        tags = ImageFileDirectory_v2(bytes(data[:8]))
        stream = io.BytesIO(data)
        stream.seek(tags.next)
        tags.load(stream)
        return int(tags[_WIDTH_TAG]), int(tags[_HEIGHT_TAG])
    except Exception:  # Pillow's parser trips over a malformed directory in its own ways
        return None


def _open_deep_tiff(data: bytes | memoryview, max_pixels: int) -> Image.Image | None:
    """A TIFF with 16 bits per colour, which Pillow does not open, as an 8-bit image; None if it is not one."""
    size = _deep_tiff_size(data)
    if size is None:
        return None
    _refuse_bomb(*size, max_pixels)
    try:
        pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        return None
    if pixels is None:
        return None
    image = Image.fromarray(pixels)
    image.format = "TIFF"
    return image


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # a damaged EXIF block does not make the photo unusable
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _decode_jpeg(data: bytes | memoryview, image: Image.Image, target_side: int | None) -> NDArray[np.uint8]:
    if image.info.get("progressive"):
        _refuse_scans(bytes(data))
    if image.mode not in ("RGB", "L"):  # CMYK and YCCK need Pillow's colour handling
        return _decode_any(image)
    width, height = image.size
    factor = 1
    while target_side and factor < 8 and max(width, height) // (factor * 2) >= target_side:
        factor *= 2
    rgb = decode_eighth(data, width, height) if factor == 8 else None
    try:
        if rgb is None:
            rgb = _decode_reduced(data, width, height, factor)
    except ValueError as error:
        if _is_damage(str(error)):
            raise _truncated() from error
        return _decode_any(image)  # a warning that other readers live with, or a variant turbojpeg does not know
    profile = image.info.get("icc_profile")
    if profile and not _is_srgb(profile):
        rgb = np.asarray(_to_srgb(Image.fromarray(rgb), profile))
    return rgb


def _decode_reduced(data: bytes | memoryview, width: int, height: int, factor: int) -> NDArray[np.uint8]:
    """The picture at 1/``factor`` by libjpeg-turbo; raises :class:`ValueError` for whatever is amiss."""
    rgb: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, "RGB", min_width=-(-width // factor), min_height=-(-height // factor), strict=True
    )
    return rgb


def _is_damage(message: str) -> bool:
    text = message.lower()
    return "premature end" in text or (
        "corrupt jpeg data" in text and not any(harmless in text for harmless in _HARMLESS)
    )


def _decode_any(image: Image.Image) -> NDArray[np.uint8]:
    try:
        image.load()
        return _pixels(_flatten(image))
    except MemoryError:
        raise
    except Exception as error:
        text = str(error).lower()
        if isinstance(error, EOFError) or any(word in text for word in ("truncated", "end of", "incomplete", "eof")):
            raise _truncated() from error
        raise PhotoError("unreadable", f"The photo cannot be decoded: {error}.", "Fetch it again.") from error


def _flatten(image: Image.Image) -> Image.Image:
    """Any Pillow mode → RGB: profile applied, deep greys scaled, transparency laid on white."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        return _from_deep_grey(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.new("RGB", rgba.size, "white")
        image.paste(rgba, mask=rgba)
    if profile and image.mode in ("RGB", "CMYK") and not _is_srgb(profile):
        image = _to_srgb(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits, or of floats in [0, 1], → RGB; what is no number is black."""
    values = np.asarray(image)
    full = 1.0 if image.mode == "F" and np.fmax.reduce(values, axis=None, initial=0) <= 1 else 65535.0
    grey = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), _STRIP):
        strip = np.nan_to_num(values[top : top + _STRIP].astype(np.float64), copy=False)
        grey[top : top + _STRIP] = np.clip(strip * (255.0 / full) + 0.5, 0, 255)
    return Image.fromarray(grey).convert("RGB")


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels of an RGB image, ``(H, W, 3)``."""
    width, height = image.size
    rgb = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        rgb[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return rgb


def _is_srgb(profile: bytes) -> bool:
    # The description stands in the profile in ASCII or UTF-16; parsing it would cost more than decoding the photo.
    return b"sRGB" in profile[:4096] or "sRGB".encode("utf-16-be") in profile[:4096]


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB")  # a damaged or mismatched profile is ignored, as browsers do
    return converted if converted is not None else image.convert("RGB")


def _upright(rgb: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Apply an EXIF orientation (Exif 2.32, tag 0x0112) to ``(H, W, 3)``."""
    if orientation >= 5:
        rgb = rgb.transpose(1, 0, 2)
    flip_rows, flip_columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return rgb[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]


def _truncated() -> PhotoError:
    return PhotoError("truncated", "A part of the photo's data is missing or damaged.", "Fetch it again.")
