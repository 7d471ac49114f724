"""Drawn boxes can be read on photos of any size."""

import io

import numpy as np
import pytest
from PIL import Image

from dentwatch.records.labels import LABELS
from dentwatch.serving.answers import DetectionAnswer
from dentwatch.serving.drawing import COLOURS, draw


def _drawn(side: int, *detections: DetectionAnswer) -> np.ndarray:
    photo = np.full((side, side, 3), 90, np.uint8)
    return np.asarray(Image.open(io.BytesIO(draw(photo, detections)))).astype(int)


def test_every_label_has_a_colour_of_its_own() -> None:
    assert set(COLOURS) == set(LABELS)
    assert len(set(COLOURS.values())) == len(LABELS)


@pytest.mark.parametrize("side", [320, 1280, 4000])
def test_the_line_grows_with_the_photo(side: int) -> None:
    box = DetectionAnswer(label="scratch", score=0.9, x=side / 4, y=side / 4, width=side / 2, height=side / 2)
    row = _drawn(side, box)[side // 2]
    coloured = np.abs(row - COLOURS["scratch"]).max(axis=1) < 60
    assert coloured.sum() / 2 == pytest.approx(max(2, side / 320), abs=1.5)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (180, 0), (0, 180), (190, 195)])
def test_the_name_stays_inside_the_photo(x: float, y: float) -> None:
    box = DetectionAnswer(label="glass_shatter", score=0.55, x=x, y=y, width=200 - x, height=200 - y)
    pixels = _drawn(200, box)
    filled = np.abs(pixels - COLOURS["glass_shatter"]).max(axis=2) < 40
    # The name's ground is a block at least 60 × 8 pixels: some row shows that much of the label's colour and its ink.
    assert ((filled | (pixels.max(axis=2) < 60)).sum(axis=1) >= 60).sum() >= 8


def test_a_label_of_a_later_model_is_drawn_too() -> None:
    box = DetectionAnswer(label="hail", score=0.5, x=50, y=50, width=100, height=100)
    assert np.ptp(_drawn(200, box)) > 100
