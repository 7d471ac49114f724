"""Only a model that equals its network, can be served, and says what it is and who allows it, is registered."""

from pathlib import Path
from typing import Any

import onnx
import pytest
import tiny_model
from onnx import helper

from dentwatch import settings
from dentwatch.errors import ExportError, ModelError
from dentwatch.records import admission
from dentwatch.records.model_bundle import Rights
from dentwatch.records.registry import Registry


def test_good_model_is_admitted(tmp_path: Path) -> None:
    admission.check(tiny_model.write_bundle(tmp_path))


def test_figures_at_the_bounds_are_admitted_per_batch_size(tmp_path: Path) -> None:
    parity = {f"{kind}_batch_{size}": bound for kind, bound in admission.PARITY_BOUNDS.items() for size in (1, 2, 4, 8)}
    admission.check(tiny_model.write_bundle(tmp_path, parity=parity))


@pytest.mark.parametrize(
    ("parity", "message"),
    [
        ({}, "how far its boxes are"),
        ({"boxes": 0.1}, "how far its scores are"),
        ({"boxes": 0.51, "scores": 0.0}, "boxes by 0.51, where 0.5"),
        ({"boxes": 0.1, "scores": 0.0011}, "scores by 0.0011, where 0.001"),
        ({"boxes": float("nan"), "scores": 0.0}, "boxes by nan"),
        ({"boxes_1": 0.1, "boxes_8": 3.0, "scores": 0.0}, "boxes_8 by 3"),
    ],
)
def test_model_that_is_not_its_network_is_refused(tmp_path: Path, parity: dict[str, float], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        admission.check(tiny_model.write_bundle(tmp_path, parity=parity))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rights": ()}, "where its data and starting weights come from"),
        ({"rights": (Rights(name="lot photos", licence=" "),)}, "the licence of lot photos"),
        ({"card": ""}, "no model card"),
        ({"card": " \n"}, "no model card"),
        ({"dataset_version": ""}, "does not name the dataset version"),
        ({"thresholds": {}}, "no operating thresholds"),
        ({"thresholds": {"scratch": 1.5}}, "outside 0 … 1"),
        ({"thresholds": {"rust": 0.5}}, "labels that it does not know"),
        ({"labels": ("scratch", "rust"), "thresholds": {"scratch": 0.5}}, "labels other than"),
        ({"labels": ("scratch", "scratch")}, "missing or repeated"),
    ],
)
def test_model_that_does_not_say_what_it_is_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        admission.check(tiny_model.write_bundle(tmp_path, **changes))


def _renamed(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.output[0].name = "rectangles"
    model.graph.node[-1].output[0] = "rectangles"
    return model


def _on_another_scale(model: onnx.ModelProto) -> onnx.ModelProto:
    (white,) = (value for value in model.graph.initializer if value.name == "white")
    white.CopyFrom(helper.make_tensor("white", onnx.TensorProto.FLOAT, [], [1.0]))
    return model


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (tiny_model.network(batch=1), {}, "does not take images uint8"),
        (_renamed(tiny_model.network()), {}, "does not take images uint8"),
        (tiny_model.network(), {"preprocessing": {"input_size": 96, "pad_value": 114}}, r"uint8 \(N, 96, 96, 3\)"),
        (tiny_model.network(), {"preprocessing": {"input_size": 64, "stride": 32}}, r"uint8 \(N, 32, 64, 3\)"),
        (tiny_model.network(), {"labels": ("scratch", "dent", "crack")}, r"scores \(2, 1, 2\) where .*\(2, 1, 3\)"),
        (tiny_model.network(box=(0, 0, float("nan"), 1)), {}, "not finite"),
        (_on_another_scale(tiny_model.network()), {}, "scores from 114 to 114"),
    ],
    ids=["fixed batch", "wrong names", "wrong size", "square alone", "wrong labels", "not a number", "not a score"],
)
def test_network_that_breaks_the_contract_is_refused(
    tmp_path: Path, model: onnx.ModelProto, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        admission.check(tiny_model.write_bundle(tmp_path, model=model, **changes))


def test_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    bundle = tiny_model.write_bundle(tmp_path)
    bundle.onnx_path.write_bytes(b"not a network")
    with pytest.raises(ExportError, match=r"model\.onnx"):
        admission.check(bundle)


def test_refused_model_leaves_no_trace(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError):
        Registry(settings.load()).register(tiny_model.write_bundle(tmp_path / "model", parity={}))
    assert not home.exists()
