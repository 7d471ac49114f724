"""Harm is estimated without a label of production, and comes out as what labels would say.

The model boxes rectangles brighter than half of what 8 bits hold, so that how much recall a change of light costs is
known exactly.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from serving.rectangles import as_photo, rectangle_graph, rectangles_rgb, write_bundle
from test_degradation import STREET

from dentwatch.data.degradation import over_exposure
from dentwatch.data.linear_light import LINEAR, encode
from dentwatch.data.remakes import REMAKES, Way
from dentwatch.data.statistics import photo_statistics
from dentwatch.errors import MonitoringError, PhotoError
from dentwatch.monitoring.features import FEATURE_NAMES, photo_features
from dentwatch.monitoring.harm import Harm, HarmEstimator, estimate_harm
from dentwatch.monitoring.harm_matching import match_amount
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.inspection import Inspector
from dentwatch.settings import MonitoringSettings

PHOTOS, PER_VEHICLE = 36, 3
MARK = 128  # the model sees nothing that is darker


def scratched(seed: int) -> tuple[NDArray[np.uint8], int]:
    """A photo of soft noise with a scratch, and how bright that is."""
    rng = np.random.default_rng(seed)
    level = int(rng.integers(130, 256))
    rgb = rectangles_rgb(256, 192, ("scratch", 40, 30, 90, 60), level=level)
    ground = (rgb == 90).all(axis=-1)
    rgb[ground] = rng.integers(60, 121, (int(ground.sum()), 1), np.uint8)
    return rgb, level


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    folder = tmp_path_factory.mktemp("models") / "rectangles"
    bundle = write_bundle(folder, rectangle_graph(), thresholds={"scratch": 0.1, "dent": 0.1})
    return Inspector(bundle, threads=1, max_pixels=10**6)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PhotoStore:
    return PhotoStore(str(tmp_path_factory.mktemp("photos")))


@pytest.fixture(scope="module")
def records(store: PhotoStore) -> list[PhotoRecord]:
    marks = (Annotation("scratch", Box(40, 30, 90, 60)),)
    return [
        PhotoRecord(
            store.put(as_photo(scratched(seed)[0])),
            f"{seed}.png",
            f"car {seed // PER_VEHICLE}",
            "val",
            256,
            192,
            True,
            marks,
        )
        for seed in range(PHOTOS)
    ]


@pytest.fixture(scope="module")
def estimator(inspector: Inspector, records: list[PhotoRecord], store: PhotoStore) -> HarmEstimator:
    return HarmEstimator(inspector, records, store)


def production(change: Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]) -> NDArray[np.float64]:
    """The features of other photos after ``change``; of detections and embeddings the estimate knows nothing."""
    rng = np.random.default_rng(5)
    changed = [change(scratched(1000 + seed)[0], rng) for seed in range(60)]
    return np.stack([photo_features(asdict(photo_statistics(rgb)), [], None, (256, 192)) for rgb in changed])


def darker(stops: float) -> NDArray[np.float64]:
    return production(lambda rgb, rng: over_exposure(rgb, -stops, rng))


def true_recall(stops: float) -> float:
    """The share of the labelled scratches that the model still sees with so much less light."""
    after = encode(LINEAR * np.float32(2.0**-stops))
    return float(np.mean([after[scratched(seed)[1]] > MARK for seed in range(PHOTOS)]))


@pytest.mark.parametrize("stops", [0.4, 0.8, 1.25])
def test_the_loss_of_recall_in_darkness_is_what_labels_would_say(estimator: HarmEstimator, stops: float) -> None:
    harm = estimator.estimate("dark", darker(stops))
    assert harm.amount == pytest.approx(stops, abs=0.1)
    assert harm.unit == "stops less light"
    assert harm.strict.before == 1
    assert harm.strict.after == pytest.approx(true_recall(stops), abs=0.12)
    assert harm.strict.lost == pytest.approx(100 * (harm.strict.before - harm.strict.after))
    assert harm.strict.low is not None
    assert harm.strict.high is not None
    assert harm.strict.low <= harm.strict.lost <= harm.strict.high
    there, here = harm.matched["luma_mean"]
    assert here == pytest.approx(there, abs=3)
    assert (harm.photos, harm.truths) == (PHOTOS, PHOTOS)


def test_where_only_some_photos_are_dark_only_some_recall_is_lost(estimator: HarmEstimator) -> None:
    def sometimes(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        return over_exposure(rgb, -3, rng) if rng.random() < 0.4 else rgb

    harm = estimator.estimate("dark", production(sometimes))
    assert harm.amount == pytest.approx(3, abs=0.5)
    assert harm.strict.lost == pytest.approx(40, abs=12)  # at -3 stops nothing is seen


def test_what_does_no_harm_is_within_tolerance_and_what_does_is_beyond(estimator: HarmEstimator) -> None:
    tolerance = MonitoringSettings().harm_tolerance
    assert not estimator.estimate("warm", production(lambda rgb, rng: rgb)).beyond(tolerance)
    assert estimator.estimate("dark", darker(1.5)).beyond(tolerance)


def test_asking_again_gives_the_same(
    estimator: HarmEstimator, inspector: Inspector, records: list[PhotoRecord], store: PhotoStore
) -> None:
    features = darker(1)
    first: Harm = estimator.estimate("dark", features)
    assert estimator.estimate("dark", features) == first
    assert estimate_harm(inspector, records, store, "dark", features) == first


def test_a_few_vehicles_give_no_interval(inspector: Inspector, records: list[PhotoRecord], store: PhotoStore) -> None:
    few = estimate_harm(inspector, records[: 2 * PER_VEHICLE], store, "dark", darker(1))
    assert few.strict.low is None
    assert few.photos == 2 * PER_VEHICLE


def test_photos_that_nobody_annotated_do_not_count(
    inspector: Inspector, records: list[PhotoRecord], store: PhotoStore
) -> None:
    unseen = [PhotoRecord("0" * 64, "x", "x", "val", 1, 1, annotated=False)]
    assert estimate_harm(inspector, [*unseen, *records], store, "dark", darker(1)).photos == PHOTOS
    with pytest.raises(MonitoringError, match="annotated scratch or dent"):
        HarmEstimator(inspector, unseen, store)


def test_a_cause_that_cannot_be_made_is_refused(estimator: HarmEstimator) -> None:
    with pytest.raises(MonitoringError, match="'content' cannot be estimated") as refused:
        estimator.estimate("content", darker(1))
    assert "verdicts" in str(refused.value.hint)
    with pytest.raises(MonitoringError, match="without photos of production"):
        estimator.estimate("dark", np.empty((0, len(FEATURE_NAMES))))


def test_a_photo_that_is_gone_is_named(inspector: Inspector, records: list[PhotoRecord], tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="not in the photo store"):
        estimate_harm(inspector, records, PhotoStore(str(tmp_path)), "dark", darker(1))


def test_each_cause_is_remade_so_that_its_statistics_move_all_the_way() -> None:
    for cause, remake in REMAKES.items():
        for way in remake.ways:
            steps = [STREET, *(way.apply(STREET, amount, np.random.default_rng(0)) for amount in way.amounts)]
            leading = [getattr(photo_statistics(rgb), remake.statistics[0]) for rgb in steps]
            moved = np.diff(leading)
            assert abs(moved.sum()) > 0.8 * np.abs(moved).sum() > 0, (cause, way.name)


def test_darkness_is_remade_without_noise_with_a_little_and_with_much() -> None:
    noise_of = {}
    for way in REMAKES["dark"].ways:
        dark = photo_statistics(way.apply(STREET, 3, np.random.default_rng(0)))
        assert dark.luma_mean == pytest.approx(
            photo_statistics(over_exposure(STREET, -3, np.random.default_rng(0))).luma_mean, rel=0.1
        )
        noise_of[way.name] = dark.noise
    clean, little, much = (
        noise_of[name] for name in ("under-exposure", "low light with a little noise", "low light with its noise")
    )
    assert clean < 0.7 * little
    assert little < 0.7 * much


def _way(name: str, amounts: tuple[float, ...]) -> Way:
    return Way(name, "steps", amounts, lambda rgb, amount, rng: rgb)


@pytest.mark.parametrize("amount", [0.0, 0.3, 1.5, 2.9])
def test_between_measured_amounts_the_amount_is_interpolated(amount: float, rng: np.random.Generator) -> None:
    clean, drifted = rng.normal(0, 1, (200, 2)), rng.normal(0, 1, (300, 2))
    ladder = np.stack([clean + step * np.array([1, -2]) for step in (1, 2, 3)])
    found = match_amount([_way("steps", (1, 2, 3))], clean, [ladder], drifted + amount * np.array([1, -2]))
    assert found.amount == pytest.approx(amount, abs=0.15)
    np.testing.assert_allclose(found.medians, np.median(clean, axis=0) + found.amount * np.array([1, -2]))


def test_no_drift_is_the_photo_as_it_was_taken() -> None:
    for remake in REMAKES.values():
        for way in remake.ways:
            assert way.apply(STREET, way.nothing, np.random.default_rng(0)) is STREET


def test_of_several_ways_the_one_that_fits_best_counts(rng: np.random.Generator) -> None:
    clean, drifted = rng.normal(0, 1, (200, 2)), rng.normal(0, 1, (300, 2))
    ways = [_way("first alone", (1, 3)), _way("both together", (1, 3))]
    ladders = [np.stack([clean + step * np.array(way) for step in (1, 3)]) for way in ([1, 0], [1, 1])]
    assert match_amount(ways, clean, ladders, drifted + np.array([2, 0])).way.name == "first alone"
    assert match_amount(ways, clean, ladders, drifted + np.array([2, 2])).way.name == "both together"


def test_a_share_of_the_photos_may_have_drifted(rng: np.random.Generator) -> None:
    clean, drifted = rng.normal(0, 1, (200, 2)), rng.normal(0, 1, (400, 2))
    drifted[:120] += 8
    found = match_amount([_way("steps", (4, 8, 12))], clean, [np.stack([clean + step for step in (4, 8, 12)])], drifted)
    assert found.share == pytest.approx(0.3)
    assert found.amount == pytest.approx(8, abs=1)


def test_what_falls_with_harm_begins_at_the_best_quality(rng: np.random.Generator) -> None:
    clean = rng.normal(0, 1, (200, 1))
    way = Way("quality", "", (80, 40), lambda rgb, amount, rng: rgb, nothing=100)
    assert match_amount([way], clean, [np.stack([clean + 1, clean + 2])], clean).amount == 100


def test_missing_figures_do_not_count(rng: np.random.Generator) -> None:
    clean = rng.normal(0, 1, (200, 1))
    drifted = np.concatenate([clean + 2, np.full((100, 1), np.nan)])
    assert match_amount([_way("a", (1, 3))], clean, [np.stack([clean + 1, clean + 3])], drifted).amount == 2


def test_monitoring_needs_nothing_of_the_train_extra() -> None:
    """Where torch and the rest of ``dentwatch[train]`` are missing, harm is estimated all the same."""
    code = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "torchvision", "lightning", "sklearn", "faster_coco_eval", "timm"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import dentwatch.monitoring.harm, dentwatch.monitoring.champion_reference, dentwatch.monitoring.traffic_reference
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
