"""A starter model whose file states a square takes photos of any shape once its sides are open."""

import shutil
from pathlib import Path

import onnx
import pytest

from dentwatch.errors import ModelError
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.detector import Detector
from dentwatch.serving.models import starter
from dentwatch.training import starter_sides


def _square(folder: Path) -> ModelBundle:
    """A copy of the starter model whose file states the square that it was trained on."""
    shutil.copytree(starter().folder, folder, ignore=shutil.ignore_patterns("__*"))
    bundle = ModelBundle.load(folder)
    side = bundle.spec.preprocessing.input_size
    model = onnx.load(bundle.onnx_path)
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[1:3]:
        dimension.dim_value = side
    onnx.save(model, bundle.onnx_path)
    preprocessing = bundle.spec.preprocessing.model_copy(update={"stride": 0})
    ModelBundle.write_spec(folder, bundle.spec.model_copy(update={"preprocessing": preprocessing}))
    return ModelBundle.load(folder)


def test_sides_are_opened(tmp_path: Path) -> None:
    square = _square(tmp_path / "model")
    starter_sides.open_sides(square)
    opened, shipped = ModelBundle.load(square.folder), starter()
    assert opened.spec == shipped.spec
    assert opened.onnx_path.read_bytes() == shipped.onnx_path.read_bytes()
    Detector(opened)


def test_a_file_that_states_a_square_is_not_said_to_take_any_shape(tmp_path: Path) -> None:
    square = _square(tmp_path / "model")
    preprocessing = square.spec.preprocessing.model_copy(update={"stride": 32})
    ModelBundle.write_spec(square.folder, square.spec.model_copy(update={"preprocessing": preprocessing}))
    with pytest.raises(ModelError, match="any, any, 3"):
        Detector(ModelBundle.load(square.folder))
