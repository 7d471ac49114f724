"""The story as one HTML page: what happened when, what it cost, and what came back, with pictures and curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from dentwatch.loop.story.sellers import Answered
from dentwatch.loop.story.telling import Told
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.photos import PhotoStore
from dentwatch.training.evaluation.charts import Axis, Mark, Series, line_chart
from dentwatch.training.evaluation.matching import PhotoOutcome, match
from dentwatch.training.evaluation.mistakes import verdict
from dentwatch.training.evaluation.pictures import Album, Picture, drawn
from dentwatch.training.evaluation.report import environment, write_page
from dentwatch.training.evaluation.result import EvaluationResult, outcome_of

STORY_NAME = "story.html"
_WINDOW = 60  # inspections that a point of the curve is about
_POINTS = 120
_PICTURES = 3


@dataclass(frozen=True, slots=True)
class Looks:
    """Test photos as taken and as the dusk makes them, as the model before and the new champion see them."""

    bright: EvaluationResult
    dark_before: EvaluationResult
    dark_after: EvaluationResult
    photos: PhotoStore
    darkened: PhotoStore


def write_story(told: Told, looks: Looks | None, out: Path) -> Path:
    """Write the page to ``out`` and return it; ``looks`` gives the pictures, where a new champion was measured."""
    env = environment()
    env.loader = jinja2.ChoiceLoader([env.loader, jinja2.PackageLoader("dentwatch.loop.story")])  # type: ignore[list-item]
    page = env.get_template("story.html.j2").render(
        told=told,
        figures=figures(told),
        curve=recall_curve(told),
        chapters=chapters(told),
        gate=told.result_of("gate"),
        pictures=_pictures(looks) if looks else [],
    )
    return write_page(page, out)


def figures(told: Told) -> dict[str, Any]:
    """The figures of the story, by name; None where it did not come so far.

    ``noticed_after`` is in inspections since dusk, times are in seconds, recalls and the recovered share in [0, 1].
    """
    opened = None if told.incident is None else told.seconds(told.incident.opened_at)
    crowned = next((told.seconds(event.at) for event in told.timeline if event.text.endswith("is the champion.")), None)
    resolved = told.incident.resolved_at if told.incident is not None else None
    recall = (told.result_of("verify") or {}).get("recall") or {}
    return {
        "noticed_after": None
        if told.dusk is None or opened is None
        else sum(one.stops < 0 and one.at <= opened for one in told.answered),
        "seconds_to_champion": None if crowned is None or told.dusk is None else crowned - told.dusk,
        "seconds_to_end": None if resolved is None or told.dusk is None else told.seconds(resolved) - told.dusk,
        "inspections": len(told.answered),
        **{name: recall.get(name) for name in ("before", "during", "after", "normal", "recovered")},
    }


def recall_curve(told: Told) -> Markup:
    """Recall over the last :data:`_WINDOW` inspections against time, by the model that answered."""
    answered = sorted(told.answered, key=lambda one: one.at)
    if len(answered) < _WINDOW:
        return Markup("")
    found, truths = _counts(answered)
    ends = np.unique(np.linspace(_WINDOW, len(answered), _POINTS).astype(int))
    times = [answered[end - 1].at / 60 for end in ends]
    recalls = [found[end - _WINDOW : end].sum() / max(truths[end - _WINDOW : end].sum(), 1) for end in ends]
    marks = []
    for title, at in _moments(told):
        nearest = int(np.argmin(np.abs(np.array(times) - at / 60)))
        marks.append(Mark(times[nearest], recalls[nearest], title, 1))
    top = min(1.0, 1.25 * max(recalls, default=1.0) or 1.0)
    series = [Series(f"recall over {_WINDOW} inspections", times, recalls)]
    return line_chart(series, Axis("minutes", 0, max(times)), Axis("recall", 0, top), marks, "Recall over time")


def _counts(answered: Sequence[Answered]) -> tuple[Any, Any]:
    """Damages found and damages shown, of each inspection."""
    found, truths = [], []
    for one in answered:
        table = match(one.outcomes, HEADLINE_LABELS)
        found.append(int((table.hit[0.5] >= 0).sum()))
        truths.append(len(table.truth_photo))
    return np.array(found), np.array(truths)


def _moments(told: Told) -> list[tuple[str, float]]:
    """What is marked on the curve, with its time in seconds."""
    found = [] if told.dusk is None else [("dusk falls", told.dusk)]
    for event in told.timeline:
        if event.kind == "opened":
            found.append(("the incident opens", told.seconds(event.at)))
        elif event.text.endswith("is the champion."):
            found.append((event.text, told.seconds(event.at)))
        elif event.kind == "resolved":
            found.append(("the incident is closed", told.seconds(event.at)))
    return found


def chapters(told: Told) -> list[tuple[str, str, str]]:
    """The timeline: minutes and seconds, what kind of event, and its words."""
    lines: list[tuple[float, str, str]] = [
        (told.seconds(event.at), event.kind, event.text)
        for event in told.timeline
        if event.kind not in ("joined", "revised")
    ]
    if told.dusk is not None:
        lines.append((told.dusk, "dusk", "Every photo is darker from now on."))
    return [(f"{int(at) // 60}:{int(at) % 60:02d}", kind, text) for at, kind, text in sorted(lines)]


def _pictures(looks: Looks) -> list[tuple[Picture, Picture, Picture]]:
    """Photos whose damage the dark hid and the new champion sees again: bright, dark before, dark after."""
    rows = []
    albums = Album(looks.photos), Album(looks.darkened), Album(looks.darkened)
    results = looks.bright, looks.dark_before, looks.dark_after
    titles = ("in daylight", "at dusk, the model before", "at dusk, the new champion")
    for place in _telling(results):
        shots = []
        for album, result, title in zip(albums, results, titles, strict=True):
            outcome = outcome_of(result.photos[place], result.dataset.split)
            shots.append(album.photo(outcome, drawn(outcome, _judged(outcome, result)), title))
        rows.append((shots[0], shots[1], shots[2]))
    return rows


def _judged(outcome: PhotoOutcome, result: EvaluationResult) -> Any:
    return verdict(outcome, result.labels, result.scores)


def _telling(results: tuple[EvaluationResult, EvaluationResult, EvaluationResult]) -> list[int]:
    """Photos in which the most came back, by their place."""
    gains = []
    for place in range(len(results[0].photos)):
        right = []
        for result in results:
            outcome = outcome_of(result.photos[place], result.dataset.split)
            right.append(sum(not kind for kind in _judged(outcome, result).wrong))
        gains.append((right[2] - right[1], right[0], -place))
    return [-place for gain, _, place in sorted(gains, reverse=True)[:_PICTURES] if gain > 0]
