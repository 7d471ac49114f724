"""A simplified graph has less to do and says the same; what it does not know is left as it is."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.engines import simplified
from dentwatch.serving.engines.check_photos import check_images
from dentwatch.serving.engines.onnx_runtime import OnnxRuntime
from dentwatch.serving.engines.parity import BOX_TOLERANCE, SCORE_TOLERANCE, difference
from dentwatch.serving.models import starter

QUARTERS = [(0, 0), (1, 0), (0, 1), (1, 1)]  # as YOLOX orders them


def graph(nodes: list[Any], weights: dict[str, NDArray[Any]]) -> onnx.ModelProto:
    """From ``x`` float ``(N, 3, 12, 16)`` to ``y``."""
    shapes = {"x": ["n", 3, 12, 16], "y": [None] * 4}
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    given = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    made = helper.make_graph(nodes, "a", ports[:1], ports[1:], given)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def dealt_out(
    quarters: list[tuple[int, int]] = QUARTERS,
    turned: bool = False,
    side: int = 3,
    end: int = 2**63 - 1,
    value: str = "x",
    **convolution: Any,
) -> onnx.ModelProto:
    """Pixels dealt out to channels by rows, then columns, and convolved."""
    nodes, weights = (
        [],
        {"end": np.array([end]), "two": np.array([2]), "minus": np.array([-1]), "least": np.array([-(2**63)])},
    )
    weights |= {f"axis{axis}": np.array([axis]) for axis in (1, 2, 3)} | {f"from{n}": np.array([n]) for n in (0, 1)}
    if turned:
        nodes.append(helper.make_node("Slice", [value, "minus", "least", "axis1", "minus"], ["turned"]))
        value = "turned"
    for number, (row, column) in enumerate(quarters):
        nodes.append(helper.make_node("Slice", [value, f"from{row}", "end", "axis2", "two"], [f"rows{number}"]))
        nodes.append(
            helper.make_node("Slice", [f"rows{number}", f"from{column}", "end", "axis3", "two"], [f"part{number}"])
        )
    nodes.append(helper.make_node("Concat", [f"part{number}" for number in range(len(quarters))], ["dealt"], axis=1))
    group = convolution.get("group", 1)
    shape = (8, 3 * len(quarters) // group, side, side)
    weights["w"] = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    weights["b"] = np.arange(8, dtype=np.float32)
    given = {"kernel_shape": [side, side], "pads": [side // 2] * 4} | convolution
    nodes.append(helper.make_node("Conv", ["dealt", "w", "b"], ["y"], **given))
    return graph(nodes, weights)


def pooled(*sides: int, **pooling: Any) -> onnx.ModelProto:
    """Maxima over windows of these sides, joined."""
    nodes = [
        helper.make_node(
            "MaxPool", ["x"], [f"m{n}"], kernel_shape=[side, side], **({"pads": [side // 2] * 4} | pooling)
        )
        for n, side in enumerate(sides)
    ]
    return graph([*nodes, helper.make_node("Concat", [f"m{n}" for n in range(len(sides))], ["y"], axis=1)], {})


def answers(model: onnx.ModelProto) -> NDArray[np.float32]:
    """About three random pictures."""
    x = np.random.default_rng(1).normal(size=(3, 3, 12, 16)).astype(np.float32)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [y] = session.run(None, {"x": x})
    return np.asarray(y)


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("side", [1, 3, 5])
@pytest.mark.parametrize("quarters", list(permutations(QUARTERS))[::5])
def test_pixels_that_are_dealt_out_are_convolved_where_they_are(
    quarters: list[tuple[int, int]], side: int, turned: bool
) -> None:
    model = dealt_out(quarters, turned, side)
    due = answers(model)
    assert simplified.simplify(model)
    onnx.checker.check_model(model, full_check=True)
    assert kinds(model) == ["Conv"]
    np.testing.assert_allclose(answers(model), due, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sides", [(5, 9, 13), (3, 7), (1, 3, 5, 11)])
def test_large_windows_take_up_the_maxima_of_small_ones(sides: tuple[int, ...]) -> None:
    model = pooled(*sides)
    due = answers(model)
    assert simplified.simplify(model)
    onnx.checker.check_model(model, full_check=True)
    looked_at = sum(simplified._window(node) ** 2 for node in model.graph.node if node.op_type == "MaxPool")
    assert looked_at < sum(side**2 for side in sides)
    np.testing.assert_array_equal(answers(model), due)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: dealt_out(strides=[2, 2]), id="strides"),
        pytest.param(lambda: dealt_out(dilations=[2, 2], pads=[2] * 4), id="gaps"),
        pytest.param(lambda: dealt_out(group=2), id="groups"),
        pytest.param(lambda: dealt_out(end=10), id="an end"),
        pytest.param(lambda: dealt_out(QUARTERS[:2]), id="two quarters"),
        pytest.param(lambda: dealt_out([*QUARTERS[:3], (0, 0)]), id="one quarter twice"),
        pytest.param(lambda: dealt_out([*QUARTERS, *QUARTERS]), id="all quarters twice"),
        pytest.param(lambda: pooled(9), id="one window"),
        pytest.param(lambda: pooled(5, 5), id="equal windows"),
        pytest.param(lambda: pooled(3, 5, strides=[2, 2]), id="windows that skip"),
        pytest.param(lambda: pooled(3, 5, pads=[0] * 4, auto_pad="SAME_UPPER"), id="padding by name"),
    ],
)
def test_what_only_looks_like_it_is_left_as_it_is(make: Callable[[], onnx.ModelProto]) -> None:
    model = make()
    before = kinds(model)
    due = answers(model) if "auto_pad" not in str(model) else None
    assert not simplified.simplify(model)
    assert kinds(model) == before
    if due is not None:
        np.testing.assert_array_equal(answers(model), due)


def test_numbers_that_stand_by_themselves_and_convolutions_along_a_line_are_left_as_they_are() -> None:
    shape = helper.make_node("Constant", [], ["shape"], value_ints=[0, 3, -1])
    flat = helper.make_node("Reshape", ["x", "shape"], ["flat"])
    joined = helper.make_node("Concat", ["flat"] * 4, ["joined"], axis=1)
    weight = np.random.default_rng(0).normal(size=(8, 12, 3)).astype(np.float32)
    conv = helper.make_node("Conv", ["joined", "w"], ["line"], kernel_shape=[3], pads=[1, 1])
    back = helper.make_node("Reshape", ["line", "back"], ["y"])
    model = graph([shape, flat, joined, conv, back], {"w": weight, "back": np.array([0, 8, 12, 16])})
    due = answers(model)
    assert not simplified.simplify(model)
    np.testing.assert_array_equal(answers(model), due)


def test_pools_after_a_larger_one_are_left_as_they_are() -> None:
    model = pooled(9, 5)
    due = answers(model)
    assert not simplified.simplify(model)
    np.testing.assert_array_equal(answers(model), due)


def test_the_starter_model_says_the_same_with_less_to_do(tmp_path: Path) -> None:
    model, path = starter(), tmp_path / "simplified.onnx"
    assert simplified.write(model, path)
    made = onnx.load(path)
    onnx.checker.check_model(made, full_check=True)
    first = next(node for node in made.graph.node if node.op_type == "Conv")
    assert first.input[0] == next(node for node in made.graph.node if node.op_type == "Cast").output[0]
    assert len(made.graph.node) < len(onnx.load(model.onnx_path).graph.node)
    photos = check_images(model.spec.preprocessing)
    other = OnnxRuntime(model, path=path, name=simplified.NAME)
    for batch in (*(photo[None] for photo in photos), np.stack([photos[0], photos[3]])):
        gaps = difference(OnnxRuntime(model).run(batch), other.run(batch))
        assert gaps["boxes"] <= BOX_TOLERANCE
        assert gaps["scores"] <= SCORE_TOLERANCE


def test_a_model_without_any_of_it_has_no_simplified_graph(bundle: ModelBundle, tmp_path: Path) -> None:
    assert not simplified.write(bundle, tmp_path / "simplified.onnx")
    assert not list(tmp_path.glob("*.onnx"))
