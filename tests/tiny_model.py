"""A model small enough to make in every test, and true to the contract of ``dentwatch.records.model_bundle``.

It answers one box per photo, whose scratch score is the mean of the red channel and whose dent score that of the blue.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dentwatch.records.model_bundle import CARD_NAME, ModelBundle, ModelSpec, Preprocessing, Rights

SIDE = 64
BOX = (8.0, 16.0, 40.0, 48.0)


Fault = Literal["breaks down", "says NaN"]


def network(
    box: tuple[float, float, float, float] = BOX, batch: str | int = "N", *, fault: Fault | None = None
) -> onnx.ModelProto:
    """``images`` uint8 (N, 64, 64, 3) → ``boxes`` (N, 1, 4) and ``scores`` (N, 1, 2).

    With a ``fault`` it does that on photos whose red or blue is half of white or more.
    """
    constants: dict[str, Any] = {
        "axes": np.array([1, 2], np.int64),
        "channels": np.array([0, 2], np.int64),
        "white": np.array(255, np.float32),
        "one": np.array([1], np.int64),
        "box": np.array([[box]], np.float32),
        "first": np.array([0], np.int64),
        "rest": np.array([1, 4], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("Gather", ["means", "channels"], ["both"], axis=1),
        helper.make_node("Div", ["both", "white"], ["shares"]),
        *_scored(fault),
        helper.make_node("Shape", ["images"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["count"], axis=0),
        helper.make_node("Concat", ["count", "rest"], ["due"], axis=0),
        helper.make_node("Expand", ["broken" if fault == "breaks down" else "box", "due"], ["boxes"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [batch, SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [batch, 1, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 1, 2]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def _scored(fault: Fault | None) -> list[onnx.NodeProto]:
    """From the shares of white to scores, and what goes wrong on bright photos."""
    if fault is None:
        return [helper.make_node("Unsqueeze", ["shares", "one"], ["scores"])]
    bright = [
        helper.make_node("ReduceMax", ["shares"], ["most"], keepdims=0),
        helper.make_node("Add", ["most", "most"], ["twice"]),
        helper.make_node("Cast", ["twice"], ["place"], to=TensorProto.INT64),  # 1 for bright photos, else 0
    ]
    if fault == "breaks down":
        return [
            *bright,
            helper.make_node("Gather", ["box", "place"], ["chosen"], axis=0),  # there is but one
            helper.make_node("Unsqueeze", ["chosen", "first"], ["broken"]),
            helper.make_node("Unsqueeze", ["shares", "one"], ["scores"]),
        ]
    return [
        *bright,
        helper.make_node("Cast", ["place"], ["bright"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["bright", "bright"], ["nothing"]),
        helper.make_node("Div", ["white", "white"], ["all"]),
        helper.make_node("Sub", ["all", "bright"], ["dim"]),
        helper.make_node("Div", ["nothing", "dim"], ["spoilt"]),  # 0 / 0 for bright photos
        helper.make_node("Unsqueeze", ["shares", "one"], ["sound"]),
        helper.make_node("Add", ["sound", "spoilt"], ["scores"]),
    ]


def spec(**changes: Any) -> ModelSpec:
    """A spec that may be registered, with ``changes``."""
    fields: dict[str, Any] = {
        "detector": "yolo",
        "size": "nano",
        "labels": ("scratch", "dent"),
        "preprocessing": Preprocessing(input_size=SIDE, pad_value=114),
        "thresholds": {"scratch": 0.3, "dent": 0.4},
        "created_at": "2026-11-23T12:00:00+00:00",
        "dentwatch_version": "0.1.0",
        "dataset_version": "5d1f00aa33bb",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "rights": (Rights(name="tiny photos", licence="CC0-1.0", source="made for the tests"),),
        "metrics": {"test/ap50": 0.25, "test/ap50/scratch": 0.2, "test/ap50/dent": 0.3},
        "parity": {"boxes": 0.01, "scores": 1e-6},
    }
    return ModelSpec(**{**fields, **changes})


def write_bundle(
    folder: Path, *, model: onnx.ModelProto | None = None, card: str = "# Tiny\n", **changes: Any
) -> ModelBundle:
    """Write a bundle that may be registered, with ``changes`` of its spec."""
    bundle = ModelBundle.write_spec(folder, spec(**changes))
    (folder / "model.onnx").write_bytes((model or network()).SerializeToString())
    if card:
        (folder / CARD_NAME).write_text(card, encoding="utf-8")
    return bundle
