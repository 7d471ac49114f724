"""Whether a batch's annotations agree with the model as those of the dataset do.

The model that serves looks at some photos of the batch and at some of the val split, which it was not trained on. Where
people and model agree far less on the batch (one-sided Fisher's exact test, and a ratio), the annotations are shuffled,
belong to other photos, or show something that the model knows nothing about; a person has to look either way. Only
what the model is sure of is compared: that it misses more in the dark says nothing about the annotations.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import fisher_exact

from dentwatch.loop.batch_checks import ALPHA
from dentwatch.loop.batch_survey import Background, Survey
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.check import Check
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.inspection import Inspector
from dentwatch.serving.models import resolve
from dentwatch.settings import Settings
from dentwatch.training.evaluation.evaluator import predict
from dentwatch.training.evaluation.geometry import corners, overlap
from dentwatch.training.evaluation.matching import PhotoOutcome
from dentwatch.training.evaluation.metrics import LOOSE_IOU

_PHOTOS = 150  # looked at on each side: with a weak model, fewer do not tell shuffled annotations from sound ones
_LEAST_OF_BOXES = 0.5  # of the dataset's agreement about where damage is
_LEAST_OF_LABELS = 0.75  # of the dataset's agreement about what it is: shuffled labels are right half of the time

Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Model and people about the same photos.

    ``photos`` are those on which the model is sure of something, ``placed`` those of them where people marked at least
    half of it, too; ``boxes`` are the detections that people marked, ``named`` those with the same label.
    """

    photos: int = 0
    placed: int = 0
    boxes: int = 0
    named: int = 0

    @classmethod
    def of(cls, outcomes: Iterable[PhotoOutcome], thresholds: dict[str, float]) -> "Agreement":
        """That of what the model said (with scores of at least its ``thresholds``) and what people said."""
        photos = placed = boxes = named = 0
        for outcome in outcomes:
            sure = [one for one in outcome.detections if one.score >= thresholds.get(one.label, np.inf)]
            if not sure:
                continue
            marks = outcome.photo.annotations
            overlaps = overlap(corners([one.box for one in sure]), corners([mark.box for mark in marks]))
            met = overlaps.max(axis=1, initial=0.0) >= LOOSE_IOU
            photos += 1
            placed += int(met.sum()) * 2 >= len(sure)
            boxes += int(met.sum())
            near = ({mark.label for mark, one in zip(marks, row, strict=True) if one >= LOOSE_IOU} for row in overlaps)
            named += sum(one.label in labels for one, labels in zip(sure, near, strict=True))
        return cls(photos, placed, boxes, named)


def check_agreement(batch: Survey, before: Background, settings: Settings, report: Report) -> list[Check]:
    """The model that serves agrees with the batch's annotations about as much as with those of val.

    Photos that the dataset holds already are left out. Raises :class:`dentwatch.errors.ModelError` when the model
    cannot be loaded.
    """
    new = _sample(record for record in batch.records if record.annotated and record.photo_id not in before.known)
    val = _sample(before.val)
    if not new or not val:
        return [Check("agreement", True, "There are no new annotated photos, or none in val, to compare.")]
    bundle = resolve(None, settings)
    inspector = Inspector(bundle, threads=settings.serving.threads, max_pixels=settings.data.max_pixels)
    photos = PhotoStore(settings.photo_store_url)
    ours, theirs = (
        Agreement.of(predict(inspector, records, photos, bundle.spec.labels, report), bundle.spec.thresholds)
        for records in (new, val)
    )
    return compare(ours, theirs)


def compare(now: Agreement, before: Agreement) -> list[Check]:
    """The checks on how much model and people agree on a batch, ``now``, against val, ``before``."""
    places = "photos with damage where the model sees it"
    labels = "boxes with the label that the model sees"
    return [
        _check("places", places, (now.placed, now.photos), (before.placed, before.photos), _LEAST_OF_BOXES),
        _check("labels", labels, (now.named, now.boxes), (before.named, before.boxes), _LEAST_OF_LABELS),
    ]


def _check(name: str, what: str, now: tuple[int, int], before: tuple[int, int], least: float) -> Check:
    """``now`` and ``before`` are how many agree, and of how many."""
    (agreeing, of), (agreed, of_before) = now, before
    name = f"agreement on {name}"
    if not of or not agreed:
        return Check(name, True, f"There are no {what} to compare.")
    limit = least * agreed / of_before
    chance = float(fisher_exact([[agreeing, of - agreeing], [agreed, of_before - agreed]], alternative="less").pvalue)
    text = f"{agreeing} of {of} {what}; in val {agreed} of {of_before}."
    return Check(name, chance >= ALPHA or agreeing / of >= limit, text, agreeing / of, limit)


def _sample(records: Iterable[PhotoRecord]) -> Sequence[PhotoRecord]:
    """Some of the photos, drawn by their ids: those are hashes, and the draw is the same every time."""
    return sorted(records, key=lambda record: record.photo_id)[:_PHOTOS]
