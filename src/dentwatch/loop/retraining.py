"""A retraining that an incident or new photos call for: warm from the champion, on the newest dataset version."""

import re
import time
from datetime import timedelta
from typing import Any

from dentwatch.errors import RunHeldError
from dentwatch.loop.evaluations import evaluated
from dentwatch.loop.measured_drift import drift_of
from dentwatch.loop.remedies import best_enhancement
from dentwatch.loop.steps import Again, Ask, Bench, Done, Step
from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import SYSTEM
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.model_bundle import Adaptation, ModelBundle
from dentwatch.serving.models import resolve

_SOON = timedelta(minutes=1)
_WARM = 0.15  # of the detector's learning rate: the network knows most of it already


def retrain(bench: Bench, step: Step) -> Done | Again:
    """Train a challenger for ``step.subject``: an incident, ``dataset/<id>``, or ``weekly/<week>``.

    For an incident, half of what it sees is as the drift makes photos; for new photos that holds for the drift that the
    champion was made for, if any, so that it is not unlearnt. The run is named after the step, so that one that was cut
    off goes on where it was, and one that is finished is not trained again. While another process is at work on it, the
    step waits. Raises :class:`LoopError` where the incident's harm is not known.
    """
    from dentwatch.training.run_folder import RunFolder

    with bench.database.reading() as connection:
        incident = incidents.find(connection, step.subject)
    drift = _carried(bench) if incident is None else drift_of(incident)
    folder = RunFolder(bench.settings.home / "runs" / run_name(step))
    began = time.monotonic()
    record = folder.record()
    if record is None or not record.model_version:
        try:
            record = _train(bench, step, drift)
        except RunHeldError as held:
            return Again(_SOON, {"why": held.message})
    number, minutes = record.model_version, (time.monotonic() - began) / 60
    learnt = record.settings.adapt_to  # where the run was begun before, that of the champion of then
    text = (
        f"Model version {number} was trained from {record.settings.weights} on dataset version "
        f"{record.dataset_version[:12]}"
        + (f", on photos made {learnt.cause} as well" if learnt else "")
        + _seen(record)
    )
    if incident is not None:
        with bench.database.writing() as connection:
            incidents.note_once(connection, incident.id, SYSTEM, text)
    result: dict[str, Any] = {
        "text": text,
        "model": number,
        "run": record.name,
        "dataset_version": record.dataset_version,
        "minutes": round(minutes, 2),
    }
    cause = {**step.cause, "step": step.key}
    return Done(result, (Ask("gate", number, cause),))


def _carried(bench: Bench) -> Adaptation | None:
    """The drift that the champion was made for; its photo rules are not, for a new model is measured anew."""
    drift = resolve(None, bench.settings).spec.adapted_to
    return None if drift is None else drift.model_copy(update={"asked_again": 0.0})


def run_name(step: Step) -> str:
    """The name of the run of a step, the same each time it is carried out."""
    return f"loop-{step.number}-{re.sub(r'[^A-Za-z0-9]+', '-', step.subject)[:40].strip('-')}"


def _train(bench: Bench, step: Step, drift: Adaptation | None) -> Any:
    from dentwatch.training.run import resume, train
    from dentwatch.training.run_folder import RunFolder

    settings, name = bench.settings, run_name(step)
    if RunFolder(settings.home / "runs" / name).record() is not None:
        return resume(settings, name, progress=bench.report, crown_first=False).record
    dataset = DatasetStore(settings.dataset_store_url).get("latest")
    run = _run_from(bench, resolve(None, settings), dataset, drift)
    return train(settings, run, dataset.id, name=name, progress=bench.report, crown_first=False).record


def _run_from(bench: Bench, champion: ModelBundle, dataset: DatasetVersion, drift: Adaptation | None) -> Any:
    """What to train: the champion's network, labels and input, from its weights; dark photos brightened if it helps."""
    from dentwatch.training.detectors import available
    from dentwatch.training.run_settings import RunSettings

    spec, limits = champion.spec, bench.settings.loop
    how = spec.preprocessing.enhancement
    least: dict[str, float] | None = None
    if drift is not None:
        figures = evaluated(bench, champion, dataset, "val").figures
        recalls = {label: figures[f"recall_{label}"].value for label in spec.labels}
        least = {label: round(recall, 4) for label, recall in recalls.items() if recall is not None}
        how = best_enhancement(bench, champion, drift) or how
    return RunSettings(
        detector=spec.detector,
        size=spec.size,
        members=spec.members,
        input_size=spec.preprocessing.input_size,
        labels=spec.labels,
        weights=champion.name,
        epochs=limits.retrain_epochs,
        minutes=limits.retrain_minutes,
        learning_rate=_WARM * available()[spec.detector].learning_rate,
        validate_every=max(1, limits.retrain_epochs // 5),
        adapt_to=drift,
        least_recall=least,
        enhancement=how,
    )


def _seen(record: Any) -> str:
    how = record.settings.enhancement
    return "." if how is None else f"; it sees dark photos brightened ({how.kind}, {how.amount:g})."
