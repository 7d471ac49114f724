# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "litserve",
#   "python-multipart",
#   "numpy",
#   "onnxruntime",
#   "opencv-python-headless",
#   "pillow",
# ]
# [tool.serving-benchmark]
# title = "LitServe"
# command = ["python", "litserve_pillow.py", "{port}"]
# path = "/predict"
# form = "multipart"
# ///
"""LitServe as its documentation shows it for images: decode_request opens the upload, predict runs the model."""

import sys
from typing import Any

import litserve
import numpy as np
from detector import Detector
from fastapi import Request
from numpy.typing import NDArray
from PIL import Image


class DamageAPI(litserve.LitAPI):
    """The four verbs of LitServe, two of them its defaults."""

    def setup(self, device: str) -> None:  # noqa: ARG002 (the name is LitServe's)
        """Load the model, once per worker."""
        self.model = Detector()

    def decode_request(self, request: Request) -> NDArray[np.uint8]:
        """The upload as pixels."""
        return np.asarray(Image.open(request["file"].file).convert("RGB"))

    def predict(self, rgb: NDArray[np.uint8]) -> dict[str, Any]:
        """The damage in it."""
        return self.model.detect(rgb)


if __name__ == "__main__":
    server = litserve.LitServer(DamageAPI(), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
