"""What became of each batch, and what a person decides about one in quarantine."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from dentwatch.errors import LoopError
from dentwatch.loop import inbox, journal
from dentwatch.loop.steps import Ask, Step
from dentwatch.records import audit
from dentwatch.settings import Settings

RELEASE, REJECT = "release", "reject"
"""What a person can decide about a batch in quarantine; it is the ``decision`` in the cause of another step."""

_MOST = 1000  # steps that are looked at: the newest


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch and how it stands.

    ``state`` is ``arriving`` (it lies in the inbox and nobody has asked for it), that of its step (``waiting``,
    ``running``, ``failed``, ``cancelled``) or of the step's result (``taken``, ``quarantined``, ``rejected``,
    ``unreadable``, ``gone``). ``step`` is the step's key and ``result`` its result, where there is one.
    """

    id: str
    state: str
    text: str
    at: datetime | None
    step: str | None = None
    result: dict[str, Any] | None = None

    def as_plain(self) -> dict[str, Any]:
        """It as plain values for JSON."""
        return {**asdict(self), "at": self.at and self.at.isoformat()}


def batch_states(settings: Settings, connection: Connection) -> list[BatchState]:
    """Every batch that lies in the inbox or was asked for, the newest first.

    Raises :class:`~dentwatch.errors.SourceError` when the inbox cannot be listed.
    """
    newest: dict[str, Step] = {}
    for step in journal.steps(connection, kind="take-in", limit=_MOST):
        newest.setdefault(step.subject, step)
    arriving = [
        BatchState(batch.id, "arriving", f"{batch.files} files, {batch.size:,} bytes.", batch.changed_at)
        for batch in inbox.batches(settings)
        if batch.id not in newest
    ]
    return [*arriving, *(_state(step) for step in newest.values())]


def state_of(settings: Settings, connection: Connection, batch_id: str) -> BatchState:
    """The batch with that id, or the only one whose id begins so; raises :class:`LoopError` where there is none."""
    found = batch_states(settings, connection)
    exact = [one for one in found if one.id == batch_id]
    chosen = exact or [one for one in found if one.id.startswith(batch_id)]
    if len(chosen) != 1:
        raise LoopError(
            f"{batch_id!r} names {'more than one' if chosen else 'no'} batch.",
            "`dentwatch data inbox list` shows them.",
        )
    return chosen[0]


def decide(
    settings: Settings, connection: Connection, batch_id: str, decision: str, actor: str, reason: str
) -> BatchState:
    """Release a batch from quarantine or reject it, on record; within a writing transaction.

    ``decision`` is :data:`RELEASE` or :data:`REJECT`. Raises
    :class:`LoopError` where the batch is not in quarantine.
    """
    if decision not in (RELEASE, REJECT):
        raise ValueError(f"{decision!r} is no decision")
    batch = state_of(settings, connection, batch_id)
    if batch.state != "quarantined":
        raise LoopError(
            f"The batch {batch.id} is not in quarantine: it is {batch.state}.", "There is nothing to decide about it."
        )
    cause = {"decision": decision, "actor": actor, "reason": reason}
    journal.ask(connection, Ask("take-in", batch.id, cause, f"take-in/{batch.id}/{decision}"))
    audit.append(connection, actor, f"batch.{decision}", batch.id, {"reason": reason})
    return state_of(settings, connection, batch.id)


def _state(step: Step) -> BatchState:
    result = step.result or {}
    if step.state == "done":
        return BatchState(step.subject, result["state"], result["text"], step.finished_at, step.key, result)
    return BatchState(step.subject, step.state, step.error or "", step.started_at or step.created_at, step.key, result)
