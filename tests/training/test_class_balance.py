"""Rarer labels are shown oftener when that is asked for, and nothing changes when it is not."""

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tiny_cars import labelled_photos

from dentwatch.training.augmentation import Augmenter
from dentwatch.training.class_balance import drawn, photo_weights
from dentwatch.training.photo_batches import LabelledPhotos, Place, ShuffledPlaces, TrainingPhotos
from dentwatch.training.run_settings import AugmentationSettings


class Shown(LabelledPhotos):
    """Photos of which only labels are looked at: 80 show a scratch, 10 both, 5 an ignore region, 5 nothing."""

    def __init__(self) -> None:
        self._shown = [[0]] * 80 + [[0, 1]] * 10 + [[-1]] * 5 + [[]] * 5

    def __len__(self) -> int:
        return len(self._shown)

    def labels_of(self, place: int) -> np.ndarray:
        return np.array(self._shown[place], np.int64)


def test_every_photo_weighs_the_same_unless_balance_is_asked_for() -> None:
    assert photo_weights(Shown(), 0.0) is None


@pytest.mark.parametrize(("balance", "weight"), [(1.0, 9.0), (0.5, 3.0)])
def test_photos_with_the_rarer_label_weigh_more(balance: float, weight: float) -> None:
    weights = photo_weights(Shown(), balance)
    assert weights is not None
    assert weights.tolist() == pytest.approx([1.0] * 80 + [weight] * 10 + [1.0] * 10)


def test_photos_are_drawn_as_their_weights_say() -> None:
    weights = photo_weights(Shown(), 1.0)
    assert weights is not None
    places = drawn(weights, np.random.default_rng(0))
    assert len(places) == 100
    counts = np.bincount(places, minlength=100)
    due = weights * 100 / weights.sum()
    assert np.abs(counts - due).max() < 1, "systematic: none is drawn more than one time too often or too seldom"
    assert sorted(places.tolist()) != places.tolist()


def test_a_photo_that_comes_twice_in_an_epoch_is_varied_anew(tmp_path: Path) -> None:
    photos = labelled_photos(tmp_path, 4)
    weights = np.array([3.0, 1.0, 1.0, 1.0])
    sampler = ShuffledPlaces(4, 2, 0, lambda: False, ordered=partial(drawn, weights))
    places = list(sampler)
    twice = [place for place in places if place.photo == 0]
    assert [place.turn for place in twice] == [0, 1]
    samples = TrainingPhotos(photos, Augmenter(AugmentationSettings(), 64), seed=0)
    first, second = (samples[place][0].rgb for place in twice)
    assert not np.array_equal(first, second)
    again = samples[Place(*twice[0])][0].rgb
    assert np.array_equal(first, again)
    assert Counter(place.photo for place in places).total() == 4
