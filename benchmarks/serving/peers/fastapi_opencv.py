# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "fastapi",
#   "uvicorn[standard]",
#   "numpy",
#   "onnxruntime",
#   "opencv-python-headless",
#   "pillow",
# ]
# [tool.serving-benchmark]
# title = "FastAPI + OpenCV, tuned"
# command = ["uvicorn", "fastapi_opencv:app", "--workers", "2", "--port", "{port}", "--log-level", "warning"]
# path = "/detect"
# form = "raw"
# ///
"""FastAPI tuned by hand: raw body, OpenCV's reduced decode, one photo at a time in a thread beside the event loop."""

import io
from typing import Any

import cv2
import numpy as np
from anyio import CapacityLimiter, to_thread
from detector import Detector
from fastapi import FastAPI, Request
from PIL import Image

_REDUCED = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
_REDUCED[8] = cv2.IMREAD_REDUCED_COLOR_8

app = FastAPI()
model = Detector()
one_at_a_time = CapacityLimiter(1)


@app.post("/detect")
async def detect(request: Request) -> dict[str, Any]:
    """The damage in the photo that is the body."""
    return await to_thread.run_sync(answer, await request.body(), limiter=one_at_a_time)


def answer(body: bytes) -> dict[str, Any]:
    """Decode at the smallest scale that the model can use, and detect."""
    size = Image.open(io.BytesIO(body)).size
    factor = max((factor for factor in _REDUCED if max(size) // factor >= model.side), default=1)
    bgr = cv2.imdecode(np.frombuffer(body, np.uint8), _REDUCED[factor])
    return model.detect(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), size)
