"""Boxes, annotations and photos as a dataset version records them."""

from dataclasses import dataclass, field
from typing import Literal

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box in pixels of the upright photo (EXIF applied); ``x, y`` is the top left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """The box as ``(left, top, right, bottom)`` in pixels."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    @classmethod
    def from_xyxy(cls, left: float, top: float, right: float, bottom: float) -> "Box":
        """The box between two corners, in pixels."""
        return cls(left, top, right - left, bottom - top)


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a person says about one damage: a box and a label of :data:`dentwatch.records.labels.LABELS`.

    ``original_label`` is the class name in the source before mapping; ``annotator`` is who drew it, where known.
    """

    label: str
    box: Box
    original_label: str | None = None
    annotator: str | None = None


@dataclass(frozen=True, slots=True)
class PhotoRecord:
    """One row of a dataset version.

    ``photo_id`` is the SHA-256 (hex) of the photo's bytes, ``width``/``height`` are those of the upright photo in
    pixels. ``annotated`` is False for a photo that nobody has looked at yet (it waits for review); an annotated photo
    without annotations shows no damage. ``notes`` are named observations of validation that did not set the photo
    aside (``exif_orientation``, ``near_duplicate`` …).
    """

    photo_id: str
    name: str
    vehicle: str
    split: Split
    width: int
    height: int
    annotated: bool
    annotations: tuple[Annotation, ...] = ()
    source: str = ""
    licence: str = ""
    consent: str = ""
    notes: tuple[str, ...] = field(default=())
