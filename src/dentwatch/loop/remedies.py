"""Remedies compete: what could be done to drifted photos before the champion sees them, measured in recall.

Low-light enhancement seldom helps a fine-tuned detector, so each has to win: on val photos that are re-made as the
drift makes them, at the champion's own thresholds, without marking more that is wrong than is tolerated. The winner
becomes a challenger, and the gate holds it against the champion on the frozen test photos.
"""

import shutil
import tempfile
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from dentwatch.data.decoding import decode
from dentwatch.data.enhancement import brightness
from dentwatch.data.remade_photos import RemadePhotos
from dentwatch.loop.measured_drift import drift_of
from dentwatch.loop.steps import Ask, Bench, Done, Step
from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import SYSTEM
from dentwatch.monitoring.validation_photos import validation_dataset
from dentwatch.records.datasets import DatasetVersion
from dentwatch.records.model_bundle import CARD_NAME, SPEC_NAME, Adaptation, Enhancement, ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.records.registry import Registry
from dentwatch.serving.inspection import Inspector
from dentwatch.serving.models import resolve

_BRIGHTENED = ("dark",)  # causes that brightening may mend
_LOOKED_AT = 100  # val photos that say how dark is dark
_GAMMAS, _CLAHES, _EXPOSURES = (1.5, 2.2, 3.0), (2.0, 4.0), (0.1, 0.18)
_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Tried:
    """A remedy and what it brought: recall and precision, in [0, 1], on drifted val photos."""

    name: str
    recall: float
    precision: float


def best_enhancement(bench: Bench, champion: ModelBundle, drift: Adaptation) -> tuple[Enhancement | None, str]:
    """What is best done to drifted photos before ``champion`` sees them, if anything, and the finding in words."""
    with tempfile.TemporaryDirectory(prefix="dentwatch-remedies-") as scratch:
        tried, bundles = _compete(bench, champion, drift, Path(scratch))
    winner = _winner(tried, bench.settings.loop.tolerated_loss, bench.settings.monitoring.harm_tolerance)
    how = None if winner is None else bundles[winner.name].spec.preprocessing.enhancement
    return how, _said(tried, winner)


def remedy(bench: Bench, step: Step) -> Done:
    """Let the remedies for the incident ``step.subject`` compete; the winner, if any, goes to the gate."""
    champion = resolve(None, bench.settings)
    with bench.database.reading() as connection:
        incident = incidents.existing(connection, step.subject)
    drift = drift_of(incident)
    with tempfile.TemporaryDirectory(prefix="dentwatch-remedies-") as scratch:
        tried, bundles = _compete(bench, champion, drift, Path(scratch))
        winner = _winner(tried, bench.settings.loop.tolerated_loss, bench.settings.monitoring.harm_tolerance)
        number = None
        if winner is not None:
            number = str(Registry(bench.settings).register(bundles[winner.name]).number)
    text = _said(tried, winner)
    with bench.database.writing() as connection:
        incidents.note_once(connection, incident.id, SYSTEM, text)
    result: dict[str, Any] = {"text": text, "tried": [asdict(one) for one in tried], "model": number}
    then = () if number is None else (Ask("gate", number, {**step.cause, "step": step.key}),)
    return Done(result, then)


def _compete(
    bench: Bench, champion: ModelBundle, drift: Adaptation, scratch: Path
) -> tuple[list[Tried], dict[str, ModelBundle]]:
    """What each remedy brings, doing nothing first, and the champion with each."""
    settings = bench.settings
    dataset = validation_dataset(settings, champion)
    drifted = RemadePhotos(settings.photo_store_url, drift, settings.data.max_pixels)
    tried = [Tried(_NOTHING, *operating_rates(bench, champion, dataset, drifted))]
    bundles: dict[str, ModelBundle] = {}
    for how in _candidates(drift, lambda: _dark_below(bench, dataset, drifted)):
        name = f"{how.kind} {how.amount:g}"
        bundles[name] = _with(champion, how, drift, scratch / name.replace(" ", "-"))
        tried.append(Tried(name, *operating_rates(bench, bundles[name], dataset, drifted)))
    return tried, bundles


