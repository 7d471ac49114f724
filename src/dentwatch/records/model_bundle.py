"""A model version as files: what training exports, the registry keeps and serving loads.

A bundle is a folder with

- ``model.onnx``: input ``images`` uint8 ``(N, H, W, 3)`` RGB, letterboxed; outputs ``boxes`` float32
  ``(N, A, 4)`` xyxy in letterboxed pixels and ``scores`` float32 ``(N, A, C)`` in [0, 1], before non-maximum
  suppression. Normalisation and channel order are inside the graph, so every detector is served the same way;
- ``model.json``: the :class:`ModelSpec`;
- ``card.md``: the model card;
- ``weights.safetensors`` (optional): the network's parameters, to start training from;
- ``quality.json`` (optional): from which photo statistics on its answers are not to be relied on.
"""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dentwatch.errors import ModelError
from dentwatch.records.calibration import CalibrationCurve
from dentwatch.records.quality_limits import QUALITY_NAME, QualityLimits

ONNX_NAME = "model.onnx"
SPEC_NAME = "model.json"
CARD_NAME = "card.md"
WEIGHTS_NAME = "weights.safetensors"


class Enhancement(BaseModel):
    """How dark photos are made brighter; see :mod:`dentwatch.data.enhancement`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["gamma", "clahe", "exposure", "exposure-denoised"]
    amount: float = Field(gt=0, description="gamma: the exponent's inverse; clahe: its limit; else mean linear light.")
    below: float = Field(ge=0, le=255, description="Mean luma below which a photo is dark.")


class Preprocessing(BaseModel):
    """How a photo becomes the model's input."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_size: int = Field(description="Longer side of the input, pixels.")
    stride: int = Field(
        0, ge=0, description="The shorter side is a multiple of this, as small as the photo allows; 0: a square."
    )
    pad_value: int = Field(114, ge=0, le=255, description="Grey value of the letterbox border.")
    enhancement: Enhancement | None = Field(None, description="What is done to dark photos, if anything.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.stride and self.input_size % self.stride:
            raise ValueError(f"an input of {self.input_size} pixels is no multiple of its stride of {self.stride}")
        return self


NOT_STATED = "not stated"
"""What stands for a licence that photos do not state."""


class Rights(BaseModel):
    """Where something came from and under which licence it may be used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    licence: str
    source: str = ""


class Adaptation(BaseModel):
    """The drift that a model version was made for: photos like that are normal to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    incident: str = Field(description="Id of the incident.")
    cause: str = Field(description="dark, blur …")
    way: str = Field(description="How the cause is re-made on photos, as in `low light with its noise`.")
    amount: float = Field(description="How strong it is, in the unit of that way.")
    share: float = Field(1.0, ge=0, le=1, description="Share of the photos that are so.")
    slice: str = Field(description="Which photos drifted, as in `channel=app`, or `all`.")
    asked_again: float = Field(0.0, ge=0, le=1, description="Share of them that stricter photo rules ask for again.")


class ModelSpec(BaseModel):
    """Everything that serving and a reader of the registry need to know about a model version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: str = Field(description="yolo, faster-rcnn, retinanet …")
    size: str = Field(description="The detector's size: nano, tiny, s, mobilenet, resnet50 …")
    members: int = Field(1, ge=1, description="Networks of this kind whose answers are averaged.")
    labels: tuple[str, ...] = Field(description="Class names in the order of the scores' last axis.")
    preprocessing: Preprocessing
    thresholds: dict[str, float] = Field(description="Operating threshold of the score per label, chosen on val.")
    calibration: dict[str, CalibrationCurve] = Field(
        default_factory=dict,
        description="Precision by score per label, measured on val; none for a label with too little to measure.",
    )
    nms_iou: float = Field(0.5, gt=0, le=1, description="IoU above which the weaker of two boxes of one label goes.")
    max_detections: int = Field(100, ge=1, description="Most detections kept per photo.")
    created_at: str = Field(description="UTC, ISO 8601.")
    dentwatch_version: str
    dataset_version: str = Field(description="Id of the dataset version it was trained on.")
    run_id: str = Field("", description="MLflow run.")
    commit: str = Field("", description="Git commit of the code that trained it.")
    rights: tuple[Rights, ...] = Field((), description="Licence and source of the data and of the starting weights.")
    consents: dict[str, int] = Field(
        default_factory=dict,
        description="Consent to the use of a photo → photos of the dataset version; an empty name is a missing one.",
    )
    metrics: dict[str, float] = Field(default_factory=dict, description="Figures of the evaluation, by name.")
    parity: dict[str, float] = Field(
        default_factory=dict, description="Largest difference of ONNX and network: boxes in pixels, scores."
    )
    adapted_to: Adaptation | None = Field(None, description="The drift that it was made for, if any.")

    @property
    def kind(self) -> str:
        """What it is, in words: ``yolo nano``, ``3 × yolo-lite lite0``."""
        return f"{f'{self.members} × ' if self.members > 1 else ''}{self.detector} {self.size}"

    @property
    def asks_again(self) -> bool:
        """Whether stricter photo rules are its answer to the drift: photos that they refuse are not relied on."""
        return self.adapted_to is not None and self.adapted_to.asked_again > 0


class ModelBundle:
    """A model version's folder; see the module for what lies in it.

    ``name`` is what answers call the model, as in ``dentwatch/3``; default: the folder's name and the fingerprint.
    """

    def __init__(self, folder: Path, spec: ModelSpec, name: str | None = None) -> None:
        self.folder = folder
        self.spec = spec
        self._name = name

    @property
    def name(self) -> str:
        """What answers call this model, as in ``dentwatch/3`` or ``starter/5c0f3a9b2d17``."""
        return self._name or f"{self.folder.resolve().name}/{self.fingerprint}"

    @cached_property
    def fingerprint(self) -> str:
        """The first 12 hex digits of the SHA-256 of ``model.onnx``: the same network has the same one everywhere."""
        with self.onnx_path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]

    @property
    def onnx_path(self) -> Path:
        """The exported network."""
        return self.folder / ONNX_NAME

    @property
    def card_path(self) -> Path:
        """The model card."""
        return self.folder / CARD_NAME

    @property
    def weights_path(self) -> Path | None:
        """The network's parameters, where the bundle holds them."""
        path = self.folder / WEIGHTS_NAME
        return path if path.exists() else None

    @property
    def quality_limits(self) -> QualityLimits | None:
        """The model's own quality limits, where the bundle holds them; raises :class:`ModelError` when damaged."""
        path = self.folder / QUALITY_NAME
        return QualityLimits.load(path) if path.exists() else None

    @classmethod
    def load(cls, folder: Path, name: str | None = None) -> "ModelBundle":
        """Open a bundle that answers call ``name``.

        Raises :class:`ModelError` when a file is missing or does not say what it should.
        """
        missing = [name for name in (ONNX_NAME, SPEC_NAME) if not (folder / name).is_file()]
        if missing:
            raise ModelError(
                f"{folder} is not a model: it lacks {' and '.join(missing)}.",
                "Name a folder written by `dentwatch train`, or a model version of `dentwatch models list`.",
            )
        try:
            spec = ModelSpec.model_validate_json((folder / SPEC_NAME).read_bytes())
        except ValidationError as error:
            raise ModelError(
                f"{folder / SPEC_NAME} is damaged: {error.errors()[0]['msg']}.", "Export the model again."
            ) from error
        return cls(folder, spec, name)

    @classmethod
    def write_spec(cls, folder: Path, spec: ModelSpec) -> "ModelBundle":
        """Write ``spec`` into ``folder`` (made if needed) and return the bundle."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SPEC_NAME).write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return cls(folder, spec)
