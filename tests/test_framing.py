"""A box stays on the thing it was drawn around."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dentwatch.data.decoding import decode
from dentwatch.data.framing import clip, placement
from dentwatch.records.annotations import Box

WIDTH, HEIGHT = 120, 80
DRAWN = Box(20, 10, 40, 24)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("stated_scale", [1, 2])
@pytest.mark.parametrize("drawn_on", ["stored", "upright"])
def test_boxes_follow_the_photo(orientation: int, stated_scale: int, drawn_on: str) -> None:
    if drawn_on == "stored" and orientation in (2, 3, 4):
        return  # the stated size cannot tell the two apart; annotation tools show the photo upright
    stored = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    left, top, right, bottom = (round(value) for value in DRAWN.xyxy)
    stored[top:bottom, left:right] = 255
    image = Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=image.getexif().tobytes())
    photo = decode(buffer.getvalue(), max_pixels=10**6)
    rows, columns = photo.rgb[..., 0].nonzero()
    expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)

    source, frame = (
        (DRAWN, (WIDTH, HEIGHT)) if drawn_on == "stored" else (Box.from_xyxy(*expected), photo.rgb.shape[1::-1])
    )
    stated = (frame[0] * stated_scale, frame[1] * stated_scale)
    placed = placement(stated, (photo.width, photo.height), orientation)
    assert placed is not None
    place, _ = placed
    grown = Box(*(value * stated_scale for value in (source.x, source.y, source.width, source.height)))
    assert place(grown).xyxy == pytest.approx(expected)


def test_what_was_done_is_noted() -> None:
    def note(stated: tuple[int, int] | None, upright: tuple[int, int], orientation: int) -> str | None:
        placed = placement(stated, upright, orientation)
        assert placed is not None
        return placed[1]

    assert note(None, (100, 50), 1) is None
    assert note((100, 50), (100, 50), 6) is None
    assert note((50, 25), (100, 50), 1) == "boxes_scaled"
    assert note((50, 100), (100, 50), 6) == "boxes_turned"
    assert placement((50, 100), (100, 50), 1) is None
    assert placement((100, 80), (100, 50), 6) is None


def test_boxes_are_cut_at_the_edge_or_refused() -> None:
    assert clip(Box(0, 0, 100, 50), 100, 50) == (Box(0, 0, 100, 50), None)
    assert clip(Box(-5, 10, 20, 10), 100, 50) == (Box(0, 10, 15, 10), "box_clipped")
    assert clip(Box(90, 40, 10.4, 10.4), 100, 50) == (Box(90, 40, 10, 10), None)
    assert clip(Box(100, 10, 20, 10), 100, 50) == (None, "box_outside")
    assert clip(Box(-20, 10, 20.3, 10), 100, 50) == (None, "box_outside")
    assert clip(Box(10, 10, 0.4, 30), 100, 50) == (Box(10, 10, 0.4, 30), None)
    for empty in (Box(1, 1, 0, 5), Box(1, 1, 5, -1), Box(float("nan"), 1, 5, 5), Box(1, 1, float("inf"), 5)):
        assert clip(empty, 100, 50) == (None, "box_empty")


@given(*[st.floats(-200, 200, allow_subnormal=False)] * 2, *[st.floats(0.01, 300)] * 2)
def test_a_clipped_box_lies_on_the_photo(x: float, y: float, width: float, height: float) -> None:
    box, remark = clip(Box(x, y, width, height), 100, 50)
    if box is None:
        assert remark in ("box_outside", "box_empty")
        return
    left, top, right, bottom = box.xyxy
    assert left >= 0
    assert top >= 0
    assert right <= 100 + 1e-9
    assert bottom <= 50 + 1e-9
    assert box.width > 0 < box.height
