# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "fastapi",
#   "python-multipart",
#   "uvicorn[standard]",
#   "numpy",
#   "onnxruntime",
#   "opencv-python-headless",
#   "pillow",
# ]
# [tool.serving-benchmark]
# title = "FastAPI + Pillow"
# command = ["uvicorn", "fastapi_pillow:app", "--workers", "2", "--port", "{port}", "--log-level", "warning"]
# path = "/detect"
# form = "multipart"
# ///
"""FastAPI as its documentation shows it (request files, sync path function in the thread pool), decoded by Pillow."""

from typing import Any

import numpy as np
from detector import Detector
from fastapi import FastAPI, UploadFile
from PIL import Image

app = FastAPI()
model = Detector()


@app.post("/detect")
def detect(file: UploadFile) -> dict[str, Any]:
    """The damage in an uploaded photo."""
    return model.detect(np.asarray(Image.open(file.file).convert("RGB")))
