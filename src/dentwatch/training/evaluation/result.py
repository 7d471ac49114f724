"""What an evaluation found, as one JSON document."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dentwatch.data.statistics import Lighting
from dentwatch.errors import DataError
from dentwatch.records.annotations import Annotation, Box, PhotoRecord, Split
from dentwatch.records.detections import Detection
from dentwatch.records.model_bundle import Rights
from dentwatch.training.evaluation.geometry import BoxSize
from dentwatch.training.evaluation.matching import PhotoOutcome

RESULT_NAME = "evaluation.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Part):
    """A figure with its 95 % interval; None where there is nothing to measure or too few vehicles for an interval."""

    value: float | None
    low: float | None = None
    high: float | None = None


Figures = dict[str, Figure]


class ModelFacts(_Part):
    """Which model was evaluated and where it comes from."""

    name: str
    fingerprint: str = Field(description="First 12 hex digits of the SHA-256 of model.onnx.")
    detector: str
    size: str
    labels: tuple[str, ...]
    input_size: int = Field(description="Side of the square input, pixels.")
    created_at: str
    dataset_version: str = Field(description="What it was trained on.")
    run_id: str
    commit: str
    rights: tuple[Rights, ...]


class DatasetFacts(_Part):
    """Which photos it was evaluated on."""

    version: str
    split: Split
    photos: int
    vehicles: int
    truths: dict[str, int] = Field(description="Annotated damages by label, also of labels that are not judged.")


class Threshold(_Part):
    """The operating threshold of a label; ``origin`` says who chose it."""

    score: float
    origin: str


class CurvePoints(_Part):
    """Operating points by falling score, thinned out for drawing; see :class:`.curves.Curve`."""

    threshold: list[float]
    precision: list[float]
    recall: list[float]
    false_per_photo: list[float]


class SizeSlice(_Part):
    """Damages of one box size (COCO's classes at 640 px)."""

    truths: int
    ap: float | None
    ap50: float | None
    recall: Figure
    precision: Figure


class LightingSlice(_Part):
    """Photos of one lighting."""

    photos: int
    vehicles: int
    truths: int
    figures: Figures


class PhotoLevel(_Part):
    """Photos by whether they are damaged and whether a damage was detected."""

    damaged_found: int
    damaged_missed: int
    undamaged_clean: int
    undamaged_accused: int


class Latency(_Part):
    """Milliseconds per photo through the serving engine at the operating thresholds."""

    photos: int
    threads: int
    machine: str
    megapixels: float = Field(description="Mean size of the photos.")
    decode: dict[str, float] = Field(description="p50, p95, p99: bytes to pixels and statistics.")
    infer: dict[str, float] = Field(description="p50, p95, p99: pixels to detections.")
    total: dict[str, float]


class Bootstrap(_Part):
    """How the intervals were made."""

    resamples: int
    seed: int
    level: float


class PhotoRow(_Part):
    """One photo.

    ``annotations`` are ``(label, x, y, width, height)`` in pixels; ``detections`` have a score after the label. One
    that is ``asked_again`` has neither.
    """

    photo_id: str
    name: str
    vehicle: str
    width: int
    height: int
    lighting: Lighting
    annotations: list[tuple[str, float, float, float, float]]
    detections: list[tuple[str, float, float, float, float, float]]
    asked_again: bool = False


class EvaluationResult(_Part):
    """Everything that was measured; ``format`` changes when the meaning of a field does.

    ``figures`` are those of :func:`.figures.headline` and :func:`.calibration.calibration_errors`; ``ap`` are the COCO
    figures of :meth:`.metrics.APResult.figures`; ``ignoring_other`` repeats the headline without the detections that
    found nothing and lie at least half inside a damage of a label that is not judged; ``curves`` are named
    ``LABEL@IOU``, ``all`` for all labels under one threshold; ``confusion`` is ``{annotated: {detected: count}}``.
    """

    format: Literal[1] = 1
    created_at: str
    dentwatch_version: str
    commit: str
    machine: str
    model: ModelFacts
    dataset: DatasetFacts
    labels: tuple[str, ...]
    thresholds: dict[str, Threshold]
    bootstrap: Bootstrap
    figures: Figures
    ap: dict[str, float]
    ignoring_other: Figures
    sizes: dict[BoxSize, SizeSlice]
    lighting: dict[Lighting, LightingSlice]
    photo_level: PhotoLevel
    confusion: dict[str, dict[str, int]]
    wrong_kinds: dict[str, int]
    missed_kinds: dict[str, int]
    curves: dict[str, CurvePoints]
    latency: Latency | None
    photos: list[PhotoRow]

    @property
    def scores(self) -> dict[str, float]:
        """The operating threshold of each label."""
        return {label: threshold.score for label, threshold in self.thresholds.items()}

    @property
    def truths(self) -> int:
        """How many damages of the judged labels are annotated."""
        return sum(self.dataset.truths.get(label, 0) for label in self.labels)

    def metrics(self) -> dict[str, float]:
        """The figures by name, flat, for trackers, model cards and the registry."""
        known = {name: figure.value for name, figure in self.figures.items() if figure.value is not None}
        return self.ap | known

    def summary_json(self) -> str:
        """The document without the single photos."""
        return self.model_dump_json(exclude={"photos"}, indent=1)

    def outcomes(self) -> list[PhotoOutcome]:
        """The photos as they were judged."""
        return [outcome_of(row, self.dataset.split) for row in self.photos]

    def save(self, folder: Path) -> Path:
        """Write the whole document to ``evaluation.json`` in ``folder`` (made if needed) and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / RESULT_NAME
        path.write_text(self.model_dump_json() + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> "EvaluationResult":
        """Read what :meth:`save` wrote; raises :class:`DataError` when it is missing or not an evaluation."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise DataError(f"There is no evaluation at {path}.", "Run `dentwatch evaluate` first.") from error
        except ValidationError as error:
            raise DataError(
                f"{path} is not an evaluation that this version reads: {error.errors()[0]['msg']}.",
                "Run `dentwatch evaluate` again.",
            ) from error


def photo_row(outcome: PhotoOutcome) -> PhotoRow:
    """``outcome`` as the document holds it: thousandths of a pixel, millionths of a score."""
    photo = outcome.photo
    return PhotoRow(
        photo_id=photo.photo_id,
        name=photo.name,
        vehicle=photo.vehicle,
        width=photo.width,
        height=photo.height,
        lighting=outcome.lighting,
        annotations=[(mark.label, *_rounded(mark.box)) for mark in photo.annotations],
        detections=[(one.label, round(one.score, 6), *_rounded(one.box)) for one in outcome.detections],
        asked_again=outcome.asked_again,
    )


def _rounded(box: Box) -> tuple[float, float, float, float]:
    return round(box.x, 3), round(box.y, 3), round(box.width, 3), round(box.height, 3)


def outcome_of(row: PhotoRow, split: Split) -> PhotoOutcome:
    """The photo as it was judged."""
    photo = PhotoRecord(
        photo_id=row.photo_id,
        name=row.name,
        vehicle=row.vehicle,
        split=split,
        width=row.width,
        height=row.height,
        annotated=True,
        annotations=tuple(Annotation(label, Box(*box)) for label, *box in row.annotations),
    )
    found = tuple(Detection(label, score, Box(*box)) for label, score, *box in row.detections)
    return PhotoOutcome(photo, found, row.lighting, row.asked_again)
