"""What starts runs: steps that are due in the journal, each with a run key of its own, and the calendar.

A sensor asks for what follows from incidents or photos, and starts a run for each due step of its kinds. A run key
says which step and since when it is due, so that a tick that is repeated, by a crash or not, starts nothing twice. A
run that died before it had claimed its step is started again after :data:`_STALE`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from dentwatch import settings
from dentwatch.errors import DentwatchError
from dentwatch.loop import journal, policy
from dentwatch.loop.steps import Ask, Kind, Step
from dentwatch.pipelines.carrying import STEP_TAG
from dentwatch.pipelines.jobs import data_job, deployment_job, gate_job, night_job, remedy_job, training_job
from dentwatch.records.database import Database
from dentwatch.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

_EVERY = 15  # seconds between ticks
_STALE = timedelta(minutes=10)


def _sensor(
    name: str,
    job: "UnresolvedAssetJobDefinition",
    kinds: Sequence[Kind],
    description: str,
    wishes: Callable[[Settings, Database], list[Ask]] = lambda _settings, _database: [],
) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        job=job,
        minimum_interval_seconds=_EVERY,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def look(_context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        loaded, now = settings.load(), datetime.now(UTC)
        try:
            with closing(Database.of(loaded)) as database:
                policy.ask(loaded, database, wishes(loaded, database))
                with database.reading() as connection:
                    due = [step for step in journal.due(connection) if step.kind in kinds]
        except DentwatchError as error:
            yield dg.SkipReason(str(error))
            return
        if not due:
            yield dg.SkipReason("Nothing is due.")
        for step in due:
            yield dg.RunRequest(run_key=run_key(step, now), tags={STEP_TAG: step.key})

    return look


def run_key(step: Step, now: datetime) -> str:
    """What a due step's run is called: the same at every tick, another one once that run must have died."""
    overdue = (now - step.not_before) // _STALE
    return f"{step.key}@{step.not_before:%Y%m%dT%H%M%S}.{step.attempts}.{max(overdue, 0)}"


new_photos = _sensor(
    "new_annotated_photos",
    data_job,
    ("take-in",),
    "Batches in the inbox, uploads and finished reviews.",
    policy.for_photos,
)
drift = _sensor(
    "drift_incidents",
    remedy_job,
    ("investigate", "remedy", "verify"),
    "Incidents whose harm is known, and their end.",
    lambda _settings, database: policy.for_incidents(database),
)
retraining = _sensor(
    "retraining", training_job, ("retrain", "search"), "Critical incidents, new photos, and the weekly retraining."
)
challengers = _sensor("challengers", gate_job, ("gate",), "Model versions that want to serve.")
rollouts = _sensor("rollouts", deployment_job, ("roll-out", "guard"), "Challengers on their way, and new champions.")

SENSORS = (new_photos, drift, retraining, challengers, rollouts)


@dg.schedule(
    job=night_job,
    cron_schedule="0 2 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The champion on the frozen test set, KPIs brought up to date; on Mondays the weekly retraining.",
)
def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the night's step, as the plain worker would."""
    night = context.scheduled_execution_time
    wish = Ask("nightly", f"{night:%Y-%m-%d}")
    with closing(Database.of(settings.load())) as database, database.writing() as connection:
        journal.ask(connection, wish)
    return dg.RunRequest(run_key=wish.run_key, tags={STEP_TAG: wish.run_key})
