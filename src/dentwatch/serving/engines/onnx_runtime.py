"""ONNX Runtime on the CPU: the reference, whose answers the export was held against."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from dentwatch.errors import ModelError
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.engines.contract import Answer

NAME = "onnxruntime"
RE_EXPORT = "Export the model again with `dentwatch train`, or name another model."
_ANY = -1  # a side that a file must leave open, because photos differ in it


class OnnxRuntime:
    """A bundle's graph on ``threads`` threads; the same input gives the same output.

    ``path`` is another file of the same graph, which ``name`` then tells apart. Raises :class:`ModelError` when the
    graph cannot be read or is not what :mod:`dentwatch.records.model_bundle` says.
    """

    def __init__(self, bundle: ModelBundle, threads: int = 1, *, path: Path | None = None, name: str = NAME) -> None:
        self.name = name
        self._path = path or bundle.onnx_path
        self._session = _open(self._path, threads)
        self._one_by_one = self._session.get_inputs()[0].shape[:1] == [1]
        pre, classes = bundle.spec.preprocessing, len(bundle.spec.labels)
        side = _ANY if pre.stride else pre.input_size
        _check_ports(self._path, "input", self._session.get_inputs(), {"images": ("uint8", (None, side, side, 3))})
        _check_ports(
            self._path,
            "output",
            self._session.get_outputs(),
            {"boxes": ("float", (None, None, 4)), "scores": ("float", (None, None, classes))},
        )

    def run(self, images: NDArray[np.uint8]) -> Answer:
        """See :class:`.contract.Network`."""
        if self._one_by_one and len(images) > 1:
            boxes, scores = map(np.concatenate, zip(*(self.run(image[None]) for image in images), strict=True))
        else:
            boxes, scores = self._session.run(["boxes", "scores"], {"images": images})
        return boxes, scores


def told(error: Exception) -> str:
    """What a library says, as a part of a sentence."""
    return " ".join(str(error).split()).rstrip(".")


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
        raise ModelError(f"{path} cannot be loaded: {told(error)}.", RE_EXPORT) from error


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
            RE_EXPORT,
        )
    for name, (dtype, shape) in expected.items():
        port = found[name]
        dimensions = [size if isinstance(size, int) else None for size in port.shape]
        fits = len(dimensions) == len(shape) and all(
            due is None or size is None or due == size for due, size in zip(shape, dimensions, strict=True)
        )
        if not fits or port.type != f"tensor({dtype})":
            due = ", ".join("?" if size is None else "any" if size == _ANY else str(size) for size in shape)
            raise ModelError(
                f"{path}: the {kind} {name} is {port.type} {list(port.shape)} where {dtype} ({due}) is due.", RE_EXPORT
            )
