"""What is shown to others says nothing but the picture."""

import io

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from rectangles import as_photo, rectangles_rgb

from dentwatch.data.decoding import decode
from dentwatch.errors import PhotoError
from dentwatch.serving.clean_photo import clean

_SECRET = b"51.4778,-0.0015"
_RGB = rectangles_rgb(320, 200, ("scratch", 20, 30, 90, 20), ("dent", 200, 100, 60, 60))


def _with_everything(file_format: str = "JPEG", orientation: int = 6, **options: object) -> bytes:
    """A photo with position, maker's name, comment and a trailing thumbnail."""
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    exif[Base.Make] = _SECRET.decode()
    exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitudeRef] = "N"
    written = io.BytesIO()
    extra = {"comment": _SECRET, "xmp": b"<x>" + _SECRET + b"</x>"} if file_format == "JPEG" else {}
    Image.fromarray(_RGB).save(written, file_format, exif=exif, **extra, **options)  # type: ignore[arg-type]
    return written.getvalue()


def _pixels(data: bytes) -> np.ndarray:  # type: ignore[type-arg]
    return decode(data, max_pixels=10_000_000).rgb


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"subsampling": 0}])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_keeps_its_picture_and_orientation_and_loses_the_rest(
    options: dict[str, object], orientation: int
) -> None:
    data = _with_everything(orientation=orientation, **options) + _with_everything()
    assert _SECRET in data
    cleaned = clean(data, max_pixels=1_000_000)
    assert _SECRET not in cleaned
    assert np.array_equal(_pixels(cleaned), _pixels(data))
    exif = Image.open(io.BytesIO(cleaned)).getexif()
    assert dict(exif) == ({} if orientation == 1 else {Base.Orientation: orientation})
    assert len(cleaned) < len(data) - len(_with_everything())


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_other_formats_are_written_anew_upright(file_format: str) -> None:
    cleaned = clean(_with_everything(file_format), max_pixels=1_000_000)
    assert _SECRET not in cleaned
    shown = Image.open(io.BytesIO(cleaned))
    assert (shown.format, shown.size) == ("JPEG", (200, 320))
    assert not dict(shown.getexif())


def test_a_colour_profile_stays() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    cleaned = clean(_with_everything(icc_profile=profile), max_pixels=1_000_000)
    assert Image.open(io.BytesIO(cleaned)).info["icc_profile"] == profile


def test_what_is_no_photo_is_not_shown() -> None:
    for data in (b"", b"<script>", as_photo(_RGB)[:-200]):
        with pytest.raises(PhotoError):
            clean(data, max_pixels=1_000_000)
