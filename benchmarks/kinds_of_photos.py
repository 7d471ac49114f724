"""What the embedding figures tell apart: other kinds of photos, and not the same photos taken otherwise.

    DENTWATCH_HOME=… python benchmarks/kinds_of_photos.py

The space is made of the train photos of the latest dataset version, its val photos are production. For every kind: the
chance that such a photo is farther away than an ordinary one (0.5: cannot be told apart), and by how many standard
deviations of ordinary photos the mean moves.
"""

from collections.abc import Callable
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.decoding import decode
from dentwatch.data.degradation import jpeg, low_light, noise, over_exposure, veil
from dentwatch.data.embedding import photo_embedding
from dentwatch.data.statistics import STATISTICS_SIDE
from dentwatch.monitoring.embedding import EMBEDDING_FEATURES, EmbeddingSpace
from dentwatch.records.annotations import Split
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.photos import PhotoStore
from dentwatch.settings import load

Pixels = NDArray[np.uint8]
Change = Callable[[Pixels, np.random.Generator], Pixels]

_MOST = {"train": 600, "val": 150}


def close_up(times: int) -> Change:
    """A part of the photo, so many times enlarged."""

    def apply(rgb: Pixels, rng: np.random.Generator) -> Pixels:
        height, width = (side // times for side in rgb.shape[:2])
        top, left = rng.integers(0, rgb.shape[0] - height), rng.integers(0, rgb.shape[1] - width)
        part = rgb[top : top + height, left : left + width]
        return np.asarray(cv2.resize(part, rgb.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)

    return apply


def page(rgb: Pixels, rng: np.random.Generator) -> Pixels:
    """A page of text instead."""
    paper = np.full(rgb.shape, 245, np.uint8)
    for line in range(20, rgb.shape[0], 18):
        words = "".join(rng.choice(list("abcdefgh    "), int(rng.integers(20, 60))))
        cv2.putText(paper, words, (30, line), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (30, 30, 30), 1, cv2.LINE_AA)
    return paper


def wall(rgb: Pixels, rng: np.random.Generator) -> Pixels:
    """A plain wall instead, with a camera's noise."""
    return np.clip(128 + 3 * rng.standard_normal(rgb.shape), 0, 255).astype(np.uint8)


KINDS: dict[str, Change] = {
    "page of text": page,
    "wall": wall,
    "close-up, 4 times": close_up(4),
    "close-up, twice": close_up(2),
    "turned by 90°": lambda rgb, _: np.ascontiguousarray(np.rot90(rgb)),
    "upside down": lambda rgb, _: np.ascontiguousarray(rgb[::-1, ::-1]),
    "upper and lower quarter cut off": lambda rgb, _: np.ascontiguousarray(rgb[len(rgb) // 4 : -len(rgb) // 4]),
}
TAKEN_OTHERWISE: dict[str, Change] = {
    "-1 stop": lambda rgb, rng: low_light(rgb, 1, rng),
    "-3 stops": lambda rgb, rng: low_light(rgb, 3, rng),
    "+1 stop": lambda rgb, rng: over_exposure(rgb, 1, rng),
    "blur σ 2": lambda rgb, _: np.asarray(cv2.GaussianBlur(rgb, (0, 0), 2), np.uint8),
    "haze 75 %": lambda rgb, rng: veil(rgb, 0.75, rng),
    "noise, 4 stops amplified": lambda rgb, rng: noise(rgb, 4, rng),
    "JPEG quality 10": lambda rgb, rng: jpeg(rgb, 10, rng),
    "half the pixels": lambda rgb, _: np.asarray(cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)),
}


def main() -> None:
    """Print the tables."""
    settings = load()
    dataset, store = DatasetStore(settings.dataset_store_url).get(), PhotoStore(settings.photo_store_url)

    def photos(split: Split) -> list[Pixels]:
        records = islice(dataset.photos(split=split), _MOST[split])
        return [decode(store.get(one.photo_id), max_pixels=10**8, target_side=STATISTICS_SIDE).rgb for one in records]

    space = EmbeddingSpace.of(np.stack([photo_embedding(rgb) for rgb in photos("train")]).astype(np.float64))
    val = photos("val")

    def figures(change: Change) -> NDArray[np.float64]:
        return np.array(
            [
                space.figures(photo_embedding(change(rgb, np.random.default_rng(number))))
                for number, rgb in enumerate(val)
            ]
        )

    ordinary = figures(lambda rgb, _: rgb)
    for title, changes in (("another kind of photo", KINDS), ("taken otherwise", TAKEN_OTHERWISE)):
        print(
            f"| {title} | " + " | ".join(f"{name}: farther, moved" for name in EMBEDDING_FEATURES) + " |\n|---|---|---|"
        )
        for name, change in changes.items():
            found = figures(change)
            farther = (found[:, None] > ordinary[None]).mean(axis=(0, 1))
            moved = (found.mean(axis=0) - ordinary.mean(axis=0)) / ordinary.std(axis=0)
            print(
                f"| {name} | " + " | ".join(f"{a:.2f}, {b:+.1f} SD" for a, b in zip(farther, moved, strict=True)) + " |"
            )
        print()


if __name__ == "__main__":
    main()
