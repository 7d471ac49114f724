"""The chunks that a PNG file is made of (W3C, "Portable Network Graphics", section 5)."""

import struct

_SIGNATURE_BYTES = 8
_AROUND_DATA = 12  # a chunk's length, type and checksum
_END = b"IEND"


def is_ended(data: bytes) -> bool:
    """Whether a PNG has its last chunk, so that nothing was cut off; what follows that chunk does not matter."""
    at = _SIGNATURE_BYTES
    while at + _AROUND_DATA <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == _END:
            return True
        at += _AROUND_DATA + length
    return False
