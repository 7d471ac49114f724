"""The night's work: the champion is held against the frozen test set, sums are brought up to date, old news weighed."""

from datetime import date, timedelta
from typing import Any

from dentwatch.errors import DatasetError
from dentwatch.loop import restraint
from dentwatch.loop.batch_difference import unseen_photos
from dentwatch.loop.evaluations import evaluated, judging_photos
from dentwatch.loop.steps import Ask, Bench, Done, Step
from dentwatch.monitoring.kpis import rollups
from dentwatch.records.datasets import DatasetStore
from dentwatch.serving.models import resolve

_MONDAY = 0


def nightly(bench: Bench, step: Step) -> Done:
    """The work of the night to ``step.subject`` (as in 2026-11-25); on Mondays a retraining if there is enough new."""
    night = date.fromisoformat(step.subject)
    counted = rollups.catch_up(bench.database)
    champion = resolve(None, bench.settings)
    store = DatasetStore(bench.settings.dataset_store_url)
    try:
        dataset, split = judging_photos(store)
    except DatasetError as error:
        return Done({"counted": counted, "evaluation": None, "why": str(error)})
    result: dict[str, Any] = {
        "counted": counted,
        "model": champion.name,
        "dataset": dataset.id,
        "evaluation": evaluated(bench, champion, dataset, split).metrics(),
    }
    then: tuple[Ask, ...] = ()
    if night.weekday() == _MONDAY:
        result["new_photos"] = new = unseen_photos(store, champion.spec.dataset_version, None, dataset)
        with bench.database.reading() as connection:
            why_not = restraint.held_back(connection, bench.settings.loop, step.created_at, None)
        if new >= bench.settings.loop.new_photos and why_not is None:
            year, week, _ = (night - timedelta(days=1)).isocalendar()
            then = (Ask("retrain", f"weekly/{year}-W{week:02}", {"dataset": dataset.id}),)
    return Done(result, then)
