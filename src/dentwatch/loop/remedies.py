"""Remedies compete: what could be done about a drift without a training, measured in recall.

Brighter photos and a larger input seldom help a fine-tuned detector, so each remedy has to win: on val photos that are
re-made as the drift makes them, at the champion's own thresholds, without marking more that is wrong than is tolerated,
and in the time per photo that the gate allows.
Where nothing helps the network, stricter photo rules may: they ask for the worst photos again. The winner becomes a
challenger, and the gate holds it against the champion on the frozen test photos.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from math import isnan
from pathlib import Path
from typing import Any

from dentwatch.data.remade_photos import RemadePhotos
from dentwatch.loop.measured_drift import drift_of
from dentwatch.loop.remedy_candidates import Candidate, Scene, asking_again, brightened, enlarged
from dentwatch.loop.steps import Ask, Bench, Done, Step
from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import SYSTEM
from dentwatch.monitoring.validation_photos import validation_dataset
from dentwatch.records.model_bundle import Adaptation, Enhancement, ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.records.registry import Registry
from dentwatch.serving.models import resolve
from dentwatch.settings import LoopSettings

_NOTHING = "nothing"
_ROOM = 0.9  # of the time that the gate allows: it measures once more, and not to the last percent


@dataclass(frozen=True, slots=True)
class Tried:
    """A remedy and what it brought: recall and precision, in [0, 1], on drifted val photos.

    ``lost`` are the points of recall or precision, whichever is more, that it costs on photos as taken. Recall and
    precision of photo rules are of the photos that they do not ask for again; ``asked_again`` is the share of others.
    ``slowness`` is the time per drifted photo as a multiple of the champion's; it is measured of those that may win.
    """

    name: str
    recall: float
    precision: float
    lost: float = 0.0
    asked_again: float = 0.0
    slowness: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was ``tried``, doing nothing first, the ``winner`` if there is one, and the champion with it."""

    tried: list[Tried]
    winner: Tried | None = None
    version: ModelBundle | None = None


def best_enhancement(bench: Bench, champion: ModelBundle, drift: Adaptation) -> Enhancement | None:
    """What is best done to drifted photos before ``champion`` sees them, if anything."""
    with tempfile.TemporaryDirectory(prefix="dentwatch-remedies-") as scratch:
        best = compete(bench, champion, drift, Path(scratch), brightened).version
    return None if best is None else best.spec.preprocessing.enhancement


def remedy(bench: Bench, step: Step) -> Done:
    """Let the remedies for the incident ``step.subject`` compete; the winner, if any, goes to the gate."""
    champion = resolve(None, bench.settings)
    with bench.database.reading() as connection:
        incident = incidents.existing(connection, step.subject)
    with tempfile.TemporaryDirectory(prefix="dentwatch-remedies-") as scratch:
        outcome = compete(bench, champion, drift_of(incident), Path(scratch), known(bench.settings.loop))
        best = outcome.version
        number = None if best is None else str(Registry(bench.settings).register(best).number)
    text = said(outcome.tried, outcome.winner)
    with bench.database.writing() as connection:
        incidents.note_once(connection, incident.id, SYSTEM, text)
    result: dict[str, Any] = {"text": text, "tried": [asdict(one) for one in outcome.tried], "model": number}
    then = () if number is None else (Ask("gate", number, {**step.cause, "step": step.key}),)
    return Done(result, then)


def known(limits: LoopSettings) -> Callable[[Scene], Iterator[Candidate]]:
    """What makes every remedy that there is, within ``limits``."""

    def candidates(scene: Scene) -> Iterator[Candidate]:
        yield from brightened(scene)
        yield from enlarged(scene, limits.latency_ratio)
        yield from asking_again(scene, limits.most_asked_again)

    return candidates


