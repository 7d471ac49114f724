"""Everything that decides the outcome of a training run, in one typed record that is logged with it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.model_bundle import Adaptation, Enhancement


class AugmentationSettings(BaseModel):
    """How training photos are varied; probabilities are per photo."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: float = Field(0.5, ge=0, le=1, description="Probability of a horizontal flip.")
    mosaic: float = Field(0.5, ge=0, le=1, description="Probability that four photos share the canvas.")
    scale: tuple[float, float] = Field((0.6, 1.8), description="Range of the zoom; above 1 crops into the photo.")
    visible: float = Field(
        0.25, gt=0, le=1, description="Share of a box that a crop must leave; less becomes an ignore region."
    )
    colour: float = Field(0.8, ge=0, le=1, description="Probability of another white balance, contrast, saturation.")
    low_light: float = Field(0.25, ge=0, le=1, description="Probability of a darker exposure with shot noise.")
    stops: tuple[float, float] = Field((-3.0, -0.5), description="Range of the darker exposure, stops in linear light.")
    blur: float = Field(0.05, ge=0, le=1, description="Probability of a slight defocus.")
    drifted: float = Field(
        0.5, ge=0, le=1, description="Probability that a run for a drift sees a photo as that drift would make it."
    )


class RunSettings(BaseModel):
    """One training run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: str = Field("yolo", description="Name of the detector.")
    size: str | None = Field(None, description="Its size; None takes the detector's first.")
    members: int = Field(
        1, ge=1, le=9, description="Networks that are trained one after another and answer together; `minutes` is all."
    )
    input_size: int = Field(416, ge=32, description="Side of the network's input in training, pixels.")
    labels: tuple[str, ...] = Field(HEADLINE_LABELS, description="Labels to learn.")
    ignore_labels: tuple[str, ...] = Field(
        ("other",), description="Labels whose boxes are neither damage to learn nor background to unlearn."
    )
    teacher: str | None = Field(
        None, coerce_numbers_to_str=True, description="A model to learn from besides the annotations; None: no model."
    )
    teacher_share: float = Field(0.5, ge=0, le=1, description="Share of the loss that is about what the teacher says.")
    weights: str = Field("none", description="none, pretrained, a file, or a model version to start from.")
    epochs: int = Field(60, ge=1, description="Most passes over the train split.")
    minutes: float | None = Field(None, gt=0, description="Most minutes to train; the schedule still ends at zero.")
    batch_size: int = Field(16, ge=1, description="Photos per step and process.")
    learning_rate: float | None = Field(None, gt=0, description="Peak learning rate; None takes the detector's.")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="AdamW or SGD with Nesterov momentum.")
    weight_decay: float = Field(0.01, ge=0, description="Weight decay, not applied to norms and biases.")
    warmup_epochs: float = Field(1.0, ge=0, description="Epochs of linear warm-up before the cosine.")
    clip: float = Field(10.0, gt=0, description="Largest gradient norm.")
    ema_decay: float = Field(0.9995, ge=0, lt=1, description="Decay of the exponential moving average of the weights.")
    plain_epochs: float = Field(
        0.15, ge=0, le=1, description="Share of the epochs at the end that are trained without mosaic."
    )
    patience: int = Field(0, ge=0, description="Validations without a better AP50 before stopping; 0 never stops.")
    validate_every: int = Field(1, ge=1, description="Epochs between validations.")
    augmentation: AugmentationSettings = AugmentationSettings()
    adapt_to: Adaptation | None = Field(None, description="The drift that the model is made for, if any.")
    least_recall: dict[str, float] | None = Field(
        None, description="Recall by label, on val photos as taken, that the operating thresholds keep if they can."
    )
    enhancement: Enhancement | None = Field(None, description="What is done to dark photos before the network.")
    balance: float = Field(
        0.0, ge=0, le=1, description="How much oftener photos with rarer labels are drawn; 0: every photo once."
    )
    precision: Literal["auto", "32", "bf16", "16"] = Field(
        "auto", description="auto: 16-bit mixed on a GPU, bf16 on a CPU that computes it fast, else 32-bit."
    )
    devices: int = Field(1, ge=1, description="Processes (CPU) or GPUs that train together (DDP).")
    loader_workers: int = Field(1, ge=0, description="Processes that prepare photos.")
    quality_photos: int = Field(
        30, ge=0, description="Most val photos that the model's quality limits are measured on; 0 measures none."
    )
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    cache_side: int = Field(640, ge=32, description="Longer side of the photos in the decoded cache, pixels.")
