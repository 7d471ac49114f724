"""What is answered about a photo: the documents that ``inspect`` prints and the service sends."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dentwatch.records.detections import Detection


class DetectionAnswer(BaseModel):
    """One damage: its label, score, and box in pixels of the photo as a person sees it."""

    model_config = ConfigDict(frozen=True)

    label: str
    score: float = Field(ge=0, le=1)
    x: float = Field(description="Left edge, pixels from the left of the upright photo.")
    y: float = Field(description="Top edge, pixels from the top of the upright photo.")
    width: float = Field(gt=0)
    height: float = Field(gt=0)

    @classmethod
    def of(cls, detection: Detection) -> "DetectionAnswer":
        """A detection in its outer form: thousandths of a pixel, millionths of a score."""
        box = detection.box
        return cls(
            label=detection.label,
            score=round(detection.score, 6),
            x=round(box.x, 3),
            y=round(box.y, 3),
            width=max(round(box.width, 3), 0.001),
            height=max(round(box.height, 3), 0.001),
        )


class Timing(BaseModel):
    """Milliseconds that one photo took, per stage."""

    model_config = ConfigDict(frozen=True)

    decode: float = Field(description="Bytes to pixels, and the photo's statistics.")
    infer: float = Field(description="Pixels to detections.")


class PhotoAnswer(BaseModel):
    """What the model says about one photo."""

    model_config = ConfigDict(frozen=True)

    photo: str = Field(description="The photo's name, as it was given.")
    width: int = Field(description="Width of the upright photo, pixels.")
    height: int = Field(description="Height of the upright photo, pixels.")
    detections: tuple[DetectionAnswer, ...] = Field(description="Best score first.")
    model: str = Field(description="The model version that answers.")
    statistics: dict[str, Any] = Field(description="What the pixels say about light and sharpness.")
    timing_ms: Timing


class PhotoFailure(BaseModel):
    """Why there is no answer about one photo."""

    model_config = ConfigDict(frozen=True)

    photo: str = Field(description="The photo's name, as it was given.")
    error: str = Field(description="What is wrong with it, for a person.")
    reason: str = Field(description="The same for a program: `not_an_image`, `truncated`, `not_found` …")
    model: str = Field(description="The model version that would have answered.")


PhotoResult = PhotoAnswer | PhotoFailure
