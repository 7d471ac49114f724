"""A real ONNX model whose answers are known: it boxes the pure red, green and blue rectangles of a photo."""

from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from dentwatch.records.model_bundle import ModelBundle, ModelSpec, Preprocessing

SIDE = 256
LABELS = ("scratch", "dent", "other")
COLOURS = {"scratch": (255, 0, 0), "dent": (0, 255, 0), "other": (0, 0, 255)}

Rectangle = tuple[str, int, int, int, int]
"""Label, x, y, width, height."""


def rectangle_graph(side: int | str = SIDE) -> onnx.ModelProto:
    """One anchor per colour channel: the bounds of what is bright in it, scored by its brightest pixel ÷ 255.

    The channels mean scratch, dent and other; the photos' grey ground (114) and black are below the mark of 128. A
    ``side`` that is a name may be of any length.
    """
    constants = {
        "mark": np.float32(128),
        "full": np.float32(255),
        "one": np.float32(1),
        "eye": np.eye(3, dtype=np.float32),
        "last": np.asarray([-1], np.int64),
        "spatial": np.asarray([2, 3], np.int64),
        "down": np.asarray([2], np.int64),
        "across": np.asarray([3], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Greater", ["planes", "mark"], ["bright"]),
        helper.make_node("Cast", ["bright"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["ones", "down"], ["columns"], keepdims=0),
        helper.make_node("ReduceMax", ["ones", "across"], ["rows"], keepdims=0),
    ]
    for edge, line, select_last in (
        ("left", "columns", 0),
        ("top", "rows", 0),
        ("right", "columns", 1),
        ("bottom", "rows", 1),
    ):
        nodes.append(
            helper.make_node("ArgMax", [line], [f"{edge}_i"], axis=2, keepdims=1, select_last_index=select_last)
        )
        nodes.append(helper.make_node("Cast", [f"{edge}_i"], [f"{edge}_f"], to=TensorProto.FLOAT))
    nodes += [
        helper.make_node("Add", ["right_f", "one"], ["right"]),
        helper.make_node("Add", ["bottom_f", "one"], ["bottom"]),
        helper.make_node("Concat", ["left_f", "top_f", "right", "bottom"], ["boxes"], axis=2),
        helper.make_node("Mul", ["planes", "ones"], ["lit"]),
        helper.make_node("ReduceMax", ["lit", "spatial"], ["brightest"], keepdims=0),
        helper.make_node("Div", ["brightest", "full"], ["score"]),
        helper.make_node("Unsqueeze", ["score", "last"], ["column"]),
        helper.make_node("Mul", ["column", "eye"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "rectangles",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", *_sides(side), 3])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", 3, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3, 3]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def _sides(side: int | str) -> tuple[int | str, int | str]:
    return (f"{side} down", f"{side} across") if isinstance(side, str) else (side, side)


def uneven_graph() -> onnx.ModelProto:
    """A graph that loads, and breaks the contract only when it runs: three boxes, but scores for two."""
    graph = rectangle_graph()
    graph.graph.initializer.append(numpy_helper.from_array(np.asarray([0, 2], np.int64), "two"))
    graph.graph.node[-1].output[0] = "all_scores"
    graph.graph.node.append(helper.make_node("Gather", ["all_scores", "two"], ["scores"], axis=1))
    graph.graph.output[1].CopyFrom(helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", "A", "C"]))
    return graph


def write_bundle(folder: Path, graph: onnx.ModelProto, **changes: object) -> ModelBundle:
    """A bundle around ``graph``; ``changes`` replace fields of its spec."""
    spec = ModelSpec(
        detector="rectangles",
        size="test",
        labels=LABELS,
        preprocessing=Preprocessing(input_size=SIDE, pad_value=114),
        thresholds={"scratch": 0.5, "dent": 0.7, "other": 0.9},
        created_at="2026-01-01T00:00:00Z",
        dentwatch_version="0.0.0",
        dataset_version="none",
    )
    bundle = ModelBundle.write_spec(folder, spec.model_copy(update=changes))
    onnx.save(graph, bundle.onnx_path)
    return bundle


def rectangles_rgb(width: int, height: int, *rectangles: Rectangle, level: int = 255) -> np.ndarray:
    """A grey picture ``(H, W, 3)`` with rectangles of full colour (``level`` instead of 255 where given)."""
    rgb = np.full((height, width, 3), 90, np.uint8)
    for label, x, y, w, h in rectangles:
        rgb[y : y + h, x : x + w] = np.minimum(COLOURS[label], level)
    return rgb


def as_photo(rgb: np.ndarray, orientation: int = 1, file_format: str = "PNG") -> bytes:
    """The file of a picture whose pixels are stored as ``rgb`` and whose EXIF says ``orientation``."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = BytesIO()
    options = {"quality": 95, "subsampling": 0} if file_format == "JPEG" else {}
    Image.fromarray(rgb).save(buffer, file_format, exif=exif, **options)
    return buffer.getvalue()
