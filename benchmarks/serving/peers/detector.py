"""What every peer shares: the model around which the servers differ, as a careful user would write it.

``MODEL_FOLDER`` names the folder with ``model.onnx`` and ``model.json``. One inference thread per worker.
"""

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

cv2.setNumThreads(1)


class Detector:
    """The ONNX model: RGB photos ``(H, W, 3)`` in, detections in pixels of the photo out."""

    def __init__(self) -> None:
        folder = Path(os.environ["MODEL_FOLDER"])
        spec = json.loads((folder / "model.json").read_text())
        self.side: int = spec["preprocessing"]["input_size"]
        self.labels: list[str] = spec["labels"]
        self._pad: int = spec["preprocessing"]["pad_value"]
        self._thresholds = np.array([spec["thresholds"][label] for label in self.labels], np.float32)
        self._iou: float = spec["nms_iou"]
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])

    def detect(self, rgb: NDArray[np.uint8], size: tuple[int, int] | None = None) -> dict[str, Any]:
        """``{"detections": [{"label", "score", "x", "y", "width", "height"}, …]}``.

        ``size`` is ``(width, height)`` of the photo where ``rgb`` is a reduced copy of it.
        """
        height, width = rgb.shape[:2]
        scale = self.side / max(height, width)
        fitted = round(width * scale), round(height * scale)
        canvas = np.full((1, self.side, self.side, 3), self._pad, np.uint8)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas[0, : fitted[1], : fitted[0]] = cv2.resize(rgb, fitted, interpolation=method)
        boxes, scores = self._session.run(["boxes", "scores"], {"images": canvas})
        full_width, full_height = size or (width, height)
        ratio = np.array([full_width / fitted[0], full_height / fitted[1]] * 2, np.float32)
        limits = np.array([full_width, full_height] * 2, np.float32)
        found = [
            {"label": label, "score": score, "x": x, "y": y, "width": right - x, "height": bottom - y}
            for index, label in enumerate(self.labels)
            for score, (x, y, right, bottom) in self._best(boxes[0], scores[0, :, index], index, ratio, limits)
        ]
        return {"detections": sorted(found, key=lambda one: -one["score"])}

    def _best(
        self,
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        label: int,
        ratio: NDArray[np.float32],
        limits: NDArray[np.float32],
    ) -> list[tuple[float, list[float]]]:
        """Non-maximum suppression of one label; boxes come out in pixels of the photo."""
        passing = scores >= self._thresholds[label]
        candidates, values = boxes[passing], scores[passing]
        order, kept = list(np.argsort(-values)), []
        while order:
            best, rest = order[0], order[1:]
            kept.append((float(values[best]), np.clip(candidates[best] * ratio, 0, limits).tolist()))
            order = [other for other in rest if _iou(candidates[best], candidates[other]) <= self._iou]
        return kept


def _iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return float(shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared))
