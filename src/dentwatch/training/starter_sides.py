"""Let the starter model that ships in the package look at photos in their own shape instead of a square.

::

    python -m dentwatch.training.starter_sides

Its network takes any shape; only the file stated a square. A starter model that is made anew
(:mod:`dentwatch.training.starter`) states none.
"""

import sys

import onnx

from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.models import starter
from dentwatch.training.detectors.yolo import YoloDetector
from dentwatch.training.export import OPEN_SIDES


def open_sides(bundle: ModelBundle) -> None:
    """Leave height and width of the input open in ``model.onnx``, and say so in ``model.json``."""
    model = onnx.load(bundle.onnx_path)
    for port in [*model.graph.input, *model.graph.output]:
        for place, name in OPEN_SIDES[port.name].items():
            port.type.tensor_type.shape.dim[place].dim_param = name
    onnx.save(model, bundle.onnx_path)
    preprocessing = bundle.spec.preprocessing.model_copy(update={"stride": YoloDetector.stride})
    ModelBundle.write_spec(bundle.folder, bundle.spec.model_copy(update={"preprocessing": preprocessing}))


if __name__ == "__main__":
    open_sides(starter())
    print("The starter model takes photos of any shape.", file=sys.stderr)  # noqa: T201
