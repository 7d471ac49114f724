"""Photos for a report: small JPEGs inside the page, boxes as vectors on top."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from PIL import Image

from dentwatch.data.decoding import DecodedPhoto, decode
from dentwatch.errors import PhotoError
from dentwatch.records.annotations import Box
from dentwatch.records.detections import Detection
from dentwatch.records.photos import PhotoStore
from dentwatch.training.evaluation.matching import PhotoOutcome
from dentwatch.training.evaluation.mistakes import PhotoVerdict

PHOTO_SIDE = 480
CROP_SIDE = 240
_JPEG_QUALITY = 80
_MOST_PIXELS = 400_000_000

BoxKind = Literal["right", "wrong", "found", "missed", "beside"]
"""``right`` and ``wrong`` are detections, ``found`` and ``missed`` annotations; ``beside`` is of a label not judged."""


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A box to draw, in pixels of the photo, and its words; a ``quiet`` one is drawn faintly and without them."""

    box: Box
    kind: BoxKind
    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """Where the words of a box stand, in pixels of the photo, and which end of them (``start`` or ``end``)."""

    x: float
    y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A part of a photo with boxes: ``uri`` is the JPEG, ``region`` what it shows, in pixels of the photo.

    ``lines`` of writing would fit into it.
    """

    uri: str | None
    region: Box
    boxes: tuple[DrawnBox, ...]
    caption: str
    detail: str = ""
    lines: int = 26

    @property
    def unit(self) -> float:
        """Size of the writing, in pixels of the photo, that reads well at the size the picture is shown."""
        return max(self.region.width, self.region.height) / self.lines

    def words(self, drawn: DrawnBox) -> Words:
        """A detection's words stand above its box, an annotation's below, so that they do not cover each other."""
        left, top, right, bottom = drawn.box.xyxy
        view_left, view_top, view_right, view_bottom = self.region.xyxy
        unit = self.unit
        y = top - unit * 0.3 if drawn.kind in ("right", "wrong") else bottom + unit
        y = min(max(y, view_top + unit), view_bottom - unit * 0.3)
        if max(left, view_left) > view_left + self.region.width * 0.7:
            return Words(min(right, view_right), y, "end")
        return Words(max(left, view_left), y, "start")


def drawn(outcome: PhotoOutcome, judged: PhotoVerdict) -> tuple[DrawnBox, ...]:
    """All that is to be seen in a photo: annotations first, detections on top."""
    marks = [
        DrawnBox(mark.box, "missed" if kind else "found", mark.label)
        for mark, kind in zip(judged.marks, judged.missed, strict=True)
    ]
    beside = [
        DrawnBox(mark.box, "beside", mark.label) for mark in outcome.photo.annotations if mark not in judged.marks
    ]
    found = [
        DrawnBox(one.box, "wrong" if kind else "right", describe(one))
        for one, kind in zip(judged.kept, judged.wrong, strict=True)
    ]
    return (*beside, *marks, *reversed(found))


def describe(detection: Detection) -> str:
    """A detection's label and score."""
    return f"{detection.label} {detection.score:.2f}"


class Album:
    """Makes pictures from the photos of a store; a photo that is not there gives a picture without pixels."""

    def __init__(self, store: PhotoStore | None) -> None:
        self._store = store
        self._decoded = lru_cache(maxsize=4)(self._decode)

    def photo(self, outcome: PhotoOutcome, boxes: Sequence[DrawnBox], caption: str, detail: str = "") -> Picture:
        """The whole photo, its longer side :data:`PHOTO_SIDE` pixels."""
        photo = outcome.photo
        region = Box(0, 0, photo.width, photo.height)
        return Picture(self._jpeg(photo.photo_id, region, PHOTO_SIDE), region, tuple(boxes), caption, detail)

    def crop(
        self, outcome: PhotoOutcome, box: Box, boxes: Sequence[DrawnBox], caption: str, detail: str = ""
    ) -> Picture:
        """The surroundings of ``box``: a square of :data:`CROP_SIDE` pixels, wider than the box by four fifths."""
        photo = outcome.photo
        side = min(max(box.width, box.height, max(photo.width, photo.height) / 10) * 1.8, photo.width, photo.height)
        left = min(max(box.x + box.width / 2 - side / 2, 0), photo.width - side)
        top = min(max(box.y + box.height / 2 - side / 2, 0), photo.height - side)
        region = Box(left, top, side, side)
        return Picture(self._jpeg(photo.photo_id, region, CROP_SIDE), region, tuple(boxes), caption, detail, lines=14)

    def _decode(self, photo_id: str) -> DecodedPhoto | None:
        if self._store is None:
            return None
        try:
            return decode(self._store.get(photo_id), max_pixels=_MOST_PIXELS)
        except PhotoError:  # the report is still worth having without this picture, and says so
            return None

    def _jpeg(self, photo_id: str, region: Box, side: int) -> str | None:
        photo = self._decoded(photo_id)
        if photo is None:
            return None
        part = Image.fromarray(photo.rgb).crop(tuple(round(edge) for edge in region.xyxy))  # type: ignore[arg-type]
        part.thumbnail((side, side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        part.save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=True)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
