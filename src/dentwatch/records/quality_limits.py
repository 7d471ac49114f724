"""Quality limits: from which photo statistic on a model's answer is not to be relied on, and how that was measured.

They lie beside a model as ``quality.json``; :mod:`dentwatch.training.evaluation.quality_limits` measures them.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dentwatch.errors import ModelError
from dentwatch.records.annotations import Split

QUALITY_NAME = "quality.json"

QualityReason = Literal["too_dark", "too_bright", "blurred", "too_small", "empty", "noisy"]
QUALITY_REASONS: tuple[QualityReason, ...] = ("too_dark", "too_bright", "blurred", "too_small", "empty", "noisy")


class Retained(BaseModel):
    """Recall as a share of that on the photos as they were taken, with its 95 % interval where there is one.

    ``looks`` is how many photos were looked at for it, a photo counting once per step of degradation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float | None = Field(ge=0)
    low: float | None = None
    high: float | None = None
    looks: int = Field(ge=0)


class QualityLimit(BaseModel):
    """The limit of one reason: a photo is unreliable when ``statistic`` is on the ``side`` of ``limit``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: QualityReason
    statistic: str = Field(description="Attribute of the photo statistics.")
    side: Literal["below", "above"] = Field(description="On which side of the limit a photo is unreliable.")
    limit: float = Field(description="In the statistic's unit.")
    low: float | None = Field(None, description="The limit's 95 % interval, vehicles resampled.")
    high: float | None = None
    set_by: Literal["recall", "false_refusals", "drift"] = Field(
        description="What set it: the recall lost, the most ordinary photos that it may refuse, or a drift's remedy."
    )
    beyond: Retained = Field(description="Recall retained in photos that it marks unreliable.")
    within: Retained = Field(description="Recall retained in the others, degraded and not.")
    false_refusals: float = Field(ge=0, le=1, description="Share of the photos as taken that it marks unreliable.")

    def is_beyond(self, value: float) -> bool:
        """Whether a photo whose statistic is ``value`` is unreliable; one exactly at the limit is not."""
        return value < self.limit if self.side == "below" else value > self.limit


class QualityLimits(BaseModel):
    """All limits of a model, and what they were measured on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    model: str = Field(description="The model version whose recall was measured.")
    dataset_version: str
    split: Split
    statistics_side: int = Field(description="Longer side, pixels, at which the photo statistics were measured.")
    photos: int
    vehicles: int
    truths: int = Field(description="Annotated damages.")
    recall: float = Field(description="Of the photos as taken, at the operating thresholds and `iou`.")
    iou: float = Field(description="Overlap from which a damage counts as found.")
    tolerance: float = Field(gt=0, lt=1, description="Least share of that recall that a reliable photo retains.")
    most_refused: float = Field(ge=0, le=1, description="Most photos as taken, as a share, that all limits may refuse.")
    false_refusals: float = Field(ge=0, le=1, description="Share of them that they do refuse.")
    created_at: str = Field(description="UTC, ISO 8601.")
    dentwatch_version: str
    limits: tuple[QualityLimit, ...]

    def save(self, path: Path) -> Path:
        """Write the limits to ``path`` and return it."""
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> "QualityLimits":
        """Read what :meth:`save` wrote; raises :class:`ModelError` when it is missing or no quality limits."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ModelError(
                f"The quality limits in {path} cannot be read: {error.strerror}.", "Measure them, or copy them back."
            ) from error
        except ValidationError as error:
            raise ModelError(
                f"{path} holds no quality limits that this version reads: {error.errors()[0]['msg']}.",
                "Measure them again.",
            ) from error
