"""Guards against batches that would poison the dataset: broken files, empty pictures, careless or hostile labels.

Each check is a figure and a limit. Statistical ones compare the batch with the dataset so far and refuse what chance
would bring about less than once in 1,000 batches (:data:`ALPHA`), so that small batches are not refused for being
small. A batch that fails one is quarantined until a person has looked at it.
"""

from collections.abc import Sequence

import numpy as np

from dentwatch.data.merging import merge
from dentwatch.data.perceptual_hash import distances
from dentwatch.loop.batch_survey import Background, Labelling, Survey
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.canonical import record_to_plain
from dentwatch.records.check import Check
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.photo_figures import PhotoFigures

ALPHA = 0.001
"""How probable what was seen must at least be, if the batch were like the dataset."""

_MOST_UNREADABLE = 0.2
_MOST_EMPTY = 0.1
_EMPTY_CONTRAST = 2.0  # standard deviation of luma, 0–255: a photo in the dark has more, if only noise
_MOST_ODD_BOXES = 0.2
_MOST_COPIES = 0.02
_A_FEW = 2  # photos that are always allowed to be bad: they are set aside one by one
_A_FEW_BOXES = 5  # boxes that may be odd in any batch


def check_files(batch: Survey) -> Check:
    """Most files are photos."""
    share = batch.unreadable / batch.seen if batch.seen else 0.0
    return Check(
        "readable",
        batch.unreadable <= _A_FEW or share <= _MOST_UNREADABLE,
        f"{batch.unreadable} of {batch.seen} photos cannot be read.",
        share,
        _MOST_UNREADABLE,
    )


def check_pictures(batch: Survey) -> Check:
    """Most photos show something: they are not black, nor of one colour."""
    empty = sum(figures.statistics["contrast"] < _EMPTY_CONTRAST for figures in batch.figures)
    share = empty / len(batch.figures) if batch.figures else 0.0
    return Check(
        "pictures",
        empty <= _A_FEW or share <= _MOST_EMPTY,
        f"{empty} of {len(batch.figures)} photos show nothing: they are of one colour.",
        share,
        _MOST_EMPTY,
    )


def check_damaged(now: Labelling, before: Labelling) -> Check:
    """There is damage at all, where the dataset makes that probable."""
    return _gone("damage", "any damage", now.vehicles, now.damaged, before.vehicles, before.damaged)


def check_labels(now: Labelling, before: Labelling) -> list[Check]:
    """No label is gone that the dataset makes probable."""
    return [
        _gone(f"label {label}", label, now.damaged, now.showing[label], before.damaged, before.showing[label])
        for label in HEADLINE_LABELS
    ]


def check_boxes(now: Labelling, before: Labelling) -> list[Check]:
    """Boxes mark places: few cover the whole photo or nothing, and they are not all in one place."""
    usual = max(before.boxes, 1)
    repeated = now.places.most_common(1)[0][1] if now.places else 0
    kinds = (
        ("whole boxes", "cover the whole photo", now.whole, before.whole / usual),
        ("tiny boxes", "are so small that they mark nothing", now.tiny, before.tiny / usual),
        ("repeated boxes", "are in one and the same place of their photos", repeated, 0.0),
    )
    return [
        Check(
            name,
            count <= _A_FEW_BOXES or count / now.boxes <= _MOST_ODD_BOXES + share,
            f"{count} of {now.boxes} boxes {what}.",
            count / now.boxes if now.boxes else 0.0,
            _MOST_ODD_BOXES + share,
        )
        for name, what, count, share in kinds
    ]


def check_copies(batch: Survey, before: Background, distance: int) -> Check:
    """Few photos are copies of test photos under other names or with other annotations.

    Copies of the same bytes count where their annotations contradict those of test; look-alikes (perceptual hashes
    within ``distance`` bits) where they are said to show another vehicle.
    """
    contradicting = sum(_contradicts(record, before.test.get(record.photo_id)) for record in batch.records)
    alike = _look_alikes(batch, before.test, before.test_figures, distance)
    share = (contradicting + alike) / len(batch.records) if batch.records else 0.0
    return Check(
        "copies of test",
        contradicting + alike <= _A_FEW or share <= _MOST_COPIES,
        f"{contradicting} photos are test photos with other annotations, and {alike} look like test photos of "
        "another vehicle.",
        share,
        _MOST_COPIES,
    )


def _gone(name: str, what: str, vehicles: int, showing: int, before: int, showing_before: int) -> Check:
    """Whether ``what`` is missing from a batch that should show it; the figure is how probable that would be.

    The usual share is estimated by Laplace's rule of succession: that all vehicles so far show it does not make one
    that does not impossible.
    """
    if not before or not showing_before:
        return Check(name, True, f"The dataset so far shows no {what} to compare with.")
    usual = (showing_before + 1) / (before + 2)
    chance = 1.0 if showing else float((1 - usual) ** vehicles)
    text = f"{showing} of {vehicles} vehicles show {what}; in the dataset so far {showing_before} of {before} do."
    return Check(name, chance >= ALPHA, text, chance, ALPHA)


def _contradicts(record: PhotoRecord, known: PhotoRecord | None) -> bool:
    if known is None or not known.annotated:
        return False
    return merge(record_to_plain(known), record_to_plain(record), adds=False, update=False) is None


def _look_alikes(
    batch: Survey, test: dict[str, PhotoRecord], test_figures: Sequence[PhotoFigures], distance: int
) -> int:
    hashes = np.array([figures.perceptual_hash for figures in test_figures], np.uint64)
    vehicles = np.array([test[figures.photo_id].vehicle for figures in test_figures])
    count = 0
    for record, figures in zip(batch.records, batch.figures, strict=True):
        if record.photo_id in test or not len(hashes):
            continue
        own = np.array([[figures.perceptual_hash], [figures.mirrored_hash]], np.uint64)
        near = np.any(distances(own, hashes) <= distance, axis=0)
        count += bool(np.any(near & (vehicles != record.vehicle)))
    return count
