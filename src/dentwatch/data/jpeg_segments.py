"""The segments that a JPEG file is made of (ITU T.81, annex B)."""

import struct
from collections.abc import Iterator

SOS = 0xDA
"""The marker of a scan: one pass over the picture."""

_SOI, _EOI = 0xD8, 0xD9
_STANDALONE = {0x01, _SOI, *range(0xD0, 0xD8)}  # markers without a length: TEM, SOI, RST0–7 (B.1.1.3)


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment of the first picture, without SOI and EOI.

    A scan comes with its compressed data. Raises :class:`ValueError`, :class:`IndexError` or :class:`struct.error`
    where the file is not in order.
    """
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("a marker was due")
        while data[at + 1] == 0xFF:  # fill bytes
            at += 1
        marker = data[at + 1]
        if marker == _EOI:
            return
        if marker in _STANDALONE:
            at += 2
            continue
        [length] = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        if end > len(data):
            raise ValueError("a segment ends outside the file")
        if marker == SOS:
            end = _end_of_scan(data, end)
        yield marker, data[at:end]
        at = end


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the compressed data that begins at ``at`` ends: at the next marker that is no restart."""
    while True:
        at = data.index(b"\xff", at)
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7 and data[at + 1] != 0xFF:
            return at
        at += 1 if data[at + 1] == 0xFF else 2
