"""What is searched, how trials are judged, and how long it may take."""

import hashlib

from pydantic import BaseModel, ConfigDict, Field

from dentwatch.training.run_settings import RunSettings


class SearchSettings(BaseModel):
    """One search; those with equal settings over one dataset version are the same search, and go on where it was.

    ``base`` holds what trials have in common. Ranges are ``(lowest, highest)``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    networks: tuple[str, ...] = Field(
        ("yolo:nano", "yolo:tiny", "yolo-lite:lite0", "retinanet:mobilenet", "faster-rcnn:mobilenet"),
        min_length=1,
        description="Detectors with their sizes.",
    )
    input_sizes: tuple[int, ...] = Field((320, 416, 640), min_length=1, description="Sides of the input, pixels.")
    learning_rate: tuple[float, float] = Field((0.3, 3.0), description="Multiples of the detector's peak rate.")
    weight_decay: tuple[float, float] = Field((0.001, 0.1), description="Weight decay.")
    mosaic: tuple[float, float] = Field((0.0, 0.8), description="Probability of mosaics.")
    latency_ms: float | None = Field(
        200, gt=0, description="Most milliseconds a photo may take on this machine; None: whatever it takes."
    )
    folds: int = Field(3, ge=2, description="Parts of the vehicles that a trial is cross-validated on.")
    trials: int = Field(30, ge=1, description="Most trials, those that were stopped early among them.")
    weights: str | None = Field(None, description="What networks start from; None: what suits each best.")
    base: RunSettings = Field(RunSettings(epochs=12, quality_photos=0), description="What trials have in common.")
    seed: int = Field(0, ge=0, description="Seed of the draws.")

    def with_epochs(self, epochs: int) -> "SearchSettings":
        """The same with another number of passes over the photos."""
        return self.model_copy(update={"base": self.base.model_copy(update={"epochs": epochs})})

    def name(self, dataset: str) -> str:
        """What this search over a dataset version is called."""
        digest = hashlib.sha256(f"{dataset}{self.model_dump_json()}".encode()).hexdigest()
        return f"search-{dataset[:8]}-{digest[:8]}"
