"""OpenVINO on the CPU: faster than ONNX Runtime on some processors, with the extra ``dentwatch[openvino]``."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dentwatch.errors import ModelError
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.engines.contract import Answer
from dentwatch.serving.engines.onnx_runtime import RE_EXPORT, told

if TYPE_CHECKING:
    from openvino import CompiledModel, InferRequest

NAME = "openvino"


def is_installed() -> bool:
    """Whether OpenVINO can be had."""
    return find_spec(NAME) is not None


class _SignalStack(ctypes.Structure):
    """``stack_t`` of sigaltstack(2) on Linux."""

    _fields_ = (("place", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


class OpenVino:
    """A bundle's graph on ``threads`` threads, computed in 32 bits; raises :class:`ModelError` when it has no way.

    Compiled for each shape of photos when the first one comes: compiled for any, a photo takes 1.4 times as long.
    """

    name = NAME

    def __init__(self, bundle: ModelBundle, threads: int = 1) -> None:
        # Importing OpenVINO tells its makers so, from a fork of this process; without this module it keeps quiet.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        import openvino

        self._path = bundle.onnx_path
        self._options = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",  # processors with bfloat16 would otherwise round, and boxes would move
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._core = openvino.Core()
        self._models: dict[_Shape, CompiledModel] = {}
        self._compiling = threading.Lock()
        self._of_thread = _Requests()
        side = bundle.spec.preprocessing.input_size
        self._compiled((1, side, side, 3))  # what is wrong with the graph shows now

    def run(self, images: NDArray[np.uint8]) -> Answer:
        """See :class:`.contract.Network`."""
        found = self._request(images.shape).infer({"images": images}, share_inputs=True)
        return found["boxes"], found["scores"]

    def _request(self, shape: "_Shape") -> "InferRequest":
        """The thread's own: a request holds its tensors, so two threads must not share one."""
        requests = self._of_thread.by_shape
        if shape not in requests:
            requests[shape] = self._compiled(shape).create_infer_request()
        return requests[shape]

    def _compiled(self, shape: "_Shape") -> "CompiledModel":
        with self._compiling:
            if shape not in self._models:
                try:
                    graph = self._core.read_model(self._path)
                    graph.reshape(list(shape))
                    with _signal_stack_kept():
                        self._models[shape] = self._core.compile_model(graph, "CPU", self._options)
                except Exception as error:  # OpenVINO's exceptions share no narrower base
                    raise ModelError(f"{self._path} cannot be loaded by OpenVINO: {told(error)}.", RE_EXPORT) from error
            return self._models[shape]


_Shape = tuple[int, ...]
"""How many photos of which height and width, pixels, and their three channels."""


class _Requests(threading.local):
    """A thread's requests."""

    def __init__(self) -> None:
        self.by_shape: dict[_Shape, InferRequest] = {}


@contextmanager
def _signal_stack_kept() -> Iterator[None]:
    """Keep this thread's stack for signal handlers within the block.

    A compiled model puts one of its own there and frees it with the model; where two models do not end in the reverse
    order of their making, a freed one stays in place, and the next signal that Python handles ends the process.
    """
    if sys.platform != "linux":
        yield
        return
    sigaltstack = ctypes.CDLL(None).sigaltstack
    before = _SignalStack()
    sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        sigaltstack(ctypes.byref(before), None)
