"""``dentwatch evaluate``: how good a model is, and against another."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dentwatch.cli.output import JsonOption, err, out, print_json, print_table, reporting, table

if TYPE_CHECKING:
    from dentwatch.records.annotations import Split
    from dentwatch.records.model_bundle import ModelBundle
    from dentwatch.settings import Settings
    from dentwatch.training.evaluation.result import EvaluationResult

_SHOWN = (
    ("AP50", "ap50", 3),
    ("AP50 scratch", "ap50_scratch", 3),
    ("AP50 dent", "ap50_dent", 3),
    ("AP30", "ap30", 3),
    ("precision", "precision", 2),
    ("recall", "recall", 2),
    ("accuracy", "accuracy", 2),
    ("wrong of all boxes", "false_positive_rate", 2),
    ("missed of all damages", "false_negative_rate", 2),
    ("false boxes per photo", "false_per_photo", 2),
    ("false boxes at recall 0.25", "false_per_photo_at_recall25", 2),
    ("photo accuracy", "photo_accuracy", 2),
)


def evaluate(
    model: Annotated[
        str | None,
        typer.Option(
            help="starter, champion, a version, or a model's folder. Default: the champion, else the starter."
        ),
    ] = None,
    dataset: Annotated[str, typer.Option(help="Dataset version: latest, an id, or its first 6 letters or more.")] = (
        "latest"
    ),
    split: Annotated[str, typer.Option(help="val for choosing, test for the final word on a model.")] = "val",
    compare: Annotated[
        list[str] | None, typer.Option(help="Another model, held against the first on the same photos; repeatable.")
    ] = None,
    rule: Annotated[
        str,
        typer.Option(
            help="Operating thresholds: model (its own), or chosen anew on val by f1, precision=0.7, recall=0.3 or "
            "false-per-photo=1."
        ),
    ] = "model",
    to: Annotated[Path | None, typer.Option("--out", help="Folder for the report. Default: in DENTWATCH_HOME.")] = None,
    resamples: Annotated[int, typer.Option(min=20, help="Bootstrap resamples behind the intervals.")] = 500,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Inference threads. Default: the setting.")] = None,
    latency: Annotated[bool, typer.Option(metavar="", help="Measure the time per photo.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Measure a model on annotated photos and write an HTML report.

    What is measured is what serving answers: the exported model, decoded, letterboxed and suppressed as in production.
    Figures have 95 % intervals by vehicle. Choose models on val; every look at test that leads to a choice makes its
    figures less honest, so report test once per model. Evaluations are recorded, and a repeated look at test says so.

    Example: `dentwatch evaluate --model champion --compare challenger --split val --out reports`
    """
    from dentwatch import settings

    run = _Evaluation(settings.load(), _split(split), dataset, rule, resamples, seed, threads, latency)
    results = run.evaluate([model, *(compare or [])])
    folder = to or run.settings.home / "evaluations" / run.dataset.id[:12]
    document = run.write(results, folder)
    if as_json:
        print_json(document)
    else:
        _show(results, document)


def _split(text: str) -> "Split":
    from dentwatch.errors import SettingsError
    from dentwatch.records.annotations import SPLITS

    for split in SPLITS:
        if text == split:
            return split
    raise SettingsError(f"There is no split {text!r}.", f"Use {', '.join(SPLITS)}.")


