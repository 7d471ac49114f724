"""A model's graph in 8 bits: quantised with the check photos, and used only where its boxes stay.

Static quantisation of the convolutions, weights per channel, as ONNX Runtime's documentation advises for CPUs
("Quantize ONNX models").
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.records.model_bundle import ModelBundle

NAME = "onnxruntime-int8"


def quantise(bundle: ModelBundle, photos: Sequence[NDArray[np.uint8]], path: Path) -> None:
    """Write the bundle's graph in 8 bits to ``path``, scaled to what ``photos`` ``(H, W, 3)`` bring about in it."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._left: Iterator[dict[str, Any]] = ({"images": photo[None]} for photo in photos)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._left, None)

    quantize_static(
        bundle.onnx_path,
        path,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv"],
    )
