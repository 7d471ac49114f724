"""Batches: the same for any number of workers, and shared out fairly between processes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_cars import HEIGHT, WIDTH, labelled_photos

from dentwatch.training.augmentation import Augmenter
from dentwatch.training.photo_batches import Batch, LabelledPhotos, PlainPhotos, ShuffledPlaces, TrainingPhotos, loader
from dentwatch.training.run_settings import AugmentationSettings

SIDE = 96


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> LabelledPhotos:
    return labelled_photos(tmp_path_factory.mktemp("photos"), 12)


def _places(photos: int, batch: int, rank: int = 0, world: int = 1, epoch: int = 0) -> list[int]:
    sampler = ShuffledPlaces(photos, batch, 3, lambda: True, rank, world)
    sampler.set_epoch(epoch)
    places = [place.photo for place in sampler]
    assert len(places) == len(sampler)
    return places


def _batches(photos: LabelledPhotos, workers: int, epoch: int) -> list[Batch]:
    training = TrainingPhotos(photos, Augmenter(AugmentationSettings(), SIDE), seed=3)
    sampler = ShuffledPlaces(len(photos), 4, 3, lambda: True)
    sampler.set_epoch(epoch)
    return list(loader(training, 4, sampler, workers, False))


def _same(first: Sequence[Batch], second: Sequence[Batch]) -> bool:
    return all(
        one.indices == other.indices
        and torch.equal(one.images, other.images)
        and all(
            torch.equal(getattr(a, part), getattr(b, part))
            for a, b in zip(one.targets, other.targets, strict=True)
            for part in ("boxes", "labels", "ignore")
        )
        for one, other in zip(first, second, strict=True)
    )


def test_samples_do_not_depend_on_the_number_of_workers(photos: LabelledPhotos) -> None:
    alone = _batches(photos, 0, epoch=1)
    assert _same(alone, _batches(photos, 1, epoch=1))
    assert _same(alone, _batches(photos, 2, epoch=1))


def test_another_epoch_shows_other_photos_first_and_each_photo_otherwise(photos: LabelledPhotos) -> None:
    first, second = _batches(photos, 0, epoch=0), _batches(photos, 0, epoch=1)
    order = [[index for batch in batches for index in batch.indices] for batches in (first, second)]
    assert order[0] != order[1]
    assert sorted(order[0]) == sorted(order[1]) == list(range(12))
    pictures = [
        {index: image for batch in batches for index, image in zip(batch.indices, batch.images, strict=True)}
        for batches in (first, second)
    ]
    assert not any(torch.equal(pictures[0][index], pictures[1][index]) for index in range(12))


@given(photos=st.integers(1, 300), batch=st.integers(1, 17), world=st.integers(1, 4), epoch=st.integers(0, 5))
def test_an_epoch_shows_each_photo_at_most_once_and_processes_share_it_evenly(
    photos: int, batch: int, world: int, epoch: int
) -> None:
    shares = [_places(photos, batch, rank, world, epoch) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    together = [photo for share in shares for photo in share]
    assert len(set(together)) == len(together)
    assert photos - len(together) < batch * world


@given(batches=st.integers(1, 9), batch=st.integers(1, 8), world=st.integers(2, 4), rest=st.integers(0, 7))
def test_the_batches_of_several_processes_are_together_those_of_one(
    batches: int, batch: int, world: int, rest: int
) -> None:
    photos = batches * batch * world + rest % (batch * world)
    alone = _places(photos, batch * world)
    shares = [_places(photos, batch, rank, world) for rank in range(world)]
    for step in range(batches):
        of_all = {photo for share in shares for photo in share[step * batch : (step + 1) * batch]}
        assert of_all == set(alone[step * batch * world : (step + 1) * batch * world])


def test_whether_an_epoch_may_have_mosaics_is_asked_when_it_begins() -> None:
    answers = iter([True, False])
    sampler = ShuffledPlaces(4, 2, 0, lambda: next(answers))
    assert [place.mosaic for place in sampler] == [True] * 4
    assert [place.mosaic for place in sampler] == [False] * 4


def test_boxes_are_learnt_ignored_or_left_out_by_label(tmp_path: Path) -> None:
    photos = labelled_photos(tmp_path, 1)
    plain = PlainPhotos(photos, WIDTH)
    (batch,) = loader(plain, 1, [0], 0, False)
    (target,) = batch.targets
    truth = {one.label: one.box.xyxy for one in photos.records[0].annotations}
    assert target.labels.tolist() == [0, 1]
    assert np.allclose(target.boxes, [truth["scratch"], truth["dent"]])
    assert np.allclose(target.ignore, [truth["other"]])
    assert torch.equal(batch.images[0, :HEIGHT], torch.from_numpy(np.array(photos[0].rgb)))
    assert (batch.images[0, HEIGHT:] == 114).all()
    only_dents = LabelledPhotos(photos.records, photos.cache, ("dent",), ())
    assert only_dents[0].labels.tolist() == [0]
    assert np.allclose(only_dents[0].boxes, [truth["dent"]])
