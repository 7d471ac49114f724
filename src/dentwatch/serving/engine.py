"""The engine: a model version's ONNX graph, ready to run."""

import numpy as np
from numpy.typing import NDArray

from dentwatch.errors import ModelError
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.engines.contract import Answer, Network
from dentwatch.serving.engines.onnx_runtime import RE_EXPORT, OnnxRuntime, told


class Engine:
    """Runs a bundle's ONNX graph on the CPU with ``threads`` threads; the same input gives the same output.

    ``network`` is what runs it; default: ONNX Runtime. One engine may be used by several threads at a time; each call
    then competes for the same ``threads``. Raises :class:`ModelError` when the graph cannot be read or is not what
    :mod:`dentwatch.records.model_bundle` says.
    """

    def __init__(self, bundle: ModelBundle, threads: int = 1, network: Network | None = None) -> None:
        self._preprocessing = bundle.spec.preprocessing
        self.labels = bundle.spec.labels
        self._path = bundle.onnx_path
        self._network: Network = network or OnnxRuntime(bundle, threads)

    @property
    def name(self) -> str:
        """What runs the graph, as in ``onnxruntime``."""
        return self._network.name

    @property
    def input_size(self) -> int:
        """Longer side of the network's input, pixels."""
        return self._preprocessing.input_size

    def run(self, images: NDArray[np.uint8]) -> Answer:
        """Run ``images`` uint8 ``(N, H, W, 3)``, RGB, letterboxed.

        Returns boxes float32 ``(N, A, 4)``, xyxy in pixels of the input, and scores float32 ``(N, A, C)``, before
        non-maximum suppression. Raises :class:`ValueError` for images of another type or shape, and
        :class:`ModelError` when the graph fails, or answers in another shape or with NaN.
        """
        side, stride = self._preprocessing.input_size, self._preprocessing.stride
        sides = range(stride, side + 1, stride) if stride else (side,)
        height, width, channels = images.shape[1:] if images.ndim == 4 else (0, 0, 0)
        if images.dtype != np.uint8 or channels != 3 or height not in sides or width not in sides:
            due = f"(N, {side}, {side}, 3)" + (f", or sides of fewer times {stride}" if stride else "")
            raise ValueError(f"images must be uint8 {due}, not {images.dtype} {images.shape}")
        if len(images) == 0:
            return np.zeros((0, 0, 4), np.float32), np.zeros((0, 0, len(self.labels)), np.float32)
        try:
            boxes, scores = self._network.run(images)
        except Exception as error:  # the libraries' exceptions share no narrower base
            raise ModelError(f"{self._path} failed on a batch of {len(images)}: {told(error)}.", RE_EXPORT) from error
        anchors = boxes.shape[1] if boxes.ndim == 3 else 0
        expected = (len(images), anchors, 4), (len(images), anchors, len(self.labels))
        if (boxes.shape, scores.shape) != expected:
            raise ModelError(
                f"{self._path} answered boxes {boxes.shape} and scores {scores.shape} where {expected[0]} and "
                f"{expected[1]} are due.",
                RE_EXPORT,
            )
        if np.isnan(scores).any() or np.isnan(boxes).any():  # else it would pass for a photo without damage
            raise ModelError(f"{self._path} answered with NaN, which is no number.", RE_EXPORT)
        return boxes, scores
