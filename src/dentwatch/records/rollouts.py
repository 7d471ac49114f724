"""Rollouts: how far a challenger has come on its way to champion. The loop moves it on, serving follows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from dentwatch.errors import ModelError
from dentwatch.records import audit
from dentwatch.records.loop_tables import rollouts

Stage = Literal["approval", "shadow", "canary", "champion", "rejected"]
Decision = Literal["approved", "vetoed"]

UNDER_WAY: tuple[Stage, ...] = ("approval", "shadow", "canary")


@dataclass(frozen=True, slots=True)
class Rollout:
    """Where the challenger ``model`` stands; as canary it answers ``share`` of the vehicles."""

    model: str
    stage: Stage
    share: float
    began_at: datetime
    stage_since: datetime
    decision: Decision | None
    decided_by: str | None
    reason: str | None

    def as_document(self) -> dict[str, Any]:
        """It as JSON values."""
        document = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: one.isoformat() if isinstance(one, datetime) else one for name, one in document.items()}


def begin(connection: Connection, model: str, stage: Stage, share: float) -> Rollout:
    """The rollout of ``model``, begun in ``stage`` where there is none yet; within a writing transaction."""
    known = find(connection, model)
    if known is not None:
        return known
    now = datetime.now(UTC)
    connection.execute(insert(rollouts).values(model=model, stage=stage, share=share, began_at=now, stage_since=now))
    return existing(connection, model)


def move(connection: Connection, model: str, stage: Stage, reason: str | None = None) -> Rollout:
    """Move it on to ``stage``."""
    values: dict[str, Any] = {"stage": stage, "stage_since": datetime.now(UTC)}
    if reason is not None:
        values["reason"] = reason
    connection.execute(update(rollouts).where(rollouts.c.model == model).values(values))
    return existing(connection, model)


def decide(connection: Connection, model: str, decision: Decision, actor: str, reason: str) -> Rollout:
    """What a person says about it, on the audit log. Raises :class:`ModelError` where it is not under way."""
    rollout = existing(connection, model)
    if rollout.stage not in UNDER_WAY:
        raise ModelError(
            f"The rollout of {model} has ended: {rollout.stage}.",
            "`dentwatch models rollback` undoes a promotion, `dentwatch models promote` makes one.",
        )
    connection.execute(
        update(rollouts).where(rollouts.c.model == model).values(decision=decision, decided_by=actor, reason=reason)
    )
    audit.append(connection, actor, f"model.{decision}", model, {"reason": reason})
    return existing(connection, model)


def find(connection: Connection, model: str) -> Rollout | None:
    """The rollout of ``model``."""
    row = connection.execute(select(rollouts).where(rollouts.c.model == model)).one_or_none()
    return None if row is None else _rollout(row)


def existing(connection: Connection, model: str) -> Rollout:
    """As :func:`find`; raises :class:`ModelError` where there is none."""
    rollout = find(connection, model)
    if rollout is None:
        raise ModelError(f"{model} is not being rolled out.", "`dentwatch loop status` shows what is under way.")
    return rollout


def under_way(connection: Connection) -> list[Rollout]:
    """Those that have not ended, oldest first."""
    query = select(rollouts).where(rollouts.c.stage.in_(UNDER_WAY)).order_by(rollouts.c.number)
    return [_rollout(row) for row in connection.execute(query)]


def _rollout(row: Row[Any]) -> Rollout:
    return Rollout(**{name: getattr(row, name) for name in Rollout.__dataclass_fields__})
