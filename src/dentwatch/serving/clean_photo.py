"""Photos as they may be shown to others: the same picture without what the camera wrote beside it.

A phone writes where it was into every photo. A JPEG is cut out of its file without touching the picture: of its
segments only those stay that decoding needs, and of EXIF only the orientation. Everything else is decoded and written
anew.
"""

import io
import struct

from PIL import Image

from dentwatch.data.decoding import decode
from dentwatch.data.jpeg_segments import segments

MEDIA_TYPE = "image/jpeg"
_QUALITY = 92
_APP0, _APP2, _APP14, _APP15, _COM = 0xE0, 0xE2, 0xEE, 0xEF, 0xFE
_ICC = b"ICC_PROFILE\0"


def clean(data: bytes, *, max_pixels: int) -> bytes:
    """A photo as JPEG without EXIF (but for its orientation), XMP, comments, thumbnails and whatever follows it.

    The picture of a JPEG stays bit for bit. Raises :class:`PhotoError` as
    :func:`~dentwatch.data.decoding.decode` does, for a file that is not a photo.
    """
    decoded = decode(data, max_pixels=max_pixels, target_side=64)  # whatever is shown can be decoded
    if data.startswith(b"\xff\xd8\xff"):
        try:
            return _cut(data, decoded.orientation)
        except (ValueError, struct.error, IndexError):
            pass  # a JPEG that others decode and that is not in order: written anew
    rgb = decode(data, max_pixels=max_pixels).rgb
    written = io.BytesIO()
    Image.fromarray(rgb).save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()


def _cut(data: bytes, orientation: int) -> bytes:
    pieces = [b"\xff\xd8"]
    if orientation != 1:
        pieces.append(_orientation_segment(orientation))
    for marker, piece in segments(data):
        application = _APP0 <= marker <= _APP15
        needed = marker in (_APP0, _APP14) or (marker == _APP2 and piece[4:].startswith(_ICC))
        if (not application or needed) and marker != _COM:
            pieces.append(piece)
    return b"".join([*pieces, b"\xff\xd9"])


def _orientation_segment(orientation: int) -> bytes:
    """An APP1 segment with nothing in it but the orientation (Exif 2.32, tag 0x0112)."""
    directory = struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    payload = b"Exif\0\0MM\0*\0\0\0\x08" + directory
    return b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload
