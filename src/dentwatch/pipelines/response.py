"""The monitoring pipeline: a window that drifted, its incident, its diagnosis, and the remedy."""

from contextlib import closing

import dagster as dg

from dentwatch import settings
from dentwatch.loop import journal
from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import Incident
from dentwatch.pipelines.carrying import STEP_TAG, carried_out, shown
from dentwatch.records.database import Database

GROUP = "response"


@dg.asset(group_name=GROUP, description="Which photos drifted: slice, since when, which statistics moved.")
def drift_window(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Show the evidence."""
    found = _incident(context)
    return dg.MaterializeResult(
        metadata={"slice": found.slice, "since": found.since.isoformat(), "signals": sorted(found.evidence)}
    )


@dg.asset(deps=[drift_window], group_name=GROUP, description="The incident: its level, and the recall it costs.")
def incident(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Show it."""
    found = _incident(context)
    harm = (found.harm or {}).get("text", "not known")
    return dg.MaterializeResult(metadata={"id": found.id, "level": found.level, "state": found.state, "harm": harm})


@dg.asset(deps=[incident], group_name=GROUP, description="What it is, in a sentence.")
def diagnosis(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Show the cause."""
    found = _incident(context)
    return dg.MaterializeResult(metadata={"cause": found.cause, "summary": found.summary})


@dg.asset(
    deps=[diagnosis],
    group_name=GROUP,
    description="What is done about it: investigation, remedies, the proof that it is over.",
)
def remedy(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Investigate, compare remedies, or verify."""
    return dg.MaterializeResult(metadata=shown(carried_out(context)))


def _incident(context: dg.AssetExecutionContext) -> Incident:
    with closing(Database.of(settings.load())) as database, database.reading() as connection:
        step = journal.existing(connection, context.run.tags[STEP_TAG])
        return incidents.existing(connection, step.subject)
