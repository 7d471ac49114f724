"""How bad a damage looks, and that a photo without scale says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as some
from price_cases import PRICES, content, table

from dentwatch.records.annotations import Box
from dentwatch.records.detections import Detection
from dentwatch.serving.price_table import SEVERITIES
from dentwatch.serving.severity import clearest, severities

PHOTO = (4000, 3000)  # with a diagonal of 5000


def seen(*boxes: Box, label: str = "scratch", photo: tuple[int, int] = PHOTO) -> list[tuple[str, str, str]]:
    found = severities([Detection(label, 0.9, box) for box in boxes], photo, table())
    return [(one.level, one.at_least, one.at_most) for one in found]


@pytest.mark.parametrize(("side", "level"), [(100, "minor"), (200, "moderate"), (600, "severe")])
def test_the_size_in_the_photo_decides(side: int, level: str) -> None:
    """A box of 3 by 4 sides has a diagonal of 5: a share of 0.1 at 100 … exactly on the limit counts as above."""
    box = Box(500, 500, 4 * side * 0.8, 3 * side * 0.8)
    assert seen(box) == [(level, level, level)]


def test_each_label_has_sizes_of_its_own() -> None:
    labels = {**content()["labels"], "dent": {**PRICES, "moderate_from": 0.05, "severe_from": 0.08}}
    box = Box(500, 500, 400, 300)
    scratch, dent = severities(
        [Detection("scratch", 0.9, box), Detection("dent", 0.9, box)], (4200, 3150), table(labels=labels)
    )
    assert (scratch.level, dent.level) == ("minor", "severe")


def test_megapixels_do_not_matter() -> None:
    small, large = Box(100, 100, 80, 60), Box(1000, 1000, 800, 600)
    assert seen(small, photo=(400, 300)) == seen(large, photo=(4000, 3000))


def test_in_a_close_up_no_size_counts() -> None:
    open_to_all = ("moderate", "minor", "severe")
    assert seen(Box(500, 400, 2400, 1800), Box(600, 500, 80, 60)) == [open_to_all, open_to_all]
    [whole] = severities([Detection("dent", 0.9, Box(0, 0, *PHOTO))], PHOTO, table())
    assert "close-up" in whole.reason
    assert whole.size == 1.0


@pytest.mark.parametrize("place", [(0, 500), (500, 30), (3210, 500), (500, 2410)])
def test_a_box_at_the_edge_may_go_on_outside(place: tuple[int, int]) -> None:
    assert seen(Box(*place, 800, 600)) == [("moderate", "moderate", "severe")]


def test_of_several_photos_the_one_from_farthest_away_counts() -> None:
    near, far = severities(
        [Detection("scratch", 0.9, Box(500, 500, 1600, 1200)), Detection("scratch", 0.9, Box(500, 500, 240, 180))],
        PHOTO,
        table(),
    )
    [close_up] = severities([Detection("scratch", 0.9, Box(500, 500, 2800, 2100))], PHOTO, table())
    [cut] = severities([Detection("scratch", 0.9, Box(0, 500, 40, 30))], PHOTO, table())
    assert (near.level, far.level) == ("severe", "minor")
    assert clearest([near, far, close_up, cut]) == far
    assert clearest([close_up, near]) == near
    assert clearest([close_up, cut]).doubt == 2


@given(
    some.lists(some.tuples(some.floats(0, 3000), some.floats(0, 2000), some.floats(1, 1000), some.floats(1, 1000))),
)
def test_the_best_guess_lies_within_what_is_open_and_the_order_does_not_matter(
    places: list[tuple[float, float, float, float]],
) -> None:
    detections = [Detection("dent", 0.5, Box(*place)) for place in places]
    found = severities(detections, PHOTO, table())
    for one in found:
        assert SEVERITIES.index(one.at_least) <= SEVERITIES.index(one.level) <= SEVERITIES.index(one.at_most)
    assert severities(detections[::-1], PHOTO, table()) == found[::-1]
