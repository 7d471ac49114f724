"""What monitoring costs per photo: statistics, embedding and features, beside the decode of the same photo.

    python benchmarks/photo_features.py [FOLDER]

Processor time on one core, in milliseconds per photo, and as a share of the JPEG decode in the same run. FOLDER holds
JPEG photos; without one, synthetic photos of 640 pixels are made.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from dentwatch.data.decoding import DecodedPhoto, decode
from dentwatch.data.embedding import packed, photo_embedding, unpacked
from dentwatch.data.shrinking import shrink
from dentwatch.data.statistics import STATISTICS_SIDE, photo_statistics
from dentwatch.data.synthetic.photo import render
from dentwatch.monitoring.embedding import EmbeddingSpace
from dentwatch.monitoring.features import photo_features
from dentwatch.records.annotations import Box
from dentwatch.records.detections import Detection

Item = TypeVar("Item")

_REFERENCE_PHOTOS = 600  # that the embedding space is made of
_SAID = [Detection("scratch", 0.6, Box(10, 20, 30, 40)), Detection("dent", 0.4, Box(50, 60, 70, 80))]


def milliseconds(work: Callable[[Item], object], items: Sequence[Item]) -> float:
    """Processor time of ``work`` per item."""
    start = time.process_time()
    for item in items:
        work(item)
    return (time.process_time() - start) / len(items) * 1000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.folder:
        files = sorted(path for path in arguments.folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
        photos = [path.read_bytes() for path in files[: arguments.count]]
    else:
        photos = [render(0, index).jpeg for index in range(arguments.count)]
    decoded = [_decode(data) for data in photos]
    halves = [(photo, shrink(photo.rgb, 2)) for photo in decoded]
    embeddings = [unpacked(packed(photo_embedding(photo.rgb))) for photo in decoded]
    space = EmbeddingSpace.of(np.resize(embeddings, (_REFERENCE_PHOTOS, len(embeddings[0]))).astype(np.float64))
    statistics = [asdict(photo_statistics(photo.rgb, (photo.width, photo.height))) for photo in decoded]
    measured = list(zip(statistics, embeddings, strict=True))
    stages: dict[str, Callable[[], float]] = {
        "JPEG decode": lambda: milliseconds(_decode, photos),
        "half of the size": lambda: milliseconds(lambda photo: shrink(photo.rgb, 2), decoded),
        "statistics": lambda: milliseconds(
            lambda pair: photo_statistics(pair[0].rgb, (pair[0].width, pair[0].height), pair[1]), halves
        ),
        "embedding": lambda: milliseconds(lambda pair: photo_embedding(pair[0].rgb, pair[1]), halves),
        "features": lambda: milliseconds(
            lambda pair: photo_features(pair[0], _SAID, pair[1], (640, 480), space), measured
        ),
    }
    # The least of several rounds: what another process on the core costs is not the photo's.
    rounds = [{name: stage() for name, stage in stages.items()} for _ in range(arguments.rounds)]
    best = {name: min(one[name] for one in rounds) for name in stages}
    best["all but the decode"] = sum(best.values()) - best["JPEG decode"]
    print("| per photo | ms | of the decode |\n|---|---|---|")
    for name, value in best.items():
        print(f"| {name} | {value:.2f} | {value / best['JPEG decode']:.2f} |")


def _decode(data: bytes) -> DecodedPhoto:
    return decode(data, max_pixels=10**8, target_side=STATISTICS_SIDE)


if __name__ == "__main__":
    main()
