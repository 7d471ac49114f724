"""What a decode at an eighth costs a model in accuracy, on annotated photos enlarged to 12 megapixels.

::

    python benchmarks/decode_accuracy.py ../shared/photos/bilgi                   # the starter model
    python benchmarks/decode_accuracy.py PHOTOS --model FOLDER --count 20         # another one, on a few photos

Each square test photo is enlarged, given a sensor's noise and written as a phone would. The model then sees it decoded
whole, at an eighth by libjpeg-turbo, and at an eighth from DC coefficients alone. Its AP50 follows (COCO protocol), and
F1: the boxes it would answer with, against those that it would answer with after the whole decode. Takes 2 s a photo.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import simplejpeg

sys.path.insert(0, str(Path(__file__).resolve().parent / "serving"))

from answers import Found, agreement, of_detection
from photos import enlarged

from dentwatch.data.decoding import DecodedPhoto, decode
from dentwatch.data.eighth import decode_eighth
from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.sources import open_source
from dentwatch.records.annotations import Annotation, Box
from dentwatch.records.detections import Detection
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.detector import Detector
from dentwatch.serving.models import starter
from dentwatch.training.evaluation.metrics import average_precision

SIDE = 3464
"""Of the enlarged photos, pixels: 12 megapixels, and divisible by 8."""
_MIN_SCORE = 0.001
_EIGHTH = SIDE // 8


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser(description="Accuracy after decodes at an eighth.")
    parser.add_argument("photos", help="annotated photos with a test split, as `dentwatch data ingest` takes them")
    parser.add_argument("--model", type=Path, default=None, help="a model's folder; default: the starter model")
    parser.add_argument("--count", type=int, default=None, help="only so many photos; default: the whole test split")
    options = parser.parse_args()
    bundle = ModelBundle.load(options.model) if options.model else starter()
    if bundle.spec.preprocessing.input_size > _EIGHTH:
        parser.error(f"the model looks at {bundle.spec.preprocessing.input_size} px, more than an eighth of {SIDE}")
    photos = [photo for photo in open_source(options.photos).photos() if photo.split == "test"][: options.count]
    if not photos:
        parser.error(f"{options.photos} has no test split")
    print(json.dumps({"model": bundle.name, "photos": len(photos), **measure(bundle, photos)}, indent=2))


@dataclass
class Seen:
    """What the model said after one way of decoding: everything, and what it would answer, per photo."""

    everything: list[list[Detection]] = field(default_factory=list)
    answers: list[list[Found]] = field(default_factory=list)


def measure(bundle: ModelBundle, photos: list[IncomingPhoto]) -> dict[str, dict[str, float]]:
    """AP50, F1 against the whole decode, and the boxes answered, per way of decoding."""
    labels, detector = bundle.spec.labels, Detector(bundle)
    seen = {name: Seen() for name in WAYS}
    for number, photo in enumerate(photos):
        jpeg = enlarged(decode(photo.read(), max_pixels=10**8).rgb, SIDE, seed=number)
        for name, way in WAYS.items():
            found = detector.detect([way(jpeg)], _MIN_SCORE)[0]
            seen[name].everything.append(found)
            answered = (one for one in found if one.score >= bundle.spec.thresholds[one.label])
            seen[name].answers.append([of_detection(one) for one in answered])
    truth = [list(_enlarged_annotations(photo)) for photo in photos]
    sizes = [(SIDE, SIDE)] * len(photos)
    return {
        name: {
            "ap50": average_precision(truth, one.everything, labels, sizes).figures()["ap50"],
            "f1_against_whole": agreement(one.answers, seen["whole"].answers),
            "boxes": sum(map(len, one.answers)),
        }
        for name, one in seen.items()
    }


def _enlarged_annotations(photo: IncomingPhoto) -> Iterator[Annotation]:
    if not photo.width or photo.width != photo.height:
        raise ValueError(f"{photo.name} is not square, or its size is not stated")
    factor = SIDE / photo.width
    for annotation in photo.annotations or ():
        box = annotation.box
        larger = Box(box.x * factor, box.y * factor, box.width * factor, box.height * factor)
        yield Annotation(annotation.label, larger)


def _whole(jpeg: bytes) -> DecodedPhoto:
    return decode(jpeg, max_pixels=10**8)


def _eighth_by_libjpeg(jpeg: bytes) -> DecodedPhoto:
    rgb = simplejpeg.decode_jpeg(jpeg, "RGB", min_width=_EIGHTH, min_height=_EIGHTH, strict=True)
    return DecodedPhoto(np.asarray(rgb), SIDE, SIDE, 1 / 8)


def _eighth_by_dc(jpeg: bytes) -> DecodedPhoto:
    rgb = decode_eighth(jpeg, SIDE, SIDE)
    if rgb is None:
        raise RuntimeError("the compiled decoder did not take the photo, or was not built: install with a C compiler")
    return DecodedPhoto(rgb, SIDE, SIDE, 1 / 8)


WAYS: dict[str, Callable[[bytes], DecodedPhoto]] = {
    "whole": _whole,
    "eighth, libjpeg-turbo": _eighth_by_libjpeg,
    "eighth, DC alone": _eighth_by_dc,
}
"""The ways of decoding, by name."""


if __name__ == "__main__":
    main()
