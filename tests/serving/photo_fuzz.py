"""Photos that are wrong in every way that bytes can be, drawn from a seed: the same seed gives the same photos.

:func:`fuzzed` takes the valid photos of :mod:`photo_seeds` and does to them what broken phones, bad lines, strange
programs and attackers do.
"""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from photo_seeds import png_chunk, seeds
from PIL import Image

_PNG_HEADER = 8 + 25  # signature and IHDR
_HUGE = (0, 1, 9_999, 10_000, 16_384, 30_000, 65_500, 65_535)
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "HEIF", "AVIF")
_ANCILLARY = (
    b"gAMA",
    b"cHRM",
    b"tRNS",
    b"PLTE",
    b"bKGD",
    b"hIST",
    b"pHYs",
    b"sPLT",
    b"zTXt",
    b"iTXt",
    b"acTL",
    b"fcTL",
    b"IDAT",
)
_TEXTS = (
    b"<html><script>alert(1)</script></html>",
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9999999" height="9999999"/>',
    b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 96 64\n%%EndComments\n(%pipe%id) (r) file\n",
    b"#!/bin/sh\nrm -rf /\n",
    b"P6 96 64 255\n" + bytes(96 * 64 * 3),
    b"MZ" + bytes(100),
    "Это не фотография.".encode(),
    b"id,created_at\n1,2026-01-01\n",
)
_NAMES = ("../../etc/passwd", 'a";b.jpg', "車.jpg", "#image[x]*_$", "x" * 300, " ", "con.txt", "a\\b.png", "%00.gif")

Spoil = Callable[[random.Random, bytes], bytes]


@dataclass(frozen=True, slots=True)
class FuzzedPhoto:
    """A photo that was spoilt: what was done to it (``kind``), the name it goes by, and its bytes."""

    kind: str
    name: str
    data: bytes


def fuzzed(count: int, seed: int = 0) -> Iterator[FuzzedPhoto]:
    """``count`` spoilt photos, each kind as often as the others."""
    kinds = tuple(KINDS.items())
    for number in range(count):
        rng = random.Random(f"{seed}:{number}")
        kind, spoil = kinds[number % len(kinds)]
        name, data = rng.choice(tuple(seeds().items()))
        wrong = spoil(rng, data)
        called = (
            rng.choice(_NAMES)
            if rng.random() < 0.05
            else f"{kind.replace(' ', '-')}-{number}-{name}.{_extension(rng, name)}"
        )
        yield FuzzedPhoto(kind, called, wrong)


def _extension(rng: random.Random, name: str) -> str:
    """The extension that fits, or, now and then, another one."""
    return rng.choice(("jpg", "png", "exe", "html", "")) if rng.random() < 0.2 else name.partition("-")[0]


def _as_it_is(_rng: random.Random, data: bytes) -> bytes:
    return data


