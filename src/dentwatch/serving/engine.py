"""The engine: a model version's ONNX graph, ready to run."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from dentwatch.errors import ModelError
from dentwatch.records.model_bundle import ModelBundle

_RE_EXPORT = "Export the model again with `dentwatch train`, or name another model."


class Engine:
    """Runs a bundle's ONNX graph on the CPU with ``threads`` threads; the same input gives the same output.

    One engine may be used by several threads at a time; each call then competes for the same ``threads``.
    Raises :class:`ModelError` when the graph cannot be read or is not what :mod:`dentwatch.records.model_bundle` says.
    """

    def __init__(self, bundle: ModelBundle, threads: int = 1) -> None:
        self.input_size = bundle.spec.preprocessing.input_size
        self.labels = bundle.spec.labels
        self._path = bundle.onnx_path
        self._session = _open(bundle.onnx_path, threads)
        self._check_graph()

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run ``images`` uint8 ``(N, S, S, 3)``, RGB, letterboxed.

        Returns boxes float32 ``(N, A, 4)``, xyxy in pixels of the input, and scores float32 ``(N, A, C)``, before
        non-maximum suppression. Raises :class:`ValueError` for images of another type or shape, and
        :class:`ModelError` when the graph fails or answers in another shape.
        """
        side = self.input_size
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (side, side, 3):
            raise ValueError(f"images must be uint8 (N, {side}, {side}, 3), not {images.dtype} {images.shape}")
        if len(images) == 0:
            return np.zeros((0, 0, 4), np.float32), np.zeros((0, 0, len(self.labels)), np.float32)
        try:
            boxes, scores = self._session.run(["boxes", "scores"], {"images": images})
        except Exception as error:  # ONNX Runtime's exceptions share no narrower base
            raise ModelError(f"{self._path} failed on a batch of {len(images)}: {_told(error)}.", _RE_EXPORT) from error
        anchors = boxes.shape[1] if boxes.ndim == 3 else 0
        expected = (len(images), anchors, 4), (len(images), anchors, len(self.labels))
        if (boxes.shape, scores.shape) != expected:
            raise ModelError(
                f"{self._path} answered boxes {boxes.shape} and scores {scores.shape} where {expected[0]} and "
                f"{expected[1]} are due.",
                _RE_EXPORT,
            )
        return boxes, scores

    def _check_graph(self) -> None:
        side, classes = self.input_size, len(self.labels)
        _check_ports(self._path, "input", self._session.get_inputs(), {"images": ("uint8", (None, side, side, 3))})
        _check_ports(
            self._path,
            "output",
            self._session.get_outputs(),
            {"boxes": ("float", (None, None, 4)), "scores": ("float", (None, None, classes))},
        )


def _open(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    # Waiting threads would otherwise spin, and take the cores that decode the next photo.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no narrower base
        raise ModelError(f"{path} cannot be loaded: {_told(error)}.", _RE_EXPORT) from error


def _told(error: Exception) -> str:
    """What ONNX Runtime says, as a part of a sentence."""
    return " ".join(str(error).split()).rstrip(".")


def _check_ports(
    path: Path,
    kind: str,
    ports: list[ort.NodeArg],
    expected: dict[str, tuple[str, tuple[int | None, ...]]],
) -> None:
    """Compare a graph's inputs or outputs with what is due; a dimension that either side leaves open fits any."""
    found = {port.name: port for port in ports}
    missing = sorted(expected.keys() - found.keys())
    if missing or (kind == "input" and len(found) > len(expected)):
        raise ModelError(
            f"{path} has the {kind}s {', '.join(sorted(found))} where {', '.join(sorted(expected))} are due.",
            _RE_EXPORT,
        )
    for name, (dtype, shape) in expected.items():
        port = found[name]
        dimensions = [size if isinstance(size, int) else None for size in port.shape]
        fits = len(dimensions) == len(shape) and all(
            due is None or size is None or due == size for due, size in zip(shape, dimensions, strict=True)
        )
        if not fits or port.type != f"tensor({dtype})":
            due = ", ".join("?" if size is None else str(size) for size in shape)
            raise ModelError(
                f"{path}: the {kind} {name} is {port.type} {list(port.shape)} where {dtype} ({due}) is due.", _RE_EXPORT
            )