def compete(
    bench: Bench,
    champion: ModelBundle,
    drift: Adaptation,
    scratch: Path,
    candidates: Callable[[Scene], Iterable[Candidate]],
) -> Outcome:
    """Measure what each of the ``candidates`` brings; the champion with the best one lies in ``scratch``.

    Raises as :func:`~dentwatch.training.evaluation.evaluator.predict` does.
    """
    from dentwatch.training.evaluation.evaluator import annotated_photos
    from dentwatch.training.gate import relative_time

    settings = bench.settings
    records = annotated_photos(validation_dataset(settings, champion), "val")
    taken = PhotoStore(settings.photo_store_url)
    drifted = RemadePhotos(settings.photo_store_url, drift, settings.data.max_pixels)
    scene = Scene(champion, drift, records, taken, drifted, settings.data.max_pixels)
    tried = [Tried(_NOTHING, *_rates(bench, scene, champion, drifted))]
    bundles: dict[str, ModelBundle] = {}
    for number, candidate in enumerate(candidates(scene)):
        folder = scratch / str(number)
        folder.mkdir()
        bundle = bundles[candidate.name] = candidate.make(folder)
        lost = _lost(bench, scene, bundle) if candidate.everywhere else 0.0
        again = 0.0 if bundle.spec.adapted_to is None else bundle.spec.adapted_to.asked_again
        tried.append(Tried(candidate.name, *_rates(bench, scene, bundle, drifted), lost, again))
    for one in _ranked(tried, settings.loop.tolerated_loss, settings.monitoring.harm_tolerance):
        slowness = relative_time(champion, bundles[one.name], records, drifted, settings.data.max_pixels)
        timed = replace(one, slowness=slowness)
        tried[tried.index(one)] = timed
        if slowness <= 1 + _ROOM * (settings.loop.latency_ratio - 1):
            return Outcome(tried, timed, bundles[one.name])
    return Outcome(tried)


def _lost(bench: Bench, scene: Scene, bundle: ModelBundle) -> float:
    """The points of recall or precision, whichever is more, that ``bundle`` loses on photos as taken."""
    before, after = (_rates(bench, scene, one, scene.taken) for one in (scene.champion, bundle))
    return max(0.0, *(100 * (one - other) for one, other in zip(before, after, strict=True)))


def _rates(bench: Bench, scene: Scene, bundle: ModelBundle, photos: PhotoStore) -> tuple[float, float]:
    """Recall and precision on val at the model's operating thresholds, IoU 0.5, of the photos that are relied on."""
    from dentwatch.serving.inspection import Inspector
    from dentwatch.serving.quality_gate import QualityGate
    from dentwatch.training.evaluation.evaluator import predict
    from dentwatch.training.evaluation.matching import match
    from dentwatch.training.evaluation.operating import OPERATING_IOU, rates

    inspector, labels = Inspector(bundle, threads=1, max_pixels=scene.max_pixels), bundle.spec.labels
    gate = QualityGate.of(bundle) if bundle.spec.asks_again else None
    outcomes = predict(inspector, scene.records, photos, labels, bench.report, gate)
    figures = rates(match(outcomes, labels), bundle.spec.thresholds, OPERATING_IOU).figures
    recall, precision = (0.0 if isnan(figures[name]) else figures[name] for name in ("recall", "precision"))
    return recall, precision


def _ranked(tried: list[Tried], gain: float, loss: float) -> list[Tried]:
    """The remedies that gain more than ``gain`` points of recall for at most ``loss`` of precision, the best first.

    On photos as taken they lose at most ``gain`` points. Photo rules come last: they give a person something to do.
    """
    nothing, *others = tried
    good = [
        one
        for one in others
        if 100 * (one.recall - nothing.recall) > gain
        and 100 * (nothing.precision - one.precision) <= loss
        and one.lost <= gain
    ]
    return sorted(good, key=lambda one: (not one.asked_again, one.recall), reverse=True)


def said(tried: list[Tried], winner: Tried | None) -> str:
    """The outcome in words."""
    nothing, *others = tried
    without, those = f"{100 * nothing.recall:.1f} %", "1 remedy" if len(others) == 1 else f"{len(others)} remedies"
    if not others:
        return "No remedy is known for this cause but retraining and better photos."
    if winner is None:
        best = max(others, key=lambda one: one.recall)
        return (
            f"Nothing helps: of {those} the best, {best.name}, has a recall of {100 * best.recall:.1f} "
            f"% on drifted photos ({without} without) at a precision of {100 * best.precision:.1f} % "
            f"({100 * nothing.precision:.1f} %){_price(best)}."
        )
    if winner.asked_again:
        return (
            f"Of {those} none helps but {winner.name}: it asks for {100 * winner.asked_again:.0f} % of "
            f"drifted photos again, and recall on the others is {100 * winner.recall:.1f} % instead of {without}."
        )
    slow = [f" {one.name} takes {one.slowness:.2f} times the time." for one in others if one.slowness and one != winner]
    return (
        f"Of {those} {winner.name} is the best{' that is fast enough' if slow else ''}: recall on drifted photos "
        f"{100 * winner.recall:.1f} % instead of {without}.{''.join(slow)}"
    )


def _price(one: Tried) -> str:
    """What else the remedy costs."""
    parts = [
        f", losing {one.lost:.1f} points on photos as taken" if one.lost else "",
        f", asking for {100 * one.asked_again:.0f} % of them again" if one.asked_again else "",
        f", in {one.slowness:.2f} times the time" if one.slowness else "",
    ]
    return "".join(parts)
