"""A price table whose amounts are known and lie on the grid, and sightings of damage."""

from typing import Any

import yaml

from dentwatch.records.annotations import Box
from dentwatch.records.detections import Detection
from dentwatch.records.labels import LABELS
from dentwatch.records.model_bundle import ModelSpec, Preprocessing
from dentwatch.serving.price_table import PriceTable, SeverityLevel
from dentwatch.serving.severity import Severity
from dentwatch.serving.valuation import Sighting

PRICES = {"moderate_from": 0.1, "severe_from": 0.3, "minor": [64, 128], "moderate": [128, 256], "severe": [512, 1024]}


def content(**changes: Any) -> dict[str, Any]:
    """A valid table as plain values; its highest cost of 1024 makes cells of a quarter."""
    fields: dict[str, Any] = {
        "name": "test",
        "currency": "EUR",
        "valid_from": "2026-01-01",
        "close_up_from": 0.5,
        "labels": {label: dict(PRICES) for label in LABELS},
        "vehicle_classes": {"normal": 1.0, "dear": 2.0},
        "default_class": "normal",
    }
    return {**fields, **changes}


def table(**changes: Any) -> PriceTable:
    return PriceTable.model_validate(content(**changes))


def text(**changes: Any) -> str:
    """The table as YAML, its fields in the order above."""
    return yaml.safe_dump(content(**changes), sort_keys=False)


def model(**changes: Any) -> ModelSpec:
    fields: dict[str, Any] = {
        "detector": "yolo",
        "size": "nano",
        "labels": ("scratch", "dent"),
        "preprocessing": Preprocessing(input_size=64),
        "thresholds": {"scratch": 0.3, "dent": 0.3},
        "created_at": "2026-11-23T12:00:00+00:00",
        "dentwatch_version": "0.1.0",
        "dataset_version": "5d1f00aa33bb",
    }
    return ModelSpec(**{**fields, **changes})


def sighting(
    score: float = 1.0,
    level: SeverityLevel = "moderate",
    *,
    label: str = "scratch",
    size: float = 0.2,
    position: int = 0,
    reliable: bool = True,
    at_most: SeverityLevel | None = None,
) -> Sighting:
    severity = Severity(level=level, at_least=level, at_most=at_most or level, size=size, reason="as the test says")
    return Sighting(Detection(label, score, Box(10, 10, 20, 20)), severity, position, reliable)
