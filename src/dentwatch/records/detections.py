"""What a model says about a photo."""

from dataclasses import dataclass

from dentwatch.records.annotations import Box


@dataclass(frozen=True, slots=True)
class Detection:
    """One damage as a model sees it: label, score in [0, 1], and box in pixels of the upright original photo."""

    label: str
    score: float
    box: Box
