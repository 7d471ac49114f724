# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "fastapi",
#   "uvicorn[standard]",
#   "numpy",
#   "onnxruntime",
#   "opencv-python-headless",
# ]
# [tool.serving-benchmark]
# title = "FastAPI + OpenCV, tuned, decoded whole"
# command = ["uvicorn", "fastapi_opencv_full:app", "--workers", "2", "--port", "{port}", "--log-level", "warning"]
# path = "/detect"
# form = "raw"
# ///
"""FastAPI tuned by hand but for the decode: raw body, OpenCV, one photo at a time in a thread beside the event loop."""

from typing import Any

import cv2
import numpy as np
from anyio import CapacityLimiter, to_thread
from detector import Detector
from fastapi import FastAPI, Request

app = FastAPI()
model = Detector()
one_at_a_time = CapacityLimiter(1)


@app.post("/detect")
async def detect(request: Request) -> dict[str, Any]:
    """The damage in the photo that is the body."""
    return await to_thread.run_sync(answer, await request.body(), limiter=one_at_a_time)


def answer(body: bytes) -> dict[str, Any]:
    """Decode the photo whole, and detect."""
    bgr = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    return model.detect(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
