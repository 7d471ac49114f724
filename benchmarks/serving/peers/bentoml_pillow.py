# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "bentoml",
#   "numpy",
#   "onnxruntime",
#   "opencv-python-headless",
#   "pillow",
# ]
# [tool.serving-benchmark]
# title = "BentoML"
# command = ["bentoml", "serve", "bentoml_pillow:Damage", "--host", "127.0.0.1", "--port", "{port}"]
# path = "/detect"
# form = "multipart"
# ///
"""BentoML as its documentation shows it for images: a Pillow image as the argument, two workers."""

from typing import Any

import bentoml
import numpy as np
from detector import Detector
from PIL import Image


@bentoml.service(workers=2)
class Damage:
    """A service with one method."""

    def __init__(self) -> None:
        self.model = Detector()

    @bentoml.api
    def detect(self, file: Image.Image) -> dict[str, Any]:
        """The damage in an uploaded photo."""
        return self.model.detect(np.asarray(file.convert("RGB")))
