"""From a trained network to the ONNX file that is served, and the proof that the two are one."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dentwatch.errors import ExportError
from dentwatch.serving.engines.parity import BOX_TOLERANCE, SCORE_TOLERANCE, difference
from dentwatch.training.detection_module import as_input
from dentwatch.training.detectors.contract import Detector

OPSET = 18
OPEN_SIDES = {"images": {1: "height", 2: "width"}, "boxes": {1: "candidates"}, "scores": {1: "candidates"}}
"""The dimensions that differ from photo to photo where a network takes any shape."""
PARITY_BATCHES = (1, 2, 4, 8)


class _Served(nn.Module):
    """The network as serving calls it: letterboxed photos uint8 ``(N, H, W, 3)`` in."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        boxes, scores = self.detector(as_input(images))
        return boxes, scores


def export_onnx(detector: Detector, path: Path, photos: NDArray[np.uint8]) -> dict[str, float]:
    """Write ``detector`` to ``path`` and measure that the file answers as the network does.

    ``photos`` uint8 ``(N, S, S, 3)`` letterboxed, at least one; batches of 1, 2, 4 and 8 are made of them, and where
    the detector takes any shape, also of parts of them, across and upright. Returns the largest differences, ``boxes``
    in pixels and ``scores``. Raises :class:`ExportError` when one is above its tolerance.
    """
    served = _Served(detector).eval()
    # Traced with two photos, so that a step that only fits one would show.
    example = torch.from_numpy(np.resize(photos, (2, *photos.shape[1:])))
    axes = {name: {0: "photos"} for name in ("images", "boxes", "scores")}
    if detector.any_shape:
        axes = {name: {**given, **OPEN_SIDES[name]} for name, given in axes.items()}
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns of every constant; that none of them depends on the photos is what the parity check shows.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            served,
            (example,),
            path,
            input_names=["images"],
            output_names=["boxes", "scores"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return _parity(served, path, photos)


def _parity(served: _Served, path: Path, photos: NDArray[np.uint8]) -> dict[str, float]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = {"boxes": 0.0, "scores": 0.0}
    for batch in _batches(served.detector, photos):
        with torch.no_grad():
            network: Sequence[Any] = [output.numpy() for output in served(torch.from_numpy(batch))]
        for name, value in difference(network, session.run(None, {"images": batch})).items():
            worst[name] = max(worst[name], value)
    if worst["boxes"] > BOX_TOLERANCE or worst["scores"] > SCORE_TOLERANCE:
        raise ExportError(
            f"The exported model differs from the network: boxes by {worst['boxes']:.3g} pixels, scores by "
            f"{worst['scores']:.3g}; {BOX_TOLERANCE} and {SCORE_TOLERANCE} are allowed.",
            "The model is not registered. Report this with the detector's name and size.",
        )
    return worst


def _batches(detector: Detector, photos: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    side, stride = detector.input_size, detector.stride
    shorter = max(stride, side * 3 // 4 // stride * stride)  # a photo of 4:3
    for height, width in [(side, side), *([(shorter, side), (side, shorter)] if detector.any_shape else [])]:
        seen = photos[:, :height, :width]
        for count in PARITY_BATCHES:
            yield np.resize(seen, (count, *seen.shape[1:]))
