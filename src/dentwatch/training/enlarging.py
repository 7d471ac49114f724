"""A trained network at a larger input: the same weights, exported anew."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.letterbox import letterbox
from dentwatch.errors import TrainingError
from dentwatch.records.model_bundle import ONNX_NAME, ModelBundle
from dentwatch.training.detectors import of_model
from dentwatch.training.export import export_onnx
from dentwatch.training.starting_weights import load_weights


def enlarge(bundle: ModelBundle, input_size: int, photos: list[NDArray[np.uint8]], folder: Path) -> dict[str, float]:
    """Export the network of ``bundle`` for an input of ``input_size`` pixels into ``folder``.

    Returns how far file and network differ on ``photos``, RGB ``(H, W, 3)`` of any size, as
    :func:`~dentwatch.training.export.export_onnx` does. Raises :class:`TrainingError` for a
    model that was kept without its network's parameters or whose detector cannot take that size, and
    :class:`~dentwatch.errors.ExportError` where file and network differ.
    """
    spec = bundle.spec
    if bundle.weights_path is None:
        raise TrainingError(
            f"The model {bundle.name} was kept without its network's parameters.", "Train a model from it first."
        )
    network = of_model(spec, input_size)
    load_weights(network, bundle.weights_path, bundle.name)
    pad = spec.preprocessing.pad_value
    fitted = np.stack([letterbox(photo, input_size, pad)[0] for photo in photos])
    return export_onnx(network, folder / ONNX_NAME, fitted)