def operating_rates(
    bench: Bench, bundle: ModelBundle, dataset: DatasetVersion, photos: PhotoStore
) -> tuple[float, float]:
    """Recall and precision on val at the model's operating thresholds, IoU 0.5."""
    from dentwatch.training.evaluation.evaluator import annotated_photos, predict
    from dentwatch.training.evaluation.matching import match
    from dentwatch.training.evaluation.operating import OPERATING_IOU, rates

    inspector = Inspector(bundle, threads=1, max_pixels=bench.settings.data.max_pixels)
    outcomes = predict(inspector, annotated_photos(dataset, "val"), photos, bundle.spec.labels, bench.report)
    figures = rates(match(outcomes, bundle.spec.labels), bundle.spec.thresholds, OPERATING_IOU).figures
    recall, precision = (0.0 if isnan(figures[name]) else figures[name] for name in ("recall", "precision"))
    return recall, precision


def _candidates(drift: Adaptation, dark_below: Any) -> list[Enhancement]:
    if drift.cause not in _BRIGHTENED:
        return []
    below = dark_below()
    amounts = {"gamma": _GAMMAS, "clahe": _CLAHES, "exposure": _EXPOSURES, "exposure-denoised": _EXPOSURES}
    return [Enhancement(kind=kind, amount=amount, below=below) for kind, each in amounts.items() for amount in each]


def _dark_below(bench: Bench, dataset: DatasetVersion, drifted: RemadePhotos) -> float:
    """The luma between photos as taken and as the drift makes them: in the middle of their medians."""
    taken = PhotoStore(bench.settings.photo_store_url)
    records = [record for record, _ in zip(dataset.photos("val"), range(_LOOKED_AT), strict=False)]
    medians = [
        np.median(
            [
                brightness(decode(store.get(one.photo_id), max_pixels=bench.settings.data.max_pixels).rgb)
                for one in records
            ]
        )
        for store in (taken, drifted)
    ]
    return round(float(sum(medians) / 2), 1)


def _with(champion: ModelBundle, how: Enhancement, drift: Adaptation, folder: Path) -> ModelBundle:
    """The champion with another preprocessing: the same network, a version of its own."""
    shutil.copytree(champion.folder, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py", SPEC_NAME))
    spec = champion.spec
    preprocessing = spec.preprocessing.model_copy(update={"enhancement": how})
    ModelBundle.write_spec(folder, spec.model_copy(update={"preprocessing": preprocessing, "adapted_to": drift}))
    card = folder / CARD_NAME
    said = f"Photos with a mean luma below {how.below:g} are brightened first ({how.kind}, {how.amount:g})."
    card.write_text(f"{card.read_text(encoding='utf-8').rstrip()}\n\n## Preprocessing\n\n{said}\n", encoding="utf-8")
    return ModelBundle.load(folder)


def _winner(tried: list[Tried], gain: float, loss: float) -> Tried | None:
    """The remedy with the most recall, if it gains more than ``gain`` points for at most ``loss`` of precision."""
    nothing, *others = tried
    good = [
        one
        for one in others
        if 100 * (one.recall - nothing.recall) > gain and 100 * (nothing.precision - one.precision) <= loss
    ]
    return max(good, key=lambda one: one.recall, default=None)


def _said(tried: list[Tried], winner: Tried | None) -> str:
    nothing = tried[0]
    if len(tried) == 1:
        return "No remedy is known for this cause but retraining and better photos."
    if winner is not None:
        return (
            f"Of {len(tried) - 1} remedies {winner.name} is the best: recall on drifted photos "
            f"{100 * winner.recall:.1f} % instead of {100 * nothing.recall:.1f} %."
        )
    best = max(tried[1:], key=lambda one: one.recall)
    return (
        f"Nothing helps: of {len(tried) - 1} remedies the best, {best.name}, has a recall of {100 * best.recall:.1f} % "
        f"on drifted photos ({100 * nothing.recall:.1f} % without) at a precision of {100 * best.precision:.1f} % "
        f"({100 * nothing.precision:.1f} %)."
    )