class _Evaluation:
    """One call of the command: the photos, how to judge, and what to write."""

    def __init__(
        self,
        settings: "Settings",
        split: "Split",
        dataset: str,
        rule: str,
        resamples: int,
        seed: int,
        threads: int | None,
        latency: bool,
    ) -> None:
        from dentwatch.records.datasets import DatasetStore
        from dentwatch.records.photos import PhotoStore
        from dentwatch.training.evaluation.operating import ThresholdRule

        self.settings = settings
        self.split = split
        self.rule = None if rule == "model" else ThresholdRule.parse(rule)
        self.dataset = DatasetStore(settings.dataset_store_url).get(dataset)
        self.photos = PhotoStore(settings.photo_store_url)
        self.options: dict[str, Any] = {"resamples": resamples, "seed": seed, "latency": latency}
        self.serving: dict[str, Any] = {
            "threads": threads or settings.serving.threads,
            "max_pixels": settings.data.max_pixels,
        }

    def evaluate(self, references: list[str | None]) -> list["EvaluationResult"]:
        """Evaluate the models that ``references`` name."""
        from dentwatch.serving.models import resolve

        bundles = [resolve(reference, self.settings) for reference in references]
        return [self._evaluate(bundle) for bundle in bundles]

    def _evaluate(self, bundle: "ModelBundle") -> "EvaluationResult":
        from dentwatch.records.tracking import git_commit
        from dentwatch.training.evaluation.evaluator import evaluate_bundle, operating_thresholds

        with reporting(err) as report:
            chosen = None
            if self.rule:
                chosen = operating_thresholds(
                    bundle, self.dataset, self.photos, rule=self.rule, progress=report, **self.serving
                )
            return evaluate_bundle(
                bundle,
                self.dataset,
                self.photos,
                self.split,
                thresholds=chosen,
                commit=git_commit(),
                progress=report,
                **self.serving,
                **self.options,
            )

    def write(self, results: list["EvaluationResult"], folder: Path) -> dict[str, Any]:
        """Write each model's report and, for several, the comparison; returns the JSON document."""
        from dentwatch.training.evaluation.comparison import COMPARISON_NAME, comparison_document, write_comparison

        documents = [self._write_one(result, folder / _folder_name(result)) for result in results]
        if len(results) == 1:
            return documents[0]
        path = write_comparison(results, folder / COMPARISON_NAME, self.photos)
        differences = comparison_document(results)["differences"]
        return {"models": documents, "differences": differences, "report": str(path)}

    def _write_one(self, result: "EvaluationResult", folder: Path) -> dict[str, Any]:
        from dentwatch.training.evaluation.ledger import Ledger, repeated
        from dentwatch.training.evaluation.report import REPORT_NAME, write_report
        from dentwatch.training.evaluation.run_history import training_curve

        ledger = Ledger(self.settings.home)
        before = ledger.reported(result.model.fingerprint, result.dataset.version) if self.split == "test" else None
        note = repeated(before) if before else None
        if note:
            err.print(f"{result.model.name}: {note}", style="yellow", markup=False)
        training = training_curve(result.model.run_id, self.settings)
        path = write_report(result, folder / REPORT_NAME, self.photos, training, note)
        saved = result.save(folder)
        ledger.add(result, path)
        document = result.model_dump(mode="json", exclude={"photos", "curves"})
        return {
            **document,
            "report": str(path),
            "evaluation": str(saved),
            "reported_before": before.at if before else None,
        }


def _folder_name(result: "EvaluationResult") -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", result.model.name)
    fingerprint = result.model.fingerprint
    return f"{name}-{result.dataset.split}" if fingerprint in name else f"{name}-{fingerprint}-{result.dataset.split}"


def _show(results: list["EvaluationResult"], document: dict[str, Any]) -> None:
    from dentwatch.training.evaluation.comparison import distinct_names

    first = results[0].dataset
    photos = f"{first.photos:,} photos of {first.vehicles:,} vehicle{'s' * (first.vehicles != 1)}"
    names = distinct_names(results)
    rows = table("", *names, numbers=names)
    for title, name, digits in _SHOWN:
        rows.add_row(title, *(_cell(result, name, digits) for result in results))
    if all(result.latency for result in results):
        rows.add_row(
            "ms per photo, p50 / p95",
            *(f"{one.latency.total['p50']:.1f} / {one.latency.total['p95']:.1f}" for one in results if one.latency),
        )
    print_table(rows, f"{first.split} of {first.version[:12]}: {photos}")
    out.print(f"\nReport: {document['report']}", markup=False, soft_wrap=True)


def _cell(result: "EvaluationResult", name: str, digits: int) -> str:
    figure = result.figures.get(name)
    if figure is None or figure.value is None:
        return "–"
    value = f"{figure.value:.{digits}f}"
    if figure.low is None or figure.high is None:
        return value
    return f"{value} ({figure.low:.{digits}f} to {figure.high:.{digits}f})"
