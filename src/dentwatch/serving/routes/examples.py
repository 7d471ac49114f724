"""Examples in the OpenAPI document: an answer about a synthetic photo as it was given; a test holds it to the model."""

import json
from importlib import resources
from typing import Any

INSPECTION: dict[str, Any] = json.loads(
    resources.files("dentwatch.serving.routes").joinpath("inspection_example.json").read_text(encoding="utf-8")
)
