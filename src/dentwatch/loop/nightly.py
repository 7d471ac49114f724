"""The night's work: the champion is held against the frozen test set, sums are brought up to date, old news weighed."""

from datetime import date, timedelta
from typing import Any

from dentwatch.errors import DatasetError
from dentwatch.loop import restraint
from dentwatch.loop.recovered_recall import judging_photos
from dentwatch.loop.steps import Ask, Bench, Done, Step
from dentwatch.monitoring.kpis import rollups
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.models import resolve

_MONDAY = 0


def nightly(bench: Bench, step: Step) -> Done:
    """The work of the night to ``step.subject`` (as in 2026-11-25); on Mondays a retraining if there is enough new."""
    night = date.fromisoformat(step.subject)
    counted = rollups.catch_up(bench.database)
    champion = resolve(None, bench.settings)
    try:
        dataset, split = judging_photos(DatasetStore(bench.settings.dataset_store_url))
    except DatasetError as error:
        return Done({"counted": counted, "evaluation": None, "why": str(error)})
    result: dict[str, Any] = {
        "counted": counted,
        "model": champion.name,
        "dataset": dataset.id,
        "evaluation": _evaluated(bench, champion, dataset, split),
    }
    then: tuple[Ask, ...] = ()
    if night.weekday() == _MONDAY:
        result["new_photos"] = new = _new_photos(champion, dataset, bench)
        with bench.database.reading() as connection:
            why_not = restraint.held_back(connection, bench.settings.loop, step.created_at, None)
        if new >= bench.settings.loop.new_photos and why_not is None:
            year, week, _ = (night - timedelta(days=1)).isocalendar()
            then = (Ask("retrain", f"weekly/{year}-W{week:02}", {"dataset": dataset.id}),)
    return Done(result, then)


def _evaluated(bench: Bench, champion: ModelBundle, dataset: DatasetVersion, split: Any) -> dict[str, float]:
    from dentwatch.training.evaluation.evaluator import evaluate_bundle

    result = evaluate_bundle(
        champion,
        dataset,
        PhotoStore(bench.settings.photo_store_url),
        split,
        labels=champion.spec.labels,
        latency=False,
        max_pixels=bench.settings.data.max_pixels,
        progress=bench.report,
    )
    return result.metrics()


def _new_photos(champion: ModelBundle, dataset: DatasetVersion, bench: Bench) -> int:
    """Annotated train photos that the champion has not seen; all of them where its dataset version is not at hand."""
    seen: set[str] = set()
    try:
        store = DatasetStore(bench.settings.dataset_store_url)
        seen = {one.photo_id for one in store.get(champion.spec.dataset_version).photos("train", annotated=True)}
    except DatasetError:
        pass
    return sum(one.photo_id not in seen for one in dataset.photos("train", annotated=True))
