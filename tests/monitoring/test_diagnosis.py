"""A diagnosis says in one sentence what a photographer would say, with the photos that show it."""

import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from inspected import START, statistics

from dentwatch.data.statistics import STATISTIC_NAMES
from dentwatch.monitoring.diagnosis import Drifted, diagnose, stops

NAMES = STATISTIC_NAMES


def table(rng: np.random.Generator, count: int, **changed: float) -> np.ndarray:
    return np.array([[statistics(rng, **changed)[name] for name in NAMES] for _ in range(count)])


@pytest.fixture
def dark(rng: np.random.Generator) -> Drifted:
    return Drifted(
        names=NAMES,
        reference=table(rng, 800),
        photos=table(rng, 400, luma_mean=-48.0, luma_p95=-80.0, contrast=-20.0),
        moved=[("luma_mean", -1), ("luma_p95", -1), ("contrast", -1)],
        cause="dark",
        slice="channel=app",
        since=START + timedelta(minutes=40),
        now=START + timedelta(hours=3),
        calm=("channel=web",),
    )


def test_darkness_is_said_in_stops_with_slice_and_time(dark: Drifted) -> None:
    sentence = diagnose(dark).sentence
    assert sentence == (
        "Photos from channel app have been about 1.7 stops darker since 18:40 UTC; other channels are unchanged."
    )


def test_a_stop_is_half_the_linear_light() -> None:
    assert stops(188, 137.5) == pytest.approx(-1.0, abs=0.01)  # sRGB 188 is half of white, 137.5 a quarter
    assert stops(137.5, 188) == pytest.approx(1.0, abs=0.01)
    assert stops(10, 10) == 0


def test_what_moved_comes_with_its_figures(dark: Drifted) -> None:
    moved = {one.statistic: one for one in diagnose(dark).moved}
    light = moved["luma_mean"]
    assert light.before == pytest.approx(110, abs=2)
    assert light.after == pytest.approx(62, abs=4)
    assert light.deviations == pytest.approx(-48 / 12, abs=0.6)
    assert light.side == -1


def test_the_whole_is_just_photos_and_the_day_is_told_after_a_day(dark: Drifted) -> None:
    whole = replace(dark, slice="all", calm=(), now=START + timedelta(days=3))
    assert diagnose(whole).sentence == "Photos have been about 1.7 stops darker since 2026-11-01 18:40 UTC."


def test_a_drift_of_some_photos_says_how_many_and_is_measured_on_those(dark: Drifted, rng: np.random.Generator) -> None:
    mixed = np.concatenate([table(rng, 280), dark.photos[:120]])
    diagnosis = diagnose(replace(dark, photos=mixed))
    said = diagnosis.sentence
    assert diagnosis.share == pytest.approx(0.3, abs=0.05)
    assert re.match(r"About (2[5-9]|3[0-5])% of photos from channel app have been about 1\.[678] stops darker", said)
    assert all(row >= 280 for row in diagnosis.typical)  # the photos shown are dark ones


@pytest.mark.parametrize(
    ("cause", "changed", "said"),
    [
        ("overexposed", {"luma_mean": 60.0, "bright_clip": 0.2}, "stops brighter, with 22% of their area blown out,"),
        ("blur", {"sharpness": -1.5}, "have been strongly blurred"),
        ("noisy", {"noise": 4.0}, "have been grainier (noise 3.0 times as strong)"),
        ("noisy", {"noise": -1.0}, "have been smoother (noise 0.5 times as strong)"),
        ("haze", {"contrast": -30.0}, "have been flatter, as if through haze (contrast 55 → 25),"),
        ("compressed", {"blockiness": 0.08}, "have been clearly compressed, so that JPEG's blocks show,"),
        ("warm", {"colour_cast": 0.3}, "have been warmer, redder (red against blue +3"),
        ("cool", {"colour_cast": -0.3}, "have been cooler, bluer (red against blue -2"),
        ("new camera", {"resolution": 5.0}, "have differed (resolution is 9"),
    ],
)
def test_every_cause_has_its_words(
    cause: str, changed: dict[str, float], said: str, dark: Drifted, rng: np.random.Generator
) -> None:
    moved = [(name, 1 if by > 0 else -1) for name, by in changed.items()]
    other = replace(dark, cause=cause, moved=moved, photos=table(rng, 200, **changed))
    assert said in diagnose(other).sentence


def test_figures_that_are_missing_do_not_matter(dark: Drifted) -> None:
    holes = dark.photos.copy()
    holes[:10, NAMES.index("luma_p95")] = np.nan
    unknown = replace(dark, photos=holes, moved=[*dark.moved, ("embedding_distance", 1)])
    assert "1.7 stops darker" in diagnose(unknown).sentence
