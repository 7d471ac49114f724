"""How a Dagster run carries out a step of the loop, and what of it Dagster shows.

The journal makes each step happen once; a run is only who does it. So the plain worker and Dagster may look after one
database at the same time, and a run that dies loses nothing.
"""

import json
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from dentwatch import settings
from dentwatch.loop import journal, worker
from dentwatch.loop.steps import Step
from dentwatch.records.database import Database

STEP_TAG = "dentwatch/step"
"""The tag of a run that names the step's key."""

_PATIENCE = 600.0  # seconds that a run stays with a step that comes again; the next run goes on with it
_LONGEST = 500  # letters of a text in metadata


def carried_out(context: dg.AssetExecutionContext) -> Step:
    """Carry out the step that the run is about, again and again where it comes again; the step as it then stands.

    Raises :class:`dagster.Failure` when it failed, with what it said.
    """
    key = context.run.tags.get(STEP_TAG)
    if key is None:
        raise dg.Failure(f"The run has no tag {STEP_TAG}; sensors start runs, or `dentwatch loop step KEY` does it.")
    loaded, until = settings.load(), time.monotonic() + _PATIENCE

    def report(what: str, done: int, total: int) -> None:
        if done == total:
            context.log.info("%s: %d", what, total)

    with closing(Database.of(loaded)) as database:
        step = worker.carry_out(loaded, database, key, report)
        while step.state == "waiting" and step.error is None and time.monotonic() < until:
            wait = (step.not_before - datetime.now(UTC)).total_seconds()
            if time.monotonic() + wait > until:
                break
            time.sleep(max(0.0, wait))
            step = worker.carry_out(loaded, database, key, report)
    context.log.info(step.in_words())
    if step.error is not None:
        raise dg.Failure(step.error, metadata={"state": step.state}, allow_retries=False)
    return step


def step_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> Step:
    """The step that the run is about, as it stands."""
    with closing(Database.of(settings.load())) as database, database.reading() as connection:
        return journal.existing(connection, context.run.tags[STEP_TAG])


def shown(step: Step, *names: str) -> Mapping[str, dg.MetadataValue[Any]]:
    """What a step found as metadata: the fields ``names``, or all of them."""
    found = step.result or {}
    chosen = {name: found[name] for name in names if name in found} if names else found
    return {"step": dg.MetadataValue.text(step.key), **{name: _value(one) for name, one in chosen.items()}}


def _value(value: Any) -> dg.MetadataValue[Any]:
    if isinstance(value, bool):
        return dg.MetadataValue.bool(value)
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    if isinstance(value, float):
        return dg.MetadataValue.float(value)
    if isinstance(value, str):
        return dg.MetadataValue.text(value[:_LONGEST])
    return dg.MetadataValue.json(json.loads(json.dumps(value, default=str)))
