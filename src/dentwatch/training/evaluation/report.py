"""The HTML report: one file that needs nothing else, in light and dark, on a desk and on a phone."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.photos import PhotoStore
from dentwatch.training.evaluation import galleries
from dentwatch.training.evaluation.charts import COLOURS, Axis, Mark, Series, line_chart, span_bar
from dentwatch.training.evaluation.curves import RECALL_OF_INTEREST
from dentwatch.training.evaluation.mistakes import MISSED, MISSED_KINDS, NO_DAMAGE, WRONG_KINDS
from dentwatch.training.evaluation.pictures import Album
from dentwatch.training.evaluation.repairs import REPAIRS, gains
from dentwatch.training.evaluation.result import CurvePoints, EvaluationResult, Figure

TrainingCurve = Sequence[tuple[int, Mapping[str, float]]]
"""Figures by name for each epoch of a training run."""

REPORT_NAME = "report.html"
FALSE_AXIS = Axis("false boxes per photo", 0.03, 30, log=True, ticks=(0.03, 0.1, 0.3, 1, 3, 10, 30))


def write_report(
    result: EvaluationResult,
    out: Path,
    photos: PhotoStore | None,
    training: TrainingCurve | None = None,
    note: str | None = None,
) -> Path:
    """Write the report of one evaluation to the file ``out`` and return it.

    ``photos`` gives the pictures (without it, boxes are drawn on empty ground), ``training`` the curves of the run that
    made the model, ``note`` a sentence for the top of the page.
    """
    album = Album(photos)
    judged = galleries.judged_photos(result)
    page = (
        environment()
        .get_template("report.html.j2")
        .render(
            result=result,
            note=note,
            sentence=in_a_sentence(result),
            label_table=label_table(result),
            precision_recall=precision_recall(result),
            false_boxes=false_boxes(result),
            training=training_charts(training or ()),
            wrong_kinds=[(words, result.wrong_kinds.get(kind, 0)) for kind, words in WRONG_KINDS.items()],
            missed_kinds=[(words, result.missed_kinds.get(kind, 0)) for kind, words in MISSED_KINDS.items()],
            gains=[
                (REPAIRS[repair], max(gain, 0.0)) for repair, gain in gains(result.outcomes(), result.labels).items()
            ],
            confusion=confusion_rows(result),
            best=galleries.best(judged, album),
            worst=galleries.worst(judged, album),
            missed=galleries.missed_boxes(judged, album),
            wrong=galleries.wrong_boxes(judged, album),
            document=base64.b64encode(result.summary_json().encode()).decode(),
        )
    )
    return write_page(page, out)


def write_page(page: str, out: Path) -> Path:
    """Write ``page`` to ``out``, making its folder if needed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    return out


def environment() -> jinja2.Environment:
    """The templates of this package, with the filters that they use."""
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("dentwatch.training.evaluation"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"share": share, "number": number, "span": _figure_span}
    return env


def share(value: float | None) -> str:
    """A share in per cent."""
    if value is None:
        return "–"
    return f"{100 * value:.0f} %" if value == 0 or value >= 0.0995 else f"{100 * value:.1f} %"


def number(value: float | None, digits: int = 3) -> str:
    """A figure with ``digits`` after the point."""
    return "–" if value is None else f"{value:.{digits}f}"


def figure_share(figure: Figure) -> str:
    """A share and its interval in words."""
    if figure.low is None or figure.high is None:
        return share(figure.value)
    return f"{share(figure.value)} ({share(figure.low)} to {share(figure.high)})"


def _figure_span(figure: Figure, top: float = 1.0) -> str:
    return span_bar(figure.value, figure.low, figure.high, top)


def in_a_sentence(result: EvaluationResult) -> str:
    """What the evaluation says, for somebody who reads only this."""
    labels = " and ".join(result.labels)
    recall, precision = result.figures["recall"], result.figures["precision"]
    if not result.truths:
        return f"No {labels} is annotated in these photos, so nothing can be said about what the model finds."
    found = (
        f"At its operating thresholds the model finds {figure_share(recall)} of the {result.truths:,} annotated damages"
    )
    if precision.value is None:
        return f"{found}; it marks nothing."
    false = number(result.figures["false_per_photo"].value, 2)
    return f"{found}, and {figure_share(precision)} of what it marks is right: {false} false boxes per photo."


_RATE_ROWS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "accuracy": "accuracy",
    "false_positive_rate": "wrong of all boxes",
    "false_negative_rate": "missed of all damages",
}


