"""The features of a photo are named numbers, and what is missing is not a number."""

import numpy as np
import pytest

from dentwatch.data.embedding import EMBEDDING_SIZE
from dentwatch.data.statistics import STATISTIC_NAMES
from dentwatch.monitoring.embedding import FEWEST_PHOTOS, EmbeddingSpace
from dentwatch.monitoring.features import FEATURE_NAMES, photo_features
from dentwatch.records.annotations import Box
from dentwatch.records.detections import Detection

STATISTICS = {name: float(number) for number, name in enumerate(STATISTIC_NAMES)}


def found(label: str, score: float) -> Detection:
    return Detection(label, score, Box(1, 2, 3, 4))


def named(features: np.ndarray) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, features.tolist(), strict=True))


def space(rng: np.random.Generator) -> EmbeddingSpace:
    return EmbeddingSpace.of(rng.normal(0, 1, (400, EMBEDDING_SIZE)))


def test_each_feature_has_its_place_and_name(rng: np.random.Generator) -> None:
    said = [found("scratch", 0.9), found("dent", 0.5), found("scratch", 0.4), found("scratch", 0.2)]
    features = named(photo_features(STATISTICS, said, rng.normal(0, 1, EMBEDDING_SIZE), (640, 320), space(rng)))
    assert {name: features[name] for name in STATISTIC_NAMES} == STATISTICS
    assert (features["top_score"], features["boxes"], features["scratch_share"]) == (0.9, 4, 0.75)
    assert features["mean_score"] == pytest.approx(0.5)
    assert features["aspect"] == pytest.approx(np.log(2))
    assert features["embedding_distance"] == pytest.approx(1, abs=0.5)
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES) == len(features)


def test_a_photo_without_detections_has_no_shares_of_them() -> None:
    features = named(photo_features(STATISTICS, [], None, (100, 100)))
    assert (features["top_score"], features["boxes"], features["aspect"]) == (0, 0, 0)
    missing = {name for name, value in features.items() if np.isnan(value)}
    assert missing == {"scratch_share", "mean_score", "embedding_distance", "embedding_nearest"}


def test_a_statistic_that_was_not_kept_is_missing() -> None:
    some = {name: value for name, value in STATISTICS.items() if name != "noise"}
    assert np.isnan(named(photo_features(some, [], None, (1, 1)))["noise"])


def test_new_photos_of_the_kind_are_as_far_as_the_space_says_and_others_farther(rng: np.random.Generator) -> None:
    known = space(rng)
    alike = np.array([known.figures(one) for one in rng.normal(0, 1, (200, EMBEDDING_SIZE))])
    other = np.array([known.figures(one) for one in rng.normal(2, 1, (200, EMBEDDING_SIZE))])
    assert alike[:, 0].mean() == pytest.approx(1, abs=0.1)
    assert (np.quantile(alike, 0.99, axis=0) < other.min(axis=0)).all()


def test_too_few_photos_make_no_space(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match=f"fewer than {FEWEST_PHOTOS}"):
        EmbeddingSpace.of(rng.normal(0, 1, (FEWEST_PHOTOS - 1, EMBEDDING_SIZE)))
