"""Small pictures of photos, for pages: upright, in sRGB, without what the camera wrote beside them."""

import io

from PIL import Image

from dentwatch.data.decoding import decode

KEEP_AN_HOUR = {"Cache-Control": "private, max-age=3600"}
"""Headers of a small picture: it comes again and again, and never changes."""

_QUALITY = 82


def small_picture(data: bytes, side: int, *, max_pixels: int) -> bytes:
    """A photo as a JPEG whose longer side has at most ``side`` pixels.

    Raises :class:`PhotoError` as :func:`~dentwatch.data.decoding.decode` does.
    """
    picture = Image.fromarray(decode(data, max_pixels=max_pixels, target_side=side).rgb)
    picture.thumbnail((side, side))
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()