def label_table(result: EvaluationResult) -> dict[str, Any]:
    """The table of figures: its columns, and rows of name, kind and one figure (or None) per column."""
    columns = [f"_{label}" for label in result.labels]

    def row(kind: str, name: str, title: str) -> tuple[str, str, list[Figure | None]]:
        loose = result.figures.get(f"{name}_iou30") if kind != "ap" else None
        cells = [result.figures.get(name + column) or _plain(result.ap.get(name + column)) for column in [*columns, ""]]
        return title, kind, [*cells, loose, result.ignoring_other.get(name)]

    rows = [
        row("ap", name, title) for name, title in (("ap50", "AP50"), ("ap30", "AP30"), ("ap75", "AP75"), ("ap", "AP"))
    ]
    rows += [row("share", name, title) for name, title in _RATE_ROWS.items()]
    rows.append(row("number", "false_per_photo", "false boxes per photo"))
    return {"columns": [*result.labels, "together", "together, IoU 0.3", "ignoring other damage"], "rows": rows}


def _plain(value: float | None) -> Figure:
    return Figure(value=value)


def precision_recall(result: EvaluationResult) -> str:
    """Precision against recall per label, IoU 0.5 solid and 0.3 dashed, with the operating points."""
    series, marks = [], []
    for colour, label in enumerate(result.labels):
        for iou, dashed in (("0.5", False), ("0.3", True)):
            points = result.curves[f"{label}@{iou}"]
            series.append(Series(f"{label}, IoU {iou}", points.recall, points.precision, colour, dashed))
        recall, precision = (result.figures.get(f"{name}_{label}") for name in ("recall", "precision"))
        if recall and precision and recall.value is not None and precision.value is not None:
            text = f"{label}: operating point, precision {precision.value:.2f} at recall {recall.value:.2f}"
            marks.append(Mark(recall.value, precision.value, text, colour))
    return line_chart(series, Axis("recall"), Axis("precision"), marks, "Precision against recall")


def false_boxes(result: EvaluationResult) -> str:
    """Recall against false boxes per photo, all labels under one threshold."""
    series = [
        Series(f"all labels, IoU {iou}", points.false_per_photo, points.recall, colour, iou == "0.3")
        for colour, iou in enumerate(("0.5", "0.3"))
        if (points := result.curves[f"all@{iou}"]).recall
    ]
    value = result.figures["false_per_photo_at_recall25"].value
    text = f"recall {RECALL_OF_INTEREST} at IoU 0.3 costs {number(value, 2)} false boxes per photo"
    marks = [Mark(value, RECALL_OF_INTEREST, text, 1)] if value is not None else []
    return line_chart(series, FALSE_AXIS, Axis("recall"), marks, "Recall against false boxes per photo")


def compared_curves(results: Sequence[EvaluationResult], names: Sequence[str], curve: str, false: bool) -> str:
    """One curve of several models: against false boxes per photo if ``false``, else precision against recall."""

    def line(points: CurvePoints, name: str, colour: int) -> Series:
        if false:
            return Series(name, points.false_per_photo, points.recall, colour)
        return Series(name, points.recall, points.precision, colour)

    series = [line(one.curves[curve], name, at) for at, (one, name) in enumerate(zip(results, names, strict=True))]
    axes = (FALSE_AXIS, Axis("recall")) if false else (Axis("recall"), Axis("precision"))
    return line_chart(series, *axes, title=curve)


def training_charts(training: TrainingCurve) -> list[tuple[str, str]]:
    """One chart of the losses and one of the average precision, each with its title; empty ones are left out."""
    names = sorted({name for _, figures in training for name in figures})
    wanted = ("ap50", "ap30", *(f"ap50_{label}" for label in HEADLINE_LABELS))
    groups = {
        "Losses": [name for name in names if "loss" in name],
        "Average precision": [name for name in names if name.rpartition("/")[2] in wanted],
    }
    charts: list[tuple[str, str]] = []
    for title, chosen in groups.items():
        series = []
        for colour, name in enumerate(chosen[:COLOURS]):
            points = [(epoch, figures[name]) for epoch, figures in training if name in figures]
            series.append(Series(name, [x for x, _ in points], [y for _, y in points], colour))
        if series:
            last, top = max(max(line.x) for line in series), max(max(line.y) for line in series)
            axes = Axis("epoch", 0, max(last, 1)), Axis("", 0, top * 1.05 if top > 0 else 1.0)
            charts.append((title, line_chart(series, *axes, title=title)))
    return charts


def confusion_rows(result: EvaluationResult) -> dict[str, Any]:
    """The confusion table: columns, and rows with their cells and largest value, judged labels first."""
    counts = result.confusion
    rest = sorted(set(counts) - set(result.labels) - {NO_DAMAGE})
    rows = [label for label in (*result.labels, *rest, NO_DAMAGE) if label in counts]
    columns = [*result.labels, MISSED]
    cells = [
        [counts[row].get(column, 0) if (row, column) != (NO_DAMAGE, MISSED) else None for column in columns]
        for row in rows
    ]
    return {
        "columns": columns,
        "rows": [(row, line, sum(value or 0 for value in line)) for row, line in zip(rows, cells, strict=True)],
    }
