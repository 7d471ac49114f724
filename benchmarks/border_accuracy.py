"""What it costs a model in accuracy to see photos in their own shape instead of in a square with a border.

::

    python benchmarks/border_accuracy.py ../shared/photos/bilgi                     # the starter model
    python benchmarks/border_accuracy.py PHOTOS --model FOLDER --splits val test    # another one

Photos are cut to 4:3, across and upright in turns. The model, which must take any shape, sees each in a square, and with
no more border than its stride takes. AP50 (COCO protocol) with its 95 % interval (bootstrap by vehicle) follows for
both, and their difference; and F1: the boxes it would answer with, against those that it would answer with in the square.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parent / "serving"))

from answers import Found, agreement, in_square, of_detection

from dentwatch.data.decoding import DecodedPhoto, decode
from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.sources import open_source
from dentwatch.records.annotations import Annotation, Box
from dentwatch.records.detections import Detection
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.detector import Detector
from dentwatch.serving.models import starter
from dentwatch.training.evaluation.metrics import average_precision

_MIN_SCORE = 0.001
_VISIBLE = 0.25  # share of a box that a cut must leave
_RESAMPLES = 200


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser(description="Accuracy in the photos' own shape.")
    parser.add_argument("photos", help="annotated photos with splits, as `dentwatch data ingest` takes them")
    parser.add_argument("--model", type=Path, default=None, help="a model's folder; default: the starter model")
    parser.add_argument("--splits", nargs="+", default=["test"], help="which photos")
    options = parser.parse_args()
    bundle = ModelBundle.load(options.model) if options.model else starter()
    if not bundle.spec.preprocessing.stride:
        parser.error(f"{bundle.name} sees every photo in a square")
    photos = [photo for photo in open_source(options.photos).photos() if photo.split in options.splits]
    if not photos:
        parser.error(f"{options.photos} has no photos in {', '.join(options.splits)}")
    print(json.dumps({"model": bundle.name, "photos": len(photos), **measure(bundle, photos)}, indent=2))


def measure(bundle: ModelBundle, photos: Sequence[IncomingPhoto]) -> dict[str, object]:
    """AP50 in the square and in the photos' own shape, and how far the answers agree."""
    detectors = {"square": Detector(in_square(bundle)), "own shape": Detector(bundle)}
    found: dict[str, list[list[Detection]]] = {name: [] for name in detectors}
    truth, sizes = [], []
    for number, photo in enumerate(track(photos, "Looking", disable=not sys.stderr.isatty())):
        rgb = decode(photo.read(), max_pixels=10**8).rgb
        height, width = rgb.shape[:2]
        left, top = (0, height // 8) if number % 2 else (width // 8, 0)
        right, bottom = width - left, height - top
        cut = np.ascontiguousarray(rgb[top:bottom, left:right])
        truth.append(list(_cut(photo.annotations or (), left, top, right, bottom)))
        sizes.append((right - left, bottom - top))
        for name, detector in detectors.items():
            found[name] += detector.detect([DecodedPhoto(cut, right - left, bottom - top, 1.0)], _MIN_SCORE)
    answers = {name: [_answered(bundle, one) for one in each] for name, each in found.items()}
    labels = bundle.spec.labels

    def ap50(name: str, places: Sequence[int]) -> float:
        chosen = [[each[place] for place in places] for each in (truth, found[name], sizes)]
        return average_precision(chosen[0], chosen[1], labels, chosen[2]).figures()["ap50"]

    everything = range(len(photos))
    gaps = [ap50("own shape", places) - ap50("square", places) for places in _resampled(photos)]
    low, high = np.percentile(gaps, [2.5, 97.5])
    return {
        **{name: {"ap50": ap50(name, everything), "boxes": sum(map(len, answers[name]))} for name in detectors},
        "difference": {
            "ap50": ap50("own shape", everything) - ap50("square", everything),
            "low": float(low),
            "high": float(high),
        },
        "f1_against_square": agreement(answers["own shape"], answers["square"]),
    }


def _resampled(photos: Sequence[IncomingPhoto]) -> Iterator[list[int]]:
    by_vehicle: dict[str, list[int]] = {}
    for place, photo in enumerate(photos):
        by_vehicle.setdefault(photo.vehicle or photo.name, []).append(place)
    groups = list(by_vehicle.values())
    rng = np.random.default_rng(0)
    for _ in range(_RESAMPLES):
        yield [place for group in rng.integers(len(groups), size=len(groups)) for place in groups[group]]


def _answered(bundle: ModelBundle, found: Sequence[Detection]) -> list[Found]:
    return [of_detection(one) for one in found if one.score >= bundle.spec.thresholds[one.label]]


def _cut(annotations: Sequence[Annotation], left: int, top: int, right: int, bottom: int) -> Iterator[Annotation]:
    for annotation in annotations:
        x0, y0, x1, y1 = annotation.box.xyxy
        seen = max(x0, left), max(y0, top), min(x1, right), min(y1, bottom)
        if seen[0] < seen[2] and seen[1] < seen[3]:
            part = Box.from_xyxy(seen[0] - left, seen[1] - top, seen[2] - left, seen[3] - top)
            if part.width * part.height >= _VISIBLE * annotation.box.width * annotation.box.height:
                yield Annotation(annotation.label, part)


if __name__ == "__main__":
    main()
