"""What it costs a model in accuracy to see photos in their own shape instead of in a square with a border.

::

    python benchmarks/border_accuracy.py ../shared/photos/bilgi                     # the starter model
    python benchmarks/border_accuracy.py PHOTOS --model FOLDER --splits val test    # another one

Each photo is cut to 4:3, across and upright. The model, which must take any shape, sees each in a square, and
with no more border than its stride takes. AP50, recall and precision follow for both, and how they differ, with 95 %
intervals (bootstrap by vehicle); and F1: the boxes that it answers with, against those in the square.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parent / "serving"))

from answers import agreement, in_square, of_detection

from dentwatch.data.decoding import DecodedPhoto, decode
from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.sources import open_source
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.detector import Detector
from dentwatch.serving.models import starter
from dentwatch.training.evaluation.figures import headline
from dentwatch.training.evaluation.intervals import differences, draw
from dentwatch.training.evaluation.matching import PhotoOutcome, match

_MIN_SCORE = 0.001
_VISIBLE = 0.25  # share of a box that a cut must leave
_SHOWN = ("ap50", "recall", "precision")


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser(description="Accuracy in the photos' own shape.")
    parser.add_argument("photos", help="annotated photos, as `dentwatch data ingest` takes them")
    parser.add_argument("--model", type=Path, default=None, help="a model's folder; default: the starter model")
    parser.add_argument("--splits", nargs="+", help="which photos; default: all")
    options = parser.parse_args()
    bundle = ModelBundle.load(options.model) if options.model else starter()
    if not bundle.spec.preprocessing.stride:
        parser.error(f"{bundle.name} sees every photo in a square")
    photos = [photo for photo in open_source(options.photos).photos() if photo.annotations is not None]
    if options.splits:
        photos = [photo for photo in photos if photo.split in options.splits]
    if not photos:
        parser.error(f"{options.photos} has no annotated photos in {', '.join(options.splits or ['it'])}")
    print(json.dumps({"model": bundle.name, "photos": len(photos), **measure(bundle, photos)}, indent=2))


def measure(bundle: ModelBundle, photos: Sequence[IncomingPhoto]) -> dict[str, object]:
    """Figures in the square and in the photos' own shape, and how far they differ."""
    detectors = {"square": Detector(in_square(bundle)), "own shape": Detector(bundle)}
    outcomes: dict[str, list[PhotoOutcome]] = {name: [] for name in detectors}
    for photo in track(photos, "Looking", disable=not sys.stderr.isatty()):
        whole = decode(photo.read(), max_pixels=10**8).rgb
        for upright in (False, True):
            record, rgb = _cut(photo, whole, upright=upright)
            for name, detector in detectors.items():
                [found] = detector.detect([DecodedPhoto(rgb, record.width, record.height, 1.0)], _MIN_SCORE)
                outcomes[name].append(PhotoOutcome(record, tuple(found)))
    thresholds = bundle.spec.thresholds
    tables = {name: match(each, bundle.spec.labels) for name, each in outcomes.items()}
    square, own = (headline(table, thresholds) for table in tables.values())
    vehicles = len(tables["square"].vehicles)
    change = differences(square, own, draw(vehicles))
    answers = [
        [[of_detection(one) for one in outcome.detections if one.score >= thresholds[one.label]] for outcome in each]
        for each in outcomes.values()
    ]
    everybody = np.ones(vehicles)
    return {
        "damages": int(tables["square"].truth_label.size),
        "square": {name: square(everybody)[name] for name in _SHOWN},
        "own shape": {name: own(everybody)[name] for name in _SHOWN},
        "difference": {
            name: [change[name].value, change[name].interval.low, change[name].interval.high] for name in _SHOWN
        },
        "boxes": [sum(map(len, each)) for each in answers],
        "f1_against_square": agreement(answers[1], answers[0]),
    }


def _cut(photo: IncomingPhoto, rgb: np.ndarray, *, upright: bool) -> tuple[PhotoRecord, np.ndarray]:
    """The middle three quarters of a photo, whose pixels are ``rgb``, and what its annotations say of them."""
    height, width = rgb.shape[:2]
    left, top = (width // 8, 0) if upright else (0, height // 8)
    right, bottom = width - left, height - top
    annotations = tuple(_within(photo.annotations or (), (left, top, right, bottom)))
    record = PhotoRecord(
        "", photo.name, photo.vehicle or photo.name, "test", right - left, bottom - top, True, annotations
    )
    return record, np.ascontiguousarray(rgb[top:bottom, left:right])


def _within(annotations: Sequence[Annotation], part: tuple[int, int, int, int]) -> Iterator[Annotation]:
    left, top, right, bottom = part
    for annotation in annotations:
        x0, y0, x1, y1 = annotation.box.xyxy
        seen = np.clip([x0, y0, x1, y1], [left, top, left, top], [right, bottom, right, bottom])
        width, height = seen[2] - seen[0], seen[3] - seen[1]
        if width * height >= _VISIBLE * annotation.box.width * annotation.box.height:
            box = Box(float(seen[0] - left), float(seen[1] - top), float(width), float(height))
            yield Annotation(annotation.label, box)


if __name__ == "__main__":
    main()
