"""What one person says about a whole photo, kept at once: a verdict on each detection and every damage without one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, select

from dentwatch.errors import MonitoringError, UnfitReviewError
from dentwatch.monitoring import review_claims, review_plan
from dentwatch.monitoring.review_plan import ReviewItem
from dentwatch.records import audit, opinions, tables
from dentwatch.records.annotations import Box
from dentwatch.records.opinions import Verdict, VerdictKind

_ROUNDING = 1e-6  # pixels by which the sum of a box's place and size may be off

Missed = tuple[str, Box]
"""Label and box of a damage."""


@dataclass(frozen=True, slots=True)
class WholeReview:
    """What a person says: by the id of each detection whether it is right, and every damage without a detection.

    A detection whose box or label is not right is wrong, and its damage, as it should be, one of ``missed``; boxes are
    in pixels of the upright photo.
    """

    verdicts: Mapping[str, Literal["right", "wrong"]]
    missed: frozenset[Missed] = frozenset()


def hand_in(connection: Connection, number: int, review: WholeReview, actor: str, claimant: str) -> ReviewItem:
    """Keep the review of a photo within a writing transaction, and mark it reviewed.

    The same review once more changes nothing; another one by the same person replaces what they said before. Damages
    that somebody said were missed, and that are not among this review's, are taken back. Raises
    :class:`UnfitReviewError` where it does not fit the photo, and :class:`MonitoringError` where there is no such
    photo, or somebody else has it or has reviewed it.
    """
    now = datetime.now(UTC)
    item = review_plan.locked(connection, number)
    photo = _photo(connection, item)
    earlier = _verdicts(connection, item, photo)
    if item.state == "reviewed":
        if item.reviewer != actor:
            raise MonitoringError(f"{item.reviewer} has reviewed this photo meanwhile.", "Take the next one.")
        if _as_handed_in(earlier, item) == review:
            return item
    review_claims.refuse_others(connection, number, claimant, now)
    _check(review, photo)
    inspection_id, position = item.inspection_id, item.position
    given = [Verdict(inspection_id, actor, said, one, created_at=now) for one, said in review.verdicts.items()]
    stood = frozenset(_missed(row) for row in opinions.standing(earlier) if row.verdict == "missed")
    kinds: tuple[tuple[VerdictKind, frozenset[Missed]], ...] = (
        ("missed", review.missed),
        ("wrong", stood - review.missed),
    )
    for kind, damages in kinds:
        given += [
            Verdict(inspection_id, actor, kind, None, position, label, box, created_at=now) for label, box in damages
        ]
    for one in given:
        opinions.add_verdict(connection, one)
    done = review_plan.mark_reviewed(connection, number, actor, now)
    said = [*review.verdicts.values()]
    counts = {"right": said.count("right"), "wrong": said.count("wrong"), "missed": len(review.missed)}
    audit.append(connection, actor, "review.done", inspection_id, {"position": position, **counts})
    return done


@dataclass(frozen=True, slots=True)
class _Photo:
    width: int
    height: int
    detections: frozenset[str]


def _photo(connection: Connection, item: ReviewItem) -> _Photo:
    photos, detections = tables.inspection_photos, tables.detections
    row = connection.execute(
        select(photos.c.width, photos.c.height).where(
            photos.c.inspection_id == item.inspection_id, photos.c.position == item.position
        )
    ).one_or_none()
    if row is None or row.width is None:
        raise MonitoringError("There is no answer about this photo to review.", "Skip it.")
    ids = select(detections.c.id).where(
        detections.c.inspection_id == item.inspection_id, detections.c.position == item.position
    )
    return _Photo(row.width, row.height, frozenset(connection.execute(ids).scalars()))


def _verdicts(connection: Connection, item: ReviewItem, photo: _Photo) -> list[Row[Any]]:
    """All that was said about the photo, oldest first."""
    rows = tables.verdicts
    query = select(rows).where(rows.c.inspection_id == item.inspection_id).order_by(rows.c.created_at, rows.c.id)
    return [
        row
        for row in connection.execute(query)
        if row.position == item.position or row.detection_id in photo.detections
    ]


def _as_handed_in(verdicts: list[Row[Any]], item: ReviewItem) -> WholeReview:
    """The review that is on record: what its reviewer said at the very moment at which it was done."""
    own = [row for row in verdicts if row.actor == item.reviewer and row.created_at == item.reviewed_at]
    return WholeReview(
        {row.detection_id: row.verdict for row in own if row.detection_id},
        frozenset(_missed(row) for row in own if row.verdict == "missed"),
    )


def _missed(row: Row[Any]) -> Missed:
    return row.label, Box(row.x, row.y, row.width, row.height)


def _check(review: WholeReview, photo: _Photo) -> None:
    strange = review.verdicts.keys() - photo.detections
    if strange:
        raise UnfitReviewError(f"The photo has no detection {min(strange)}.", "Open the photo anew.")
    if left := len(photo.detections - review.verdicts.keys()):
        raise UnfitReviewError(f"{left} of the photo's detections have no verdict.", "Say right or wrong of each.")
    for _, box in review.missed:
        if box.x + box.width > photo.width + _ROUNDING or box.y + box.height > photo.height + _ROUNDING:
            size = f"{photo.width} × {photo.height}"
            raise UnfitReviewError(f"A box lies outside the photo, which has {size} pixels when upright.", "Move it.")
