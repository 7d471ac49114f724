"""Whether a system answered what the model says: its boxes against those after a full decode."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dentwatch.data.decoding import decode
from dentwatch.records.detections import Detection
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.detector import Detector

MATCH_IOU = 0.7
"""Boxes of one label that overlap by this much or more are the same answer."""

_PIXELS = 100_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """One box of an answer: its label and xyxy in pixels of the photo."""

    label: str
    left: float
    top: float
    right: float
    bottom: float


def reference(bundle: ModelBundle, jpegs: Sequence[bytes]) -> list[list[Found]]:
    """What the model says about each photo, decoded whole, shrunk by averaging areas, in a square."""
    detector = Detector(in_square(bundle))
    return [[of_detection(found) for found in detector.detect([decode(jpeg, max_pixels=_PIXELS)])[0]] for jpeg in jpegs]


def in_square(bundle: ModelBundle) -> ModelBundle:
    """The same model, which sees every photo in a square, whatever the photo's shape."""
    preprocessing = bundle.spec.preprocessing.model_copy(update={"stride": 0})
    return ModelBundle(bundle.folder, bundle.spec.model_copy(update={"preprocessing": preprocessing}), bundle.name)


def of_detection(detection: Detection) -> Found:
    """A detection of ours in the form that answers are compared in."""
    box = detection.box
    return Found(detection.label, box.x, box.y, box.x + box.width, box.y + box.height)


def read(form: str, body: bytes) -> list[Found]:
    """The boxes in an answer; raises :class:`ValueError` when it is not one.

    ``json``: wherever the document holds objects with ``label``, ``x``, ``y``, ``width`` and ``height``; ``v2``: the
    tensors ``boxes`` (x, y, width, height) and ``labels`` of the Open Inference Protocol.
    """
    document = json.loads(body)
    return list(_tensors(document) if form == "v2" else _objects(document))


def _objects(document: Any) -> Iterator[Found]:
    if isinstance(document, list):
        for member in document:
            yield from _objects(member)
    elif isinstance(document, dict):
        if document.keys() >= {"label", "x", "y", "width", "height"}:
            x, y = float(document["x"]), float(document["y"])
            yield Found(document["label"], x, y, x + float(document["width"]), y + float(document["height"]))
        else:
            for member in document.values():
                yield from _objects(member)


def _tensors(document: dict[str, Any]) -> Iterator[Found]:
    outputs = {output["name"]: output["data"] for output in document["outputs"]}
    numbers = iter(float(number) for number in outputs["boxes"])
    for label in outputs["labels"]:
        x, y, width, height = (next(numbers) for _ in range(4))
        yield Found(label, x, y, x + width, y + height)


def agreement(answers: Sequence[Sequence[Found]], references: Sequence[Sequence[Found]]) -> float:
    """F1 of the answers' boxes against the references', matched one to one per photo and label (1: the same)."""
    matched = sum(_matches(answer, due) for answer, due in zip(answers, references, strict=True))
    total = sum(map(len, answers)) + sum(map(len, references))
    return 2 * matched / total if total else 1.0


def _matches(answer: Sequence[Found], due: Sequence[Found]) -> int:
    free, count = list(due), 0
    for found in answer:
        best = max((one for one in free if one.label == found.label), key=lambda one: _iou(one, found), default=None)
        if best is not None and _iou(best, found) >= MATCH_IOU:
            free.remove(best)
            count += 1
    return count


def _iou(a: Found, b: Found) -> float:
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    shared = max(width, 0.0) * max(height, 0.0)
    both = (a.right - a.left) * (a.bottom - a.top) + (b.right - b.left) * (b.bottom - b.top) - shared
    return shared / both if both > 0 else 0.0