def _truncated(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _bits_flipped(rng: random.Random, data: bytes) -> bytes:
    spoilt = bytearray(data)
    # A header is short and the pixels are long: half of the flips are for the header.
    reach = len(data) if rng.random() < 0.5 else min(200, len(data))
    for _ in range(rng.choice((1, 2, 8, 64))):
        spoilt[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def _spliced(rng: random.Random, data: bytes) -> bytes:
    """The beginning of one photo and the end of another, or a piece of itself out of place."""
    other = rng.choice(tuple(seeds().values())) if rng.random() < 0.5 else data
    start, end = sorted(rng.choices(range(len(other)), k=2))
    at = rng.randrange(len(data))
    return data[:at] + other[start:end] + data[at + rng.choice((0, end - start)) :]


def _polyglot(rng: random.Random, data: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(zipfile.ZipInfo("run.sh"), "#!/bin/sh\n")
    stranger = rng.choice((archive.getvalue(), *_TEXTS))
    return rng.choice((data + stranger, stranger + data, stranger + data + stranger, data + data))


def _huge(rng: random.Random, data: bytes) -> bytes:
    """The photo with other dimensions in its header, which is in order otherwise."""
    width, height = rng.choice(_HUGE), rng.choice(_HUGE)
    if data.startswith(b"\x89PNG"):
        header = data[16:_PNG_HEADER][:13]
        return data[:8] + png_chunk(b"IHDR", struct.pack(">II", width, height) + header[8:]) + data[_PNG_HEADER:]
    if data.startswith(b"GIF8"):
        return data[:6] + struct.pack("<HH", width, height) + data[10:]
    if data.startswith(b"BM"):
        return data[:18] + struct.pack("<ii", width, -height if rng.random() < 0.3 else height) + data[26:]
    if data.startswith(b"\xff\xd8"):
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        return data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]
    return _measures_replaced(rng, data, width, height)


def _measures_replaced(rng: random.Random, data: bytes, width: int, height: int) -> bytes:
    """Wherever the seed's width or height may be written, as numbers of 2 or 4 bytes, another one."""
    order = rng.choice(("<H", ">H", "<I", ">I"))
    for old, new in ((96, width), (64, height)):
        if rng.random() < 0.8:
            data = data.replace(struct.pack(order, old), struct.pack(order, new), rng.choice((1, 2)))
    return data


def _empty(rng: random.Random, _data: bytes) -> bytes:
    return bytes(rng.choice((0, 1, 100, 5_000)))


def _random(rng: random.Random, data: bytes) -> bytes:
    """Noise, often behind the beginning of a photo."""
    return data[: rng.choice((0, 4, 12, 30, 60))] + rng.randbytes(rng.choice((1, 100, 3_000)))


def _exif_of_garbage(rng: random.Random, data: bytes) -> bytes:
    order, pack = rng.choice(((b"II*\0", "<"), (b"MM\0*", ">")))
    entries = b"".join(
        struct.pack(f"{pack}HHII", rng.choice((0x0112, 0x8769, 0x8825, 0x0201, 0xFFFF)), *_entry(rng))
        for _ in range(rng.choice((0, 1, 5)))
    )
    # The directory that 0x8769 or the last four bytes point to may be this one again.
    directory = struct.pack(f"{pack}H", rng.choice((1, 5, 65_535))) + entries + struct.pack(f"{pack}I", 8)
    tiff = order + struct.pack(f"{pack}I", rng.choice((8, 0, 2**31))) + directory + rng.randbytes(rng.choice((0, 50)))
    return _with_block(data, b"\xff\xe1", b"Exif\0\0" + tiff, png_chunk(b"eXIf", tiff))


def _entry(rng: random.Random) -> tuple[int, int, int]:
    return rng.choice((0, 2, 3, 4, 5, 13, 99)), rng.choice((0, 1, 2**28, 2**32 - 1)), rng.choice((0, 6, 8, 2**32 - 1))


def _profile_of_garbage(rng: random.Random, data: bytes) -> bytes:
    size = rng.choice((0, 10, 128, 600))
    profile = bytearray(rng.randbytes(size))
    if size > 128:
        profile[0:4] = struct.pack(">I", size)
        profile[8:24] = b"\4\x30\0\0mntrRGB XYZ "
        profile[36:40] = b"acsp"
    number, of = rng.choice(((1, 1), (0, 0), (2, 255), (1, 2)))
    segment = b"ICC_PROFILE\0" + bytes((number, of)) + profile
    compressed = b"icc\0\0" + rng.choice((rng.randbytes(40), zlib.compress(profile)))
    return _with_block(data, b"\xff\xe2", segment, png_chunk(b"iCCP", compressed))


def _with_block(data: bytes, marker: bytes, segment: bytes, chunk: bytes) -> bytes:
    """The photo with a block of metadata where its format has them; a JPEG instead of one that has none."""
    if data.startswith(b"\x89PNG"):
        return data[:_PNG_HEADER] + chunk + data[_PNG_HEADER:]
    if not data.startswith(b"\xff\xd8"):
        data = seeds()["jpg-baseline"]
    return data[:2] + marker + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def _chunks_of_nonsense(rng: random.Random, _data: bytes) -> bytes:
    """A PNG with chunks that are in order by their checksums and senseless, or out of place, by what they say."""
    photo = rng.choice([data for name, data in seeds().items() if name.startswith("png")])
    for _ in range(rng.choice((1, 3, 40))):
        at = rng.choice((8, _PNG_HEADER, len(photo) - 12, len(photo)))
        content = rng.choice(
            (b"", rng.randbytes(rng.choice((1, 6, 13, 768))), b"k\0\0" + zlib.compress(bytes(100_000)))
        )
        photo = photo[:at] + png_chunk(rng.choice(_ANCILLARY), content) + photo[at:]
    return photo


def _tiny(rng: random.Random, _data: bytes) -> bytes:
    """One pixel, or one row or column of them, in any format."""
    file_format = rng.choice(_FORMATS)
    # The encoder of HEIC does not take longer ones.
    side = rng.choice((1, 1, 2, 3, 8, 400, 400 if file_format == "HEIF" else 5_000))
    picture = Image.new(rng.choice(("RGB", "L")), rng.choice(((1, side), (side, 1))), rng.choice((0, 255)))
    return _saved(picture, file_format)


def _animated(rng: random.Random, _data: bytes) -> bytes:
    """Frames of one size, many of them, of which the first counts."""
    frames = [Image.new("RGB", (96, 64), (shade, rng.randrange(256), 0)) for shade in range(rng.choice((2, 20, 200)))]
    return _saved(frames[0], rng.choice(("GIF", "PNG", "WEBP")), save_all=True, append_images=frames[1:])


def _scans_repeated(rng: random.Random, _data: bytes) -> bytes:
    """A progressive JPEG that is drawn over and over: each scan costs the decoder a pass over the whole picture."""
    photo = seeds()["jpg-progressive"]
    last = photo.rindex(b"\xff\xda")
    return photo[:last] + photo[last:-2] * rng.choice((2, 20, 2_000)) + b"\xff\xd9"


def _text(rng: random.Random, _data: bytes) -> bytes:
    return rng.choice(_TEXTS) * rng.choice((1, 1, 100))


def _saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, file_format, **options)
    return written.getvalue()


KINDS: dict[str, Spoil] = {
    "as it is": _as_it_is,
    "truncated": _truncated,
    "bits flipped": _bits_flipped,
    "spliced": _spliced,
    "polyglot": _polyglot,
    "huge": _huge,
    "empty": _empty,
    "random": _random,
    "exif of garbage": _exif_of_garbage,
    "profile of garbage": _profile_of_garbage,
    "chunks of nonsense": _chunks_of_nonsense,
    "tiny": _tiny,
    "animated": _animated,
    "scans repeated": _scans_repeated,
    "text": _text,
}
"""What is done to a photo, by name."""
