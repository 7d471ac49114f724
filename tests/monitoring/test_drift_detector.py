"""What the drift detector does with a stream: one update per vehicle, exact restarts, and alarms that explain."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dentwatch.data.statistics import STATISTIC_NAMES
from dentwatch.errors import DriftStateError
from dentwatch.monitoring.drift.detector import DriftDetector
from dentwatch.monitoring.drift.odds import Odds
from dentwatch.monitoring.drift.reading import DriftReading
from dentwatch.monitoring.drift.slices import MOST_VALUES, OTHER, SlicedDetector
from dentwatch.monitoring.features import FEATURE_NAMES
from dentwatch.monitoring.reference import Reference

FIGURES = Path(__file__).parent / "synthetic_statistics.npz"
"""Statistics of synthetic photos under drifts, written by ``benchmarks/drift/fixture.py``."""
SUDDEN = {
    "-1 stops": "dark",
    "-2 stops": "dark",
    "+1 stops": "overexposed",
    "blur σ 2": "blur",
    "haze 40%": "haze",
    "noise 2 stops": "noisy",
    "JPEG 12": "compressed",
    "warm 0.5": "warm",
    "cool 0.5": "cool",
}


@pytest.fixture(scope="module")
def figures() -> dict[str, NDArray[np.float64]]:
    """``reference`` and ``clean`` and each drift, ``(vehicles, 2, F)``; detector outputs and embedding are random."""
    rng = np.random.default_rng(0)
    with np.load(FIGURES) as kept:
        return {name: _completed(kept[name].astype(np.float64), rng) for name in kept.files}


def _completed(statistics: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    others = rng.normal(size=(len(statistics), len(FEATURE_NAMES) - len(STATISTIC_NAMES)))
    return np.concatenate([statistics, others], axis=1).reshape(-1, 2, len(FEATURE_NAMES))


@pytest.fixture(scope="module")
def odds(figures: dict[str, NDArray[np.float64]]) -> Odds:
    reference = figures["reference"]
    owners = [str(number) for number in range(len(reference)) for _ in range(2)]
    return Odds(reference.reshape(-1, len(FEATURE_NAMES)), owners, FEATURE_NAMES)


def test_a_reference_of_the_champion_arms_a_detector(figures):
    photos = figures["reference"].reshape(-1, len(FEATURE_NAMES))
    owners = tuple(str(number) for number in range(len(photos) // 2) for _ in range(2))
    reference = Reference(photos, owners, "champion", "a dataset version", "validation", "2026-01-01T00:00:00+00:00")
    detector = DriftDetector(reference, one_in=10_000)
    assert shown(detector, figures["-2 stops"], 40).cause == "dark"


def test_a_stricter_promise_takes_longer(figures, odds):
    delays = []
    for one_in in (1e4, 1e12):
        detector = DriftDetector(None, one_in, odds=odds)
        seen = [figures["-1 stops"][number % 60] for number in range(200)]
        delays.append(next(number for number, photos in enumerate(seen) if detector.update(photos).alarms))
    assert delays[0] < delays[1]


def shown(detector: DriftDetector, vehicles: NDArray[np.float64], count: int, seed: int = 1) -> DriftReading:
    """The reading after ``count`` vehicles drawn at random."""
    drawn = np.random.default_rng(seed).integers(len(vehicles), size=count)
    return [detector.update(vehicles[number]) for number in drawn][-1]


@pytest.mark.parametrize("drift", SUDDEN)
def test_a_sudden_drift_is_noticed_within_tens_of_vehicles_and_its_cause_is_named(drift, figures, odds):
    detector = DriftDetector(None, odds=odds)
    assert not shown(detector, figures["clean"], 300).alarms
    reading = shown(detector, figures[drift], 90)
    assert reading.cause == SUDDEN[drift]
    assert [alarm.cause for alarm in reading.alarms if alarm.primary] == [SUDDEN[drift]]
    first = reading.alarms[0]
    assert abs(first.onset - 301) <= 20
    assert first.pace == "sudden"
    assert first.moved[0].deviations != 0


def test_a_shift_of_the_detector_outputs_alone_is_told_from_a_drift_of_the_photos(figures, odds):
    detector = DriftDetector(None, odds=odds)
    shown(detector, figures["clean"], 100)
    shifted = figures["clean"].copy()
    shifted[:, :, FEATURE_NAMES.index("top_score")] -= 2.0
    reading = shown(detector, shifted, 60)
    assert [alarm.channel for alarm in reading.alarms] == ["detections"]
    assert reading.cause == "detector outputs"
    assert reading.alarms[0].moved[0].statistic == "top_score"
    assert reading.alarms[0].moved[0].direction == "down"
    assert reading.alarms[0].moved[0].deviations == pytest.approx(-2.0, abs=0.4)


def test_another_kind_of_photo_and_another_camera_have_names_of_their_own(figures, odds):
    for statistic, cause in (("embedding_distance", "other photos"), ("resolution", "new camera")):
        detector = DriftDetector(None, odds=odds)
        other = figures["clean"].copy()
        other[:, :, FEATURE_NAMES.index(statistic)] += 3.0
        assert shown(detector, other, 60).cause == cause


def test_a_slow_change_is_called_gradual(odds, figures):
    detector = DriftDetector(None, odds=odds)
    rng = np.random.default_rng(2)
    clean, column = figures["clean"], FEATURE_NAMES.index("embedding_distance")
    for step in range(3000):
        seen = clean[rng.integers(len(clean))].copy()
        seen[:, column] += step / 1000
        reading = detector.update(seen)
        if reading.alarms and reading.settled:
            break
    assert reading.alarms[0].pace == "gradual"


def test_an_alarm_ends_when_the_photos_are_as_before(figures, odds):
    detector = DriftDetector(None, odds=odds)
    assert shown(detector, figures["blur σ 2"], 40).alarms
    rng = np.random.default_rng(3)
    ended = [name for _ in range(400) for name in detector.update(figures["clean"][rng.integers(60)]).ended]
    assert "optics" in ended
    assert not shown(detector, figures["clean"], 1).alarms


def test_the_photos_of_one_vehicle_are_one_update_however_many_they_are(figures, odds):
    one, many = DriftDetector(None, odds=odds), DriftDetector(None, odds=odds)
    for seen in figures["clean"][:20]:
        first = one.update(seen)
        second = many.update(np.concatenate([seen] * 10))
        assert first.updates == second.updates
        assert second.evidence == pytest.approx(dict(first.evidence))


def test_a_restored_detector_goes_on_to_the_last_bit_after_every_update(figures, odds):
    whole, restarted = DriftDetector(None, odds=odds), DriftDetector(None, odds=odds)
    for seen in np.concatenate([figures["clean"][:20], figures["-2 stops"][:40]]):
        fresh = DriftDetector(None, odds=odds)
        fresh.restore(restarted.state())
        restarted = fresh
        assert restarted.update(seen) == whole.update(seen)
        assert restarted.state() == whole.state()


@pytest.mark.parametrize("spoilt", [b"", b"x" * 100, None])
def test_a_state_that_is_damaged_or_of_another_reference_is_refused(spoilt, figures, odds):
    detector = DriftDetector(None, odds=odds)
    if spoilt is None:
        other = figures["reference"] + 1.0
        owners = [str(number) for number in range(len(other)) for _ in range(2)]
        bets = Odds(other.reshape(-1, len(FEATURE_NAMES))[:-4], owners[:-4], FEATURE_NAMES)
        spoilt = DriftDetector(None, odds=bets).state()
    with pytest.raises(DriftStateError):
        detector.restore(spoilt)
    assert detector.updates == 0


def test_memory_does_not_grow_with_the_stream(figures, odds):
    detector = DriftDetector(None, odds=odds)
    shown(detector, figures["clean"], 300)
    before = len(detector.state())
    shown(detector, figures["clean"], 1000)
    assert abs(len(detector.state()) - before) < 64  # the number of updates has more digits


def test_missing_figures_are_no_evidence(figures, odds):
    detector = DriftDetector(None, odds=odds)
    nothing = np.full((1, len(FEATURE_NAMES)), np.nan)
    for _ in range(200):
        reading = detector.update(nothing)
    assert not reading.alarms


def test_one_drifting_slice_of_five_is_named_and_the_others_stay_calm(figures, odds):
    detector = SlicedDetector(odds, ("channel", "hour"))
    rng = np.random.default_rng(4)
    channels = ("app", "web", "dealer", "partner", "kiosk")
    last = {}
    for number in range(250):
        channel = channels[number % 5]
        seen = figures["-1 stops" if channel == "app" and number >= 100 else "clean"]
        reading = detector.update(seen[rng.integers(60)], {"channel": channel, "hour": str(number % 7)})
        last[channel] = reading.slices[f"channel={channel}"]
    assert {channel for channel, reading in last.items() if reading.alarms} == {"app"}
    assert last["app"].cause == "dark"


def test_slices_are_restored_exactly_and_their_number_is_limited(figures, odds):
    first = SlicedDetector(odds, ("device",))
    for number in range(MOST_VALUES + 5):
        first.update(figures["clean"][number % 60], {"device": f"phone {number}"})
    assert len(first.slices) == MOST_VALUES + 1
    assert first.slices[f"device={OTHER}"].updates == 5
    second = SlicedDetector(odds, ("device",))
    second.restore(first.state())
    assert second.state() == first.state()
    with pytest.raises(DriftStateError):
        second.restore(b"spoilt")
