"""The gate: what a challenger must show, beside the champion on the same photos, before it may answer anybody.

A figure counts as lost only where more than ``tolerated_loss`` points are lost *and* chance does not explain it: the
95 % interval of the paired bootstrap by vehicle (:mod:`.evaluation.comparison`) lies below zero. It counts as won where
nine of ten resamples say so.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from dentwatch.errors import DentwatchError, PhotoError
from dentwatch.records import admission, consents
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.check import Check
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.inspection import Inspector, Photo
from dentwatch.training.evaluation.comparison import Change, compare
from dentwatch.training.evaluation.result import EvaluationResult

SURE = 0.9
"""Share of resamples in which the slice that called for a challenger must be better."""

_FEWEST_TRUTHS = 10  # damages with fewer of which nothing can be said
_TIMED = 30  # photos that both models are timed on


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the gate says about ``challenger``, held against ``champion``."""

    champion: str
    challenger: str
    rules: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every rule is kept."""
        return all(rule.passed for rule in self.rules)

    @property
    def text(self) -> str:
        """It in a sentence."""
        if self.passed:
            return f"{self.challenger} passed the gate against {self.champion}: {len(self.rules)} of {len(self.rules)}."
        why = " ".join(rule.text for rule in self.rules if not rule.passed)
        return f"{self.challenger} did not pass the gate against {self.champion}. {why}"

    def as_document(self) -> dict[str, Any]:
        """It as JSON values."""
        return {**asdict(self), "passed": self.passed, "text": self.text}


@dataclass(frozen=True, slots=True)
class Seen:
    """The same photos as both models see them."""

    champion: EvaluationResult
    challenger: EvaluationResult


def rule(
    champion: ModelBundle,
    challenger: ModelBundle,
    taken: Seen,
    drifted: Seen | None,
    slowness: float,
    *,
    tolerated_loss: float,
    latency_ratio: float,
    most_asked_again: float,
    require_rights: bool,
) -> Ruling:
    """Hold ``challenger`` against ``champion``.

    ``taken`` are the frozen test photos, ``drifted`` the same as the drift makes them that called for the challenger.
    ``slowness`` is its time per photo as a multiple of the champion's (:func:`relative_time`).
    """
    found = [
        _admissible(challenger),
        _consented(challenger, require_rights),
        _evidence(taken),
        _complete(champion, challenger),
        *_every_label(taken),
    ]
    changes = compare(taken.champion, taken.challenger)
    names = ("ap50", "f1", *(f"ap50_{label}" for label in taken.champion.labels))
    found += [_not_lost(name, taken, changes.get(name), tolerated_loss, "") for name in names]
    if drifted is not None:
        there = compare(drifted.champion, drifted.challenger)
        if _is_adapted(champion, challenger):
            found.append(_not_lost("recall", drifted, there.get("recall"), tolerated_loss, " on drifted photos"))
        else:
            found.append(_won("recall", drifted, there.get("recall")))
        found += _few_asked_again(drifted.challenger, most_asked_again)
        found += [
            _not_lost(name, drifted, there.get(name), tolerated_loss, " on drifted photos") for name in ("ap50", "f1")
        ]
    slow = f"It takes {slowness:.2f} times the champion's time per photo ({latency_ratio:g} is allowed)."
    found.append(Check("latency", slowness <= latency_ratio, slow, slowness, latency_ratio))
    return Ruling(champion.name, challenger.name, tuple(found))


def _is_adapted(champion: ModelBundle, challenger: ModelBundle) -> bool:
    """Whether the champion was made for that drift already, and the challenger only has to keep what was won."""
    before, after = champion.spec.adapted_to, challenger.spec.adapted_to
    return before is not None and after is not None and before.incident == after.incident


def relative_time(
    champion: ModelBundle, challenger: ModelBundle, records: Sequence[PhotoRecord], photos: PhotoStore, max_pixels: int
) -> float:
    """The challenger's median time per photo as a multiple of the champion's, taken in turns on one thread."""
    both = [Inspector(bundle, threads=1, max_pixels=max_pixels) for bundle in (champion, challenger)]
    for inspector in both:
        inspector.warm_up()
    times: tuple[list[float], list[float]] = ([], [])
    for record in records[:_TIMED]:
        data = photos.get(record.photo_id)
        for inspector, taken in zip(both, times, strict=True):
            seen = inspector.decode(Photo(record.name, lambda data=data: data))  # type: ignore[misc]
            if isinstance(seen, PhotoFailure):
                raise PhotoError(seen.reason, f"The photo {record.name} cannot be used: {seen.error}")
            taken.append(seen.milliseconds + inspector.predict(seen)[1])
    return median(times[1]) / median(times[0])


def _admissible(challenger: ModelBundle) -> Check:
    """Parity with the trained network, licences, model card, and an ONNX file that answers."""
    try:
        admission.check(challenger)
    except DentwatchError as error:
        return Check("admission", False, str(error))
    return Check("admission", True, "Parity, licences, model card and network are in order.")


def _consented(challenger: ModelBundle, required: bool) -> Check:
    """Which consents the photos that it learnt from state is on record, and none is missing where that is required."""
    stated = challenger.spec.consents
    photos, silent = sum(stated.values()), stated.get("", 0)
    missing = consents.unstated(challenger.spec)
    text = f"{photos - silent:,} of {photos:,} photos of its dataset version state a consent to their use"
    text = f"{text} ({consents.in_words(stated)})." if stated else missing or ""
    if required and missing:
        way_out = (
            "DENTWATCH_DATA__REQUIRE_RIGHTS is on: ingest them again with --licence and --consent, and train again."
        )
        text = f"{text} {missing} {way_out}" if stated else f"{text} {way_out}"
    return Check("consent", not (required and missing), text, photos - silent, photos if required else 0)


def _evidence(seen: Seen) -> Check:
    """There is something to judge by."""
    truths = seen.champion.truths
    text = f"{truths} annotated damages are there to judge by ({_FEWEST_TRUTHS} are needed)."
    return Check("evidence", truths >= _FEWEST_TRUTHS, text, truths, _FEWEST_TRUTHS)


def _complete(champion: ModelBundle, challenger: ModelBundle) -> Check:
    missing = [label for label in champion.spec.labels if label not in challenger.spec.labels]
    text = f"It does not know {', '.join(missing)}." if missing else "It knows every label of the champion."
    return Check("labels", not missing, text)


def _every_label(seen: Seen) -> list[Check]:
    """It finds something of each label that the champion finds."""
    rules = []
    for label in seen.champion.labels:
        before, after = (one.figures[f"recall_{label}"].value or 0.0 for one in (seen.champion, seen.challenger))
        if seen.champion.dataset.truths.get(label, 0) >= _FEWEST_TRUTHS and before > 0:
            text = f"It finds {100 * after:.1f} % of the annotated damages called {label} ({100 * before:.1f} %)."
            rules.append(Check(f"finds {label}", after > 0, text, after, 0.0))
    return rules


def _not_lost(name: str, seen: Seen, change: Change | None, tolerated: float, where: str) -> Check:
    before, after = _values(name, seen)
    lost = 100 * (before - after)
    surely = change is None or change.difference.interval.high < 0  # with few vehicles there is no interval
    text = f"{name} is {after:.3f}{where} ({before:.3f}): {abs(lost):.1f} points {'lower' if lost > 0 else 'higher'}"
    span = "" if change is None else f", {_span(change)}"
    return Check(f"{name}{where}", not (lost > tolerated and surely), f"{text}{span}.", -lost, -tolerated)


def _won(name: str, seen: Seen, change: Change | None) -> Check:
    before, after = _values(name, seen)
    share = (1.0 if after > before else 0.0) if change is None else change.difference.share_better
    text = f"{name} on drifted photos is {after:.3f} ({before:.3f}), better in {100 * share:.0f} % of resamples"
    return Check(f"{name} on drifted photos", after > before and share >= SURE, f"{text}.", share, SURE)


def _few_asked_again(seen: EvaluationResult, most: float) -> list[Check]:
    """Its photo rules ask for few of the drifted photos again; no rule where they ask for none."""
    share = sum(row.asked_again for row in seen.photos) / max(len(seen.photos), 1)
    text = f"{100 * share:.0f} % of drifted photos are asked for again ({100 * most:.0f} % are allowed)."
    return [Check("asked again", share <= most, text, share, most)] if share else []


def _values(name: str, seen: Seen) -> tuple[float, float]:
    before, after = (one.figures.get(name) for one in (seen.champion, seen.challenger))
    return (before.value or 0.0) if before else 0.0, (after.value or 0.0) if after else 0.0


def _span(change: Change) -> str:
    span = change.difference.interval
    return f"95 %: {100 * span.low:+.1f} to {100 * span.high:+.1f}".replace("-", "−")
