"""Answers as tensors: what Open Inference and TensorFlow Serving send."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dentwatch.serving.answers import PhotoAnswer

INPUT = "photo"
"""Name of the one input: encoded photos, ``(N,)``."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What is known of an output before the photos are: datatypes of both protocols, and shape (-1: varies)."""

    open_inference: str
    tensorflow: str
    shape: tuple[int, ...]


OUTPUTS = {
    "answer": TensorSpec("BYTES", "DT_STRING", (-1,)),
    "count": TensorSpec("INT64", "DT_INT64", (-1,)),
    "boxes": TensorSpec("FP64", "DT_DOUBLE", (-1, -1, 4)),
    "scores": TensorSpec("FP64", "DT_DOUBLE", (-1, -1)),
    "labels": TensorSpec("BYTES", "DT_STRING", (-1, -1)),
}
"""The outputs by name. Over ``N`` photos, of which the one with most detections has ``K``:

- ``answer`` ``(N,)``: the line of JSON that ``dentwatch inspect`` prints;
- ``count`` ``(N,)``: how many detections the photo has;
- ``boxes`` ``(N, K, 4)``: x, y, width, height in pixels of the upright photo;
- ``scores``, ``labels`` ``(N, K)``.

Best score first. Beyond a photo's ``count`` there are zeros and empty labels. Floats are of 64 bits because the
decimals of an answer would not survive 32.
"""


def answer_tensors(answers: Sequence[PhotoAnswer]) -> dict[str, NDArray[np.generic]]:
    """The :data:`OUTPUTS` for ``answers``; text is an array of ``str`` objects."""
    counts = [len(answer.detections) for answer in answers]
    shape = len(answers), max(counts, default=0)
    boxes, scores = np.zeros((*shape, 4)), np.zeros(shape)
    labels: NDArray[np.object_] = np.full(shape, "", object)
    texts: NDArray[np.object_] = np.array([answer.model_dump_json() for answer in answers], object)
    for row, answer in enumerate(answers):
        for column, found in enumerate(answer.detections):
            boxes[row, column] = found.x, found.y, found.width, found.height
            scores[row, column] = found.score
            labels[row, column] = found.label
    return {
        "answer": texts,
        "count": np.asarray(counts, np.int64),
        "boxes": boxes,
        "scores": scores,
        "labels": labels,
    }
