"""The journal: which steps were asked for, which are under way, and what became of them.

A step has a key, and of all wishes with one key the first alone counts. Whoever carries a step out claims it for a
short while and renews the claim as long as it lives; a step of a process that died is claimed anew when that has run
out. What a step leaves and what follows from it are written in one transaction that holds the claim, so that of two
processes that believe to have it one finishes it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update

from dentwatch.errors import LoopError
from dentwatch.loop.steps import Again, Ask, Done, Kind, State, Step
from dentwatch.monitoring.incidents import SYSTEM
from dentwatch.records import audit
from dentwatch.records.loop_tables import loop_steps
from dentwatch.records.upsert import upsert

LEASE = timedelta(seconds=30)
"""How long a claim holds without being renewed."""

MOST_ATTEMPTS = 3
"""A step that failed is given up once it was tried so often."""

MOST_DEATHS = 10
"""A step whose process died is given up once it was tried so often: a machine that is restarted is not its fault, but
one that brings its process down each time must not do so for ever."""

_FIRST_PAUSE = timedelta(seconds=30)  # before a step that failed is tried again; then twice as long


def ask(connection: Connection, wish: Ask) -> bool:
    """Put a step on the list; False where one of its key is there already. Within a writing transaction."""
    now = _now()
    wished = upsert(connection, loop_steps).values(
        key=wish.run_key,
        kind=wish.kind,
        subject=wish.subject,
        cause=wish.cause,
        state="waiting",
        attempts=0,
        created_at=now,
        not_before=now,
    )
    if connection.execute(wished.on_conflict_do_nothing(index_elements=["key"])).rowcount != 1:
        return False
    audit.append(connection, SYSTEM, "loop.ask", wish.run_key, wish.cause)
    return True


def claim(connection: Connection, holder: str, key: str | None = None) -> Step | None:
    """Claim the step ``key``, or the oldest that is due; None where there is none to be had.

    One whose process died :data:`MOST_DEATHS` times fails here instead.
    """
    rows, now = loop_steps, _now()
    query = select(rows).where(_is_due(now)).order_by(rows.c.not_before, rows.c.number).limit(1)
    if key is not None:
        query = query.where(rows.c.key == key)
    while (row := connection.execute(query.with_for_update(skip_locked=True)).first()) is not None:
        if row.attempts >= MOST_DEATHS:
            died = f"The process that carried it out died again and again: it was tried {MOST_DEATHS} times."
            _change(connection, row.key, state="failed", finished_at=now, claimed_by=None, error=row.error or died)
            audit.append(connection, SYSTEM, "loop.failed", row.key, {"error": row.error or died})
            continue
        values = {"state": "running", "claimed_by": holder, "claimed_until": now + LEASE, "attempts": row.attempts + 1}
        _change(connection, row.key, started_at=row.started_at or now, **values)
        return existing(connection, row.key)
    return None


def renew(connection: Connection, key: str, holder: str) -> bool:
    """Hold the claim for :data:`LEASE` from now; False where somebody else has it by now."""
    return _held(connection, key, holder, claimed_until=_now() + LEASE)


def finish(connection: Connection, step: Step, holder: str, outcome: Done | Again) -> bool:
    """Write what became of a step, and ask for what follows; False, and nothing is written, where the claim is lost."""
    now = _now()
    free = {"claimed_by": None, "claimed_until": None, "error": None}
    if isinstance(outcome, Again):  # it did not fail, so that its attempts begin anew
        return _held(
            connection,
            step.key,
            holder,
            state="waiting",
            attempts=0,
            not_before=now + outcome.after,
            result=outcome.result,
            **free,
        )
    if not _held(connection, step.key, holder, state="done", finished_at=now, result=outcome.result, **free):
        return False
    audit.append(connection, SYSTEM, f"loop.{step.kind}", step.subject, {"key": step.key, "result": outcome.result})
    for wish in outcome.then:
        ask(connection, wish)
    return True


def fail(connection: Connection, step: Step, holder: str, error: str) -> bool:
    """It failed: it is tried again later, or given up after :data:`MOST_ATTEMPTS`; False where the claim is lost."""
    now = _now()
    free = {"claimed_by": None, "claimed_until": None, "error": error}
    if step.attempts < MOST_ATTEMPTS:
        pause = _FIRST_PAUSE * 2 ** (step.attempts - 1)
        return _held(connection, step.key, holder, state="waiting", not_before=now + pause, **free)
    if not _held(connection, step.key, holder, state="failed", finished_at=now, **free):
        return False
    audit.append(connection, SYSTEM, "loop.failed", step.key, {"error": error})
    return True


def cancel(connection: Connection, key: str, actor: str, why: str) -> Step:
    """A person does not want it. Raises :class:`LoopError` where it does not exist or has ended."""
    step = existing(connection, key)
    if step.state not in ("waiting", "running"):
        raise LoopError(f"The step {key} is {step.state}.", "Only one that waits or is under way can be cancelled.")
    _change(connection, key, state="cancelled", finished_at=_now(), claimed_by=None, error=why)
    audit.append(connection, actor, "loop.cancel", key, {"reason": why})
    return existing(connection, key)


def retry(connection: Connection, key: str, actor: str) -> Step:
    """Try a step that failed or was cancelled once more. Raises :class:`LoopError` where it did neither."""
    step = existing(connection, key)
    if step.state not in ("failed", "cancelled"):
        raise LoopError(f"The step {key} is {step.state}.", "Only one that failed or was cancelled is tried again.")
    _change(connection, key, state="waiting", attempts=0, not_before=_now(), finished_at=None, error=None)
    audit.append(connection, actor, "loop.retry", key, {})
    return existing(connection, key)


def find(connection: Connection, key: str) -> Step | None:
    """The step of that key."""
    row = connection.execute(select(loop_steps).where(loop_steps.c.key == key)).one_or_none()
    return None if row is None else _step(row)


def existing(connection: Connection, key: str) -> Step:
    """As :func:`find`; raises :class:`LoopError` where there is none."""
    step = find(connection, key)
    if step is None:
        raise LoopError(f"There is no step {key}.", "`dentwatch loop status` lists the steps with their keys.")
    return step


def due(connection: Connection) -> Sequence[Step]:
    """The steps that can be claimed now, oldest first."""
    query = select(loop_steps).where(_is_due(_now())).order_by(loop_steps.c.not_before, loop_steps.c.number)
    return [_step(row) for row in connection.execute(query)]


def steps(
    connection: Connection,
    *,
    kind: Kind | None = None,
    subject: str | None = None,
    state: State | None = None,
    incident: str | None = None,
    since: datetime | None = None,
    limit: int = 200,
) -> Sequence[Step]:
    """Steps, newest first: of a kind, about a subject, in a state, because of an incident, asked for since then."""
    rows = loop_steps
    query = select(rows).order_by(rows.c.number.desc()).limit(limit)
    for column, wanted in ((rows.c.kind, kind), (rows.c.subject, subject), (rows.c.state, state)):
        if wanted is not None:
            query = query.where(column == wanted)
    if incident is not None:
        query = query.where(or_(rows.c.subject == incident, rows.c.cause["incident"].as_string() == incident))
    if since is not None:
        query = query.where(rows.c.created_at >= since)
    return [_step(row) for row in connection.execute(query)]


def count(connection: Connection) -> dict[State, int]:
    """How many steps there are in each state."""
    query = select(loop_steps.c.state, func.count()).group_by(loop_steps.c.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def _is_due(now: datetime) -> ColumnElement[bool]:
    rows = loop_steps
    waits = and_(rows.c.state == "waiting", rows.c.not_before <= now)
    abandoned = and_(rows.c.state == "running", rows.c.claimed_until <= now)
    return or_(waits, abandoned)


def _held(connection: Connection, key: str, holder: str, **values: Any) -> bool:
    rows = loop_steps
    mine = and_(rows.c.key == key, rows.c.state == "running", rows.c.claimed_by == holder)
    return connection.execute(update(rows).where(mine).values(values)).rowcount == 1


def _change(connection: Connection, key: str, **values: Any) -> None:
    connection.execute(update(loop_steps).where(loop_steps.c.key == key).values(values))


def _step(row: Row[Any]) -> Step:
    return Step(**{name: getattr(row, name) for name in Step.__dataclass_fields__})


def _now() -> datetime:
    return datetime.now(UTC)
