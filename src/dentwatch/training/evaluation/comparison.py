"""Two or more models on one page: what differs, how surely, and in which photos."""

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from dentwatch.errors import DataError
from dentwatch.records.photos import PhotoStore
from dentwatch.training.evaluation import galleries
from dentwatch.training.evaluation.figures import headline
from dentwatch.training.evaluation.intervals import Difference, differences, draw
from dentwatch.training.evaluation.matching import match
from dentwatch.training.evaluation.pictures import Album
from dentwatch.training.evaluation.report import compared_curves, environment, write_page
from dentwatch.training.evaluation.result import EvaluationResult, Figure, PhotoRow

COMPARISON_NAME = "comparison.html"
LOWER_IS_BETTER = ("false_positive_rate", "false_negative_rate", "false_per_photo", "false_per_photo_at_recall25")
_SHARES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "accuracy": "accuracy",
    "false_positive_rate": "wrong of all boxes",
    "false_negative_rate": "missed of all damages",
    "photo_accuracy": "photo accuracy",
}

Direction = Literal["better", "worse", "unclear"]


@dataclass(frozen=True, slots=True)
class Change:
    """A figure's difference to the first model, and whether its 95 % interval leaves a doubt about the direction."""

    difference: Difference
    direction: Direction


def compare(first: EvaluationResult, second: EvaluationResult) -> dict[str, Change]:
    """How ``second`` differs from ``first`` in each figure of :func:`.figures.headline`, by paired bootstrap.

    Both see the same resampled vehicles, so what is hard for both cancels out. Raises :class:`DataError` when the two
    were not evaluated on the same photos and labels.
    """
    check_comparable([first, second])
    tables = [match(one.outcomes(), one.labels) for one in (first, second)]
    statistics = [headline(table, one.scores) for table, one in zip(tables, (first, second), strict=True)]
    weights = draw(len(tables[0].vehicles), first.bootstrap.resamples, first.bootstrap.seed)
    found = differences(statistics[0], statistics[1], weights)
    return {name: Change(difference, _direction(name, difference)) for name, difference in found.items()}


def _direction(name: str, difference: Difference) -> Direction:
    low, high = difference.interval.low, difference.interval.high
    if low <= 0 <= high:
        return "unclear"
    falls = any(name == base or name.startswith(f"{base}_") for base in LOWER_IS_BETTER)
    return "better" if (high < 0) == falls else "worse"


def check_comparable(results: Sequence[EvaluationResult]) -> None:
    """Raise :class:`DataError` unless all of ``results`` are about the same photos and labels."""
    if len(results) < 2:
        raise DataError("There is only one evaluation to compare.", "Name a second model.")
    first = results[0]
    for other in results[1:]:
        same = len(first.photos) == len(other.photos) and all(map(_is_same, first.photos, other.photos))
        if not same or first.labels != other.labels:
            raise DataError(
                f"{first.model.name} was evaluated on {_about(first)}, {other.model.name} on {_about(other)}: "
                "figures about different photos, annotations or labels say nothing about the models.",
                "Evaluate both on the same dataset version and split.",
            )


def _is_same(one: PhotoRow, other: PhotoRow) -> bool:
    asked_again = one.asked_again or other.asked_again  # and so without annotations for that model
    return one.photo_id == other.photo_id and (asked_again or one.annotations == other.annotations)


def _about(result: EvaluationResult) -> str:
    return f"{result.dataset.split} of {result.dataset.version[:12]} ({result.dataset.photos} photos)"


def comparison_document(results: Sequence[EvaluationResult]) -> dict[str, Any]:
    """The comparison as a JSON document: the figures of each model and the differences to the first."""
    return {
        "format": 1,
        "models": [result.model_dump(mode="json", exclude={"photos", "curves"}) for result in results],
        "differences": {
            result.model.name: {name: asdict(change) for name, change in compare(results[0], result).items()}
            for result in results[1:]
        },
    }


def write_comparison(results: Sequence[EvaluationResult], out: Path, photos: PhotoStore | None) -> Path:
    """Write the comparison of ``results``, the first being what the others are held against, to ``out``.

    Raises :class:`DataError` when they are not about the same photos and labels.
    """
    check_comparable(results)
    names = distinct_names(results)
    changes = [compare(results[0], result) for result in results[1:]]
    judged = [galleries.judged_photos(result) for result in results]
    labels = results[0].labels
    page = (
        environment()
        .get_template("comparison.html.j2")
        .render(
            results=results,
            names=names,
            rows=_rows(results, changes),
            sentences=[_sentence(names[0], name, change) for name, change in zip(names[1:], changes, strict=True)],
            curves=[
                *(
                    (
                        f"{label}: precision against recall, IoU 0.5",
                        compared_curves(results, names, f"{label}@0.5", False),
                    )
                    for label in labels
                ),
                (
                    "All labels: recall against false boxes per photo, IoU 0.3",
                    compared_curves(results, names, "all@0.3", True),
                ),
            ],
            pairs=galleries.differing(judged, names, Album(photos)),
            documents=[base64.b64encode(result.summary_json().encode()).decode() for result in results],
        )
    )
    return write_page(page, out)


def distinct_names(results: Sequence[EvaluationResult]) -> list[str]:
    """The models' names, told apart by their fingerprints where two are the same."""
    names = [result.model.name for result in results]
    if len(set(names)) == len(names):
        return names
    return [f"{result.model.name} ({result.model.fingerprint})" for result in results]


def _sentence(first: str, second: str, changes: dict[str, Change]) -> str:
    """What the paired differences say, for somebody who reads only this."""
    told = []
    for name, title in (("ap50", "AP50"), ("recall", "recall"), ("precision", "precision")):
        change = changes.get(name)
        if change is None:
            continue
        span = change.difference.interval
        word = {"better": "higher", "worse": "lower", "unclear": "not clearly different"}[change.direction]
        figures = f"{change.difference.value:+.3f}; {span.low:+.3f} to {span.high:+.3f}".replace("-", "−")
        told.append(f"{title} is {word} ({figures})")
    if not told:
        return f"{second} against {first}: too few vehicles for a difference with an interval."
    return f"{second} against {first}: {'; '.join(told)}."


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the comparison table: a figure of every model and its change from the first."""

    title: str
    kind: Literal["ap", "share", "number"]
    figures: tuple[Figure | None, ...]
    changes: tuple[Change | None, ...]


def _rows(results: Sequence[EvaluationResult], changes: Sequence[dict[str, Change]]) -> list[Row]:
    def row(name: str, title: str, kind: Literal["ap", "share", "number"]) -> Row:
        return Row(
            title,
            kind,
            tuple(result.figures.get(name) for result in results),
            tuple(change.get(name) for change in changes),
        )

    labels = results[0].labels
    rows = [row("ap50", "AP50", "ap"), *(row(f"ap50_{label}", f"AP50 {label}", "ap") for label in labels)]
    rows.append(row("ap30", "AP30", "ap"))
    rows += [row(name, title, "share") for name, title in _SHARES.items()]
    rows += [row(f"recall_{label}", f"recall {label}", "share") for label in labels]
    rows += [row(f"precision_{label}", f"precision {label}", "share") for label in labels]
    rows.append(row("false_per_photo", "false boxes per photo", "number"))
    rows.append(row("false_per_photo_at_recall25", "false boxes at recall 0.25, IoU 0.3", "number"))
    return rows
