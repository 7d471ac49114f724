"""The eighth of a spoilt JPEG: what libjpeg refuses is not accepted, and what is accepted looks the same."""

import random
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import simplejpeg
from photo_fuzz import KINDS
from photo_seeds import seeds

from dentwatch.data import eighth
from dentwatch.data.eighth import decode_eighth

pytestmark = pytest.mark.skipif(not eighth.COMPILED, reason="there was no C compiler when Dentwatch was installed")

COUNT = 5_000
ACCEPTED_ALTHOUGH_REFUSED = "bad icc marker"
"""libjpeg warns of a colour profile whose pieces are misnumbered, which Pillow drops. The picture is whole."""

Spoil = Callable[[random.Random, bytes], bytes]


def _byte_changed(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.choice((0, 255, 0xD9, 0xD0, rng.randrange(256)))]) + data[at + 1 :]


def _header_bit_flipped(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(data.index(b"\xff\xda") + 14)
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _bytes_lost(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 2, 5)) :]


def _something_before_the_end(rng: random.Random, data: bytes) -> bytes:
    end = data.rindex(b"\xff\xd9")
    strangers = (b"\0", b"\xff", b"\xff\0", bytes(9), b"\xff\xd0", b"\xff\xfe\0\4ab", b"\xff\xda\0\2")
    return data[:end] + rng.choice(strangers) + data[end:]


SPOILS: tuple[Spoil, ...] = (
    *(KINDS[kind] for kind in ("as it is", "truncated", "bits flipped", "spliced", "polyglot", "profile of garbage")),
    _byte_changed,
    _header_bit_flipped,
    _bytes_lost,
    _something_before_the_end,
)


def spoilt_jpegs(count: int) -> Iterator[bytes]:
    photos = [data for name, data in seeds().items() if name.startswith("jpg")]
    for number in range(count):
        rng = random.Random(f"jpeg {number}")
        yield SPOILS[number % len(SPOILS)](rng, rng.choice(photos))


def header_of(data: bytes) -> tuple[int, int, str] | None:
    """Width, height and colours of a JPEG that is not too large; None where libjpeg finds no header."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    width, height = int(width), int(height)
    return (width, height, str(colours)) if width * height < 10**6 else None


def test_nothing_is_accepted_that_libjpeg_refuses() -> None:
    verdicts: Counter[tuple[bool, bool]] = Counter()
    for data in spoilt_jpegs(COUNT):
        header = header_of(data)
        if header is None:
            continue
        width, height, colours = header
        ours = decode_eighth(data, width, height)
        try:
            sides = {"min_height": -(-height // 8), "min_width": -(-width // 8)}
            theirs = simplejpeg.decode_jpeg(data, "RGB", strict=True, **sides)
        except ValueError as error:
            accepted = ours is not None
            assert not accepted or ACCEPTED_ALTHOUGH_REFUSED in str(error).lower(), error
            verdicts[accepted, False] += 1
            continue
        verdicts[ours is not None, True] += 1
        if ours is not None:
            assert ours.shape == theirs.shape
            if colours == "Gray":
                np.testing.assert_array_equal(ours, theirs)
    assert verdicts[True, True] > COUNT / 5  # so that the test says something
    assert verdicts[False, False] > COUNT / 5
    assert verdicts[False, True] < COUNT / 5  # progressive photos, and what libjpeg overlooks
