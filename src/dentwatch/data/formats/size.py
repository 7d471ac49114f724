"""The size of a photo as a person sees it, from its file's head alone."""

import warnings
from typing import IO

from PIL import ExifTags, Image, UnidentifiedImageError

_SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that swap width and height (EXIF 2.32, tag 0x0112)."""


def upright_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Width and height of the upright photo in pixels, or None when the file is not a photo that can be read."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # huge or oddly tagged photos are judged later, by validation
            with Image.open(file) as image:
                width, height = image.size
                orientation = image.getexif().get(ExifTags.Base.Orientation)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        return None
    return (height, width) if orientation in _SIDEWAYS else (width, height)
