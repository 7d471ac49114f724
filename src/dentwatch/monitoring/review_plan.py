"""Which photos people should review: a random share, which keeps estimates unbiased, and those that teach the most.

Each photo is drawn for each of these reasons by itself, with a probability that is known beforehand:

- ``random``: every photo, with ``monitoring.review_share``;
- ``uncertain``: the model was least sure of something it found;
- ``drifted``: it came while an incident was open in its slice;
- ``disputed``: a user objected; these are always reviewed;
- ``wanted``: a retraining would learn most from them; these are always reviewed, too.

A photo's inclusion probability is that of being drawn for any reason, 1 − Π(1 − p), and it is kept with the item: an
estimate that weights each reviewed photo with its inverse (Horvitz & Thompson, 1952) is unbiased although doubtful
photos are reviewed far more often than others. The draws are hashes of the inspection's random id, so that a photo is
drawn or not however often it is looked at.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Case, Connection, Row, Select, and_, case, exists, func, insert, or_, select, update

from dentwatch.errors import MonitoringError
from dentwatch.monitoring import dispute_decisions
from dentwatch.records import kpi_changes, tables
from dentwatch.records.monitoring_tables import review_items

Reason = Literal["disputed", "wanted", "random", "drifted", "uncertain"]

REASONS: tuple[Reason, ...] = ("disputed", "wanted", "random", "drifted", "uncertain")
"""In the order in which items are listed."""

UNCERTAIN_SHARE = 0.1
DRIFTED_SHARE = 0.25
"""Probabilities with which uncertain and drifted photos are drawn."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A photo that may be drawn, and which reasons apply to it."""

    inspection_id: str
    position: int
    uncertain: bool = False
    drifted: bool = False


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A photo that was drawn; ``probability`` is that of a photo like it being drawn, for whatever reason."""

    number: int
    inspection_id: str
    position: int
    reason: Reason
    probability: float
    state: Literal["open", "reviewed"]
    planned_at: datetime
    reviewed_at: datetime | None
    reviewer: str | None

    def as_document(self) -> dict[str, Any]:
        """The item as a JSON document."""
        document = {name: getattr(self, name) for name in self.__dataclass_fields__}
        reviewed = None if self.reviewed_at is None else self.reviewed_at.isoformat()
        return {**document, "planned_at": self.planned_at.isoformat(), "reviewed_at": reviewed}


def draw(candidate: Candidate, share: float) -> tuple[Reason | None, float]:
    """For which reason the photo is drawn (None: not), and its inclusion probability; ``share`` is the random one."""
    shares: Mapping[Reason, float] = {
        "random": share,
        "drifted": DRIFTED_SHARE if candidate.drifted else 0.0,
        "uncertain": UNCERTAIN_SHARE if candidate.uncertain else 0.0,
    }
    left_out, drawn = 1.0, None
    for reason, probability in shares.items():
        left_out *= 1 - probability
        if drawn is None and _place(candidate, reason) < probability:
            drawn = reason
    return drawn, 1 - left_out


def plan(connection: Connection, candidates: Iterable[Candidate], share: float) -> int:
    """Draw among photos that were not candidates before; returns how many were drawn."""
    now = datetime.now(UTC)
    rows = [
        {
            "inspection_id": candidate.inspection_id,
            "position": candidate.position,
            "reason": reason,
            "probability": probability,
            "state": "open",
            "planned_at": now,
        }
        for candidate in candidates
        for reason, probability in [draw(candidate, share)]
        if reason is not None
    ]
    if rows:
        connection.execute(insert(review_items), rows)
    return len(rows)


def plan_disputed(connection: Connection) -> int:
    """Have every photo with an open dispute reviewed, for certain; returns how many that changed."""
    count = 0
    for inspection_id, position, number in connection.execute(_newly_disputed()).all():
        values: dict[str, Any] = {"reason": "disputed", "probability": 1.0}
        if number is not None:
            connection.execute(update(review_items).where(review_items.c.number == number).values(values))
        else:
            values |= {"inspection_id": inspection_id, "position": position, "state": "open"}
            connection.execute(insert(review_items).values(planned_at=datetime.now(UTC), **values))
        count += 1
    return count


def plan_wanted(connection: Connection, photos: Iterable[tuple[str, int]]) -> None:
    """Have these photos (inspection, position) reviewed for certain, but for those that were already."""
    rows = review_items
    for inspection_id, position in photos:
        here = and_(rows.c.inspection_id == inspection_id, rows.c.position == position)
        planned = connection.execute(select(rows.c.state, rows.c.reason).where(here)).one_or_none()
        values: dict[str, Any] = {"reason": "wanted", "probability": 1.0}
        if planned is None:
            values |= {"inspection_id": inspection_id, "position": position, "state": "open"}
            connection.execute(insert(rows).values(planned_at=datetime.now(UTC), **values))
        elif planned.state == "open" and planned.reason != "disputed":
            connection.execute(update(rows).where(here).values(values))


def has_new_disputes(connection: Connection) -> bool:
    """Whether :func:`plan_disputed` has anything to do."""
    return connection.execute(_newly_disputed().limit(1)).first() is not None


def open_items(connection: Connection, limit: int = 50) -> Sequence[ReviewItem]:
    """The photos that wait for a person, those that matter most first."""
    query = select(review_items).where(review_items.c.state == "open").order_by(importance(), review_items.c.number)
    return [_item(row) for row in connection.execute(query.limit(limit))]


def importance() -> Case[int]:
    """What photos are ordered by: smaller numbers matter more."""
    return case({reason: place for place, reason in enumerate(REASONS)}, value=review_items.c.reason)


def locked(connection: Connection, number: int) -> ReviewItem:
    """A photo of the plan, held for a writing transaction; raises :class:`MonitoringError` where there is none."""
    row = connection.execute(
        select(review_items).where(review_items.c.number == number).with_for_update()
    ).one_or_none()
    if row is None:
        raise MonitoringError(
            f"There is no photo to review with number {number}.", "`dentwatch monitor review` lists them."
        )
    return _item(row)


def count_open(connection: Connection) -> dict[Reason, int]:
    """How many photos wait, by reason."""
    query = select(review_items.c.reason, func.count()).where(review_items.c.state == "open")
    counted = {row[0]: row[1] for row in connection.execute(query.group_by(review_items.c.reason))}
    return {reason: counted[reason] for reason in REASONS if reason in counted}


def mark_reviewed(connection: Connection, number: int, reviewer: str, at: datetime | None = None) -> ReviewItem:
    """A person has looked at the whole photo: each detection has a verdict, and what was missed has one, too.

    ``at`` is when; None: now. Disputes that this answers are closed. Raises :class:`MonitoringError` where there is no
    such item, or while a detection has no verdict.
    """
    item = locked(connection, number)
    detections, verdicts = tables.detections, tables.verdicts
    judged = exists().where(verdicts.c.detection_id == detections.c.id)
    unjudged = connection.scalar(
        select(func.count()).where(
            detections.c.inspection_id == item.inspection_id, detections.c.position == item.position, ~judged
        )
    )
    if unjudged:
        raise MonitoringError(
            f"{unjudged} of the photo's detections have no verdict yet.",
            f"Give them with POST /v1/inspections/{item.inspection_id}/verdicts, then say that it is reviewed.",
        )
    done: dict[str, Any] = {"state": "reviewed", "reviewed_at": at or datetime.now(UTC), "reviewer": reviewer}
    free = {"claimed_by": None, "claimed_until": None}
    connection.execute(update(review_items).where(review_items.c.number == number).values(**done, **free))
    dispute_decisions.decide(connection, item.inspection_id)
    kpi_changes.note(connection, "said", item.inspection_id)
    return replace(item, **done)


def _newly_disputed() -> Select[Any]:
    """Inspection, position and item (none: no such number) of photos with an open dispute that no plan knows of."""
    disputes, detections, photos = tables.disputes, tables.detections, tables.inspection_photos
    same_photo = and_(
        review_items.c.inspection_id == photos.c.inspection_id, review_items.c.position == photos.c.position
    )
    return (
        select(photos.c.inspection_id, photos.c.position, review_items.c.number)
        .distinct()
        .join(disputes, disputes.c.inspection_id == photos.c.inspection_id)
        .outerjoin(detections, detections.c.id == disputes.c.detection_id)
        .outerjoin(review_items, same_photo)
        .where(
            disputes.c.status == "open",
            photos.c.error.is_(None),
            or_(disputes.c.detection_id.is_(None), detections.c.position == photos.c.position),
            or_(review_items.c.number.is_(None), review_items.c.reason != "disputed"),
        )
    )


def _place(candidate: Candidate, reason: Reason) -> float:
    """A number in [0, 1) that stays the same for this photo and reason, and is as good as random."""
    named = f"{reason}/{candidate.inspection_id}/{candidate.position}"
    return int.from_bytes(hashlib.sha256(named.encode()).digest()[:8], "big") / 2**64


def _item(row: Row[Any]) -> ReviewItem:
    return ReviewItem(**{name: getattr(row, name) for name in ReviewItem.__dataclass_fields__})
