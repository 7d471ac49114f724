# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "ray[serve]",
#   "numpy",
#   "onnxruntime",
#   "opencv-python-headless",
#   "pillow",
# ]
# [tool.serving-benchmark]
# title = "Ray Serve"
# command = ["python", "ray_serve_pillow.py", "{port}"]
# path = "/"
# form = "raw"
# ///
"""Ray Serve as its documentation shows it for images: the body through Pillow in a deployment of two replicas."""

import io
import os
import sys
from typing import Any

import numpy as np
import ray
from detector import Detector
from PIL import Image
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 1})
class Damage:
    """A deployment."""

    def __init__(self) -> None:
        self.model = Detector()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """The damage in the photo that is the body."""
        image = Image.open(io.BytesIO(await request.body()))
        return self.model.detect(np.asarray(image.convert("RGB")))


if __name__ == "__main__":
    os.environ["RAY_AUTH_MODE"] = "disabled"  # it would leave a token in the user's home
    ray.init(num_cpus=2, include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Damage.bind(), blocking=True)
