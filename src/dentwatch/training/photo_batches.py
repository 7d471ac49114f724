"""From cached photos to batches: what a step of training or validation sees.

Every sample is a function of (seed, epoch, place), so it does not matter which process prepares it, and a run that was
killed goes on with exactly the samples that it would have seen.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from dentwatch.data.letterbox import letterbox
from dentwatch.records.annotations import PhotoRecord
from dentwatch.training.augmentation import IGNORE, Augmenter, LabelledPhoto
from dentwatch.training.detectors.contract import Target
from dentwatch.training.photo_cache import PhotoCache

_COURTESY = 10  # how much lower than training's the priority of processes that prepare photos is


class Place(NamedTuple):
    """Which sample: epoch, place of the photo in the records, and whether it may become a mosaic.

    ``turn`` counts from 0 the times that the photo comes in the epoch.
    """

    epoch: int
    photo: int
    mosaic: bool
    turn: int = 0


class Batch:
    """``images`` uint8 ``(N, S, S, 3)`` RGB, the truth per photo, and the photos' places in their records."""

    def __init__(self, images: Tensor, targets: list[Target], indices: list[int]) -> None:
        self.images = images
        self.targets = targets
        self.indices = indices

    def pin_memory(self) -> "Batch":
        """Page-locked copies, for a faster way to a GPU."""
        return Batch(self.images.pin_memory(), self.targets, self.indices)

    def to(self, device: torch.device, non_blocking: bool = False) -> "Batch":
        """The batch on ``device``."""
        return Batch(
            self.images.to(device, non_blocking=non_blocking),
            [Target(*(part.to(device) for part in (t.boxes, t.labels, t.ignore))) for t in self.targets],
            self.indices,
        )


class LabelledPhotos:
    """Cached photos with boxes in cached pixels and labels as indices; ignore regions carry ``IGNORE``.

    Labels that are neither learnt nor ignored are background and are left out.
    """

    def __init__(
        self, records: Sequence[PhotoRecord], cache: PhotoCache, labels: Sequence[str], ignore: Sequence[str]
    ) -> None:
        self.records = records
        self.cache = cache
        index = dict.fromkeys(ignore, IGNORE) | {label: number for number, label in enumerate(labels)}
        self._truth = [_truth(record, index) for record in records]

    def __len__(self) -> int:
        return len(self.records)

    def labels_of(self, place: int) -> NDArray[np.int64]:
        """The labels in the photo at ``place``, as indices."""
        return self._truth[place][1]

    def __getitem__(self, place: int) -> LabelledPhoto:
        """The photo at ``place`` with its truth."""
        rgb = self.cache.photo(place)
        record = self.records[place]
        boxes, labels = self._truth[place]
        factor = np.array([rgb.shape[1] / record.width, rgb.shape[0] / record.height] * 2, np.float32)
        return LabelledPhoto(rgb, boxes * factor, labels)


def _truth(record: PhotoRecord, index: dict[str, int]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    known = [annotation for annotation in record.annotations if annotation.label in index]
    boxes = np.array([annotation.box.xyxy for annotation in known], np.float32).reshape(-1, 4)
    return boxes, np.array([index[annotation.label] for annotation in known], np.int64)


class TrainingPhotos(Dataset[tuple[LabelledPhoto, int]]):
    """Augmented samples, addressed by :class:`Place`."""

    def __init__(self, photos: LabelledPhotos, augmenter: Augmenter, seed: int) -> None:
        self.photos = photos
        self.augmenter = augmenter
        self.seed = seed

    def __getitem__(self, place: Place) -> tuple[LabelledPhoto, int]:
        """The sample at ``place``."""
        rng = np.random.default_rng((self.seed, place.epoch, place.photo, *[place.turn] * bool(place.turn)))

        def another() -> LabelledPhoto:
            return self.photos[int(rng.integers(len(self.photos)))]

        return self.augmenter.sample(self.photos[place.photo], another, rng, mosaic=place.mosaic), place.photo


class PlainPhotos(Dataset[tuple[LabelledPhoto, int]]):
    """Letterboxed photos as serving sees them, in order."""

    def __init__(self, photos: LabelledPhotos, size: int) -> None:
        self.photos = photos
        self.size = size

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, place: int) -> tuple[LabelledPhoto, int]:
        """The photo at ``place``."""
        photo = self.photos[place]
        image, fitted = letterbox(photo.rgb, self.size)
        return LabelledPhoto(image, fitted.to_input(photo.boxes).astype(np.float32), photo.labels), place


class ShuffledPlaces(Sampler[Place]):
    """Every photo once an epoch in a seeded order; process ``rank`` of ``world`` takes every ``world``-th.

    The last photos that do not fill a batch of every process wait for another epoch. ``may_mosaic`` is asked once an
    epoch. ``ordered`` gives the order of an epoch instead, as places ``(photos,)`` from a generator.
    """

    def __init__(
        self,
        photos: int,
        batch_size: int,
        seed: int,
        may_mosaic: Callable[[], bool],
        rank: int = 0,
        world: int = 1,
        ordered: Callable[[np.random.Generator], NDArray[np.int64]] | None = None,
    ) -> None:
        self._ordered = ordered or (lambda rng: rng.permutation(photos))
        self._seed = seed
        self._may_mosaic = may_mosaic
        self._rank, self._world = rank, world
        per_step = batch_size * world
        self._length = photos // per_step * per_step if photos >= per_step else photos // world * world
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length // self._world

    def __iter__(self) -> Iterator[Place]:
        order = self._ordered(np.random.default_rng((self._seed, self._epoch)))
        mosaic = self._may_mosaic()
        turns: Counter[int] = Counter()
        places = []
        for index in order[: self._length].tolist():
            places.append(Place(self._epoch, index, mosaic, turns[index]))
            turns[index] += 1
        yield from places[self._rank :: self._world]


def collate(samples: list[tuple[LabelledPhoto, int]]) -> Batch:
    """Samples of one size as a batch."""
    images = torch.from_numpy(np.stack([sample.rgb for sample, _ in samples]))
    return Batch(images, [_target(sample) for sample, _ in samples], [index for _, index in samples])


def _target(sample: LabelledPhoto) -> Target:
    learnt = sample.labels != IGNORE
    return Target(
        torch.from_numpy(sample.boxes[learnt]),
        torch.from_numpy(sample.labels[learnt]),
        torch.from_numpy(sample.boxes[~learnt]),
    )


def _give_way(_worker: int) -> None:
    """Let training go first: a process that takes a core from it holds up all its threads, which wait for each other.

    Between its parallel parts training leaves cores idle, and when it waits for photos, all of them.
    """
    if hasattr(os, "nice"):
        os.nice(_COURTESY)


def loader(
    photos: Dataset[tuple[LabelledPhoto, int]],
    batch_size: int,
    sampler: Iterable[Place] | Iterable[int],
    workers: int,
    pin: bool,
) -> DataLoader[Batch]:
    """Batches of ``photos``, prepared by ``workers`` processes that live as long as the loader."""
    # One thread each. Said here, because OpenCV's threads do not survive the fork: a worker that asks waits for ever.
    cv2.setNumThreads(1)
    return DataLoader(
        photos,  # type: ignore[arg-type]
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        worker_init_fn=_give_way if workers else None,
        collate_fn=collate,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        pin_memory=pin,
    )
