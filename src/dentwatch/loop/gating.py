"""A challenger at the gate: both models look at the frozen test photos, as taken and as the drift makes them."""

from typing import TYPE_CHECKING, Any

from dentwatch.errors import ModelError
from dentwatch.loop.evaluations import evaluated, judging_photos, photos_of, place_of
from dentwatch.loop.steps import Ask, Bench, Done, Step
from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import SYSTEM
from dentwatch.records.check import Check
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import Adaptation, ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.records.registry import Registry
from dentwatch.serving.models import resolve

if TYPE_CHECKING:
    from dentwatch.training.gate import Ruling, Seen


class _UnansweredError(ModelError):
    """The challenger has no answer about a photo that it is to be judged by."""


def gate(bench: Bench, step: Step) -> Done:
    """Hold the model version ``step.subject`` against the one that serves; ask for its rollout, or dismiss it.

    Where a retraining for an incident does not pass, the remedies may compete after all: they take minutes, and leave
    photos that did not drift as they are. They compete once for an incident. Evaluations are kept
    (:mod:`.evaluations`), so that a gate that was cut off does not begin anew.
    """
    from dentwatch.training.evaluation.comparison import COMPARISON_NAME, write_comparison

    settings, number = bench.settings, step.subject
    champion, challenger = resolve(None, settings), resolve(number, settings)
    if champion.name == challenger.name:
        return Done({"model": number, "passed": True, "text": f"{champion.name} is the champion already."})
    try:
        taken, drifted, ruling = _ruling(bench, champion, challenger)
    except _UnansweredError as error:
        return _ruled(bench, step, _broken_down(champion, challenger, error), {})
    folder = place_of(settings.home) / f"{challenger.name.replace('/', '-')}-against-{champion.name.replace('/', '-')}"
    page = write_comparison(
        [taken.champion, taken.challenger], folder / COMPARISON_NAME, PhotoStore(settings.photo_store_url)
    )
    figures = {"taken": _figures(taken), "drifted": None if drifted is None else _figures(drifted)}
    return _ruled(bench, step, ruling, {"report": str(page), "figures": figures})


def _ruled(bench: Bench, step: Step, ruling: "Ruling", found: dict[str, Any]) -> Done:
    """What follows from a ruling, told where it is looked for."""
    result = {**ruling.as_document(), "model": step.subject, **found}
    if not ruling.passed:
        Registry(bench.settings).dismiss(step.subject, ruling.text, SYSTEM)
    incident = step.cause.get("incident")
    if incident is not None:
        with bench.database.writing() as connection:
            incidents.note_once(connection, incident, SYSTEM, ruling.text)
    if ruling.passed:
        return Done(result, (Ask("roll-out", step.subject, step.cause),))
    if incident is None:
        return Done(result)
    return Done(result, (Ask("remedy", incident, {"incident": incident, "step": step.key}),))


def _ruling(bench: Bench, champion: ModelBundle, challenger: ModelBundle) -> "tuple[Seen, Seen | None, Ruling]":
    from dentwatch.training.evaluation.evaluator import annotated_photos
    from dentwatch.training.gate import Seen, relative_time, rule

    settings, limits = bench.settings, bench.settings.loop
    dataset, split = judging_photos(DatasetStore(settings.dataset_store_url))

    def seen(drift: Adaptation | None) -> Seen:
        labels = champion.spec.labels  # what the challenger does not know it is judged by, too
        # Else the champion would be judged by the easier of the drifted photos, and a network as good would lose.
        rules = challenger.spec.asks_again
        before = evaluated(bench, champion, dataset, split, drift, labels, rules=rules)
        try:
            return Seen(before, evaluated(bench, challenger, dataset, split, drift, labels))
        except ModelError as error:
            raise _UnansweredError(str(error)) from error

    drift = challenger.spec.adapted_to
    taken, drifted = seen(None), None if drift is None else seen(drift)
    store, records = photos_of(bench, drift), annotated_photos(dataset, split)  # as they come, enhancement included
    slowness = relative_time(champion, challenger, records, store, settings.data.max_pixels)
    ruling = rule(
        champion,
        challenger,
        taken,
        drifted,
        slowness,
        tolerated_loss=limits.tolerated_loss,
        latency_ratio=limits.latency_ratio,
        most_asked_again=limits.most_asked_again,
        require_rights=settings.data.require_rights,
    )
    return taken, drifted, ruling


def _broken_down(champion: ModelBundle, challenger: ModelBundle, error: ModelError) -> "Ruling":
    """The ruling about a challenger that there are no figures of."""
    from dentwatch.training.gate import Ruling

    told = Check("admission", False, f"It fails on the photos that it is judged by: {error}")
    return Ruling(champion.name, challenger.name, (told,))


def _figures(seen: "Seen") -> dict[str, dict[str, float | None]]:
    names = ("ap50", "recall", "precision", "f1")
    return {
        role: {name: result.figures[name].value for name in names if name in result.figures}
        for role, result in (("champion", seen.champion), ("challenger", seen.challenger))
    }
