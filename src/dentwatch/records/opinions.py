"""What people say about an inspection: feedback from its users, verdicts from inspectors, disputes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, insert, select

from dentwatch.records import kpi_changes, tables
from dentwatch.records.annotations import Box
from dentwatch.records.ids import new_id

VerdictKind = Literal["right", "wrong", "missed"]
Said = TypeVar("Said", bound=Any)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Feedback:
    """How satisfied a user is: ``rating`` from 1 to 5."""

    inspection_id: str
    actor: str
    rating: int
    comment: str | None = None
    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=_now)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A person's word: a detection is right or wrong, or a damage of ``label`` in ``box`` of a photo was missed.

    ``position`` is the photo's place in the inspection, ``box`` in pixels of the upright photo; both are those of a
    missed damage alone, as ``detection_id`` is that of a detection. ``wrong`` with a box instead of a detection takes
    back that somebody said that just this damage was missed.
    """

    inspection_id: str
    actor: str
    verdict: VerdictKind
    detection_id: str | None = None
    position: int | None = None
    label: str | None = None
    box: Box | None = None
    comment: str | None = None
    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=_now)


@dataclass(frozen=True, slots=True)
class Dispute:
    """A user's objection to one detection, or to the inspection as a whole; open until a person has decided."""

    inspection_id: str
    actor: str
    reason: str
    detection_id: str | None = None
    status: Literal["open", "upheld", "rejected"] = "open"
    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=_now)


def add_feedback(connection: Connection, feedback: Feedback) -> None:
    """Keep feedback."""
    connection.execute(insert(tables.feedback).values(_columns(feedback)))
    kpi_changes.note(connection, "said", feedback.inspection_id)


def add_verdict(connection: Connection, verdict: Verdict) -> None:
    """Keep a verdict."""
    box = verdict.box
    sides = {"x": box.x, "y": box.y, "width": box.width, "height": box.height} if box else {}
    connection.execute(insert(tables.verdicts).values({**_columns(verdict), **sides}))
    kpi_changes.note(connection, "said", verdict.inspection_id)


def add_dispute(connection: Connection, dispute: Dispute) -> None:
    """Keep a dispute."""
    connection.execute(insert(tables.disputes).values(_columns(dispute)))


def of_inspection(connection: Connection, inspection_id: str) -> tuple[list[Feedback], list[Verdict], list[Dispute]]:
    """Everything that was said about an inspection, oldest first."""
    said = []
    for table in (tables.feedback, tables.verdicts, tables.disputes):
        query = select(table).where(table.c.inspection_id == inspection_id).order_by(table.c.created_at)
        said.append([dict(row) for row in connection.execute(query).mappings()])
    feedback, verdicts, disputes = said
    return (
        [Feedback(**row) for row in feedback],
        [_verdict(row) for row in verdicts],
        [Dispute(**row) for row in disputes],
    )


def standing(verdicts: Iterable[Said]) -> list[Said]:
    """Those that count of ``verdicts``, rows of the table oldest first.

    Of each detection that is the newest; a missed damage counts once, however many people say so, and unless a later
    verdict takes it back.
    """
    newest: dict[object, Said] = {}
    for row in verdicts:
        about = row.detection_id or (row.inspection_id, row.position, row.label, row.x, row.y, row.width, row.height)
        newest[about] = row
    return [row for row in newest.values() if row.detection_id or row.verdict == "missed"]


def _columns(opinion: Feedback | Verdict | Dispute) -> dict[str, Any]:
    names = (name for name in opinion.__dataclass_fields__ if name != "box")
    return {name: getattr(opinion, name) for name in names}


def _verdict(row: dict[str, Any]) -> Verdict:
    sides = [row.pop(name) for name in ("x", "y", "width", "height")]
    return Verdict(**row, box=None if sides[0] is None else Box(*sides))
