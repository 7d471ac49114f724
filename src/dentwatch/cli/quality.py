"""``dentwatch quality``: from which photo statistics on a model's answers are not to be relied on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dentwatch.cli.output import JsonOption, err, out, print_json, print_table, reporting, table

if TYPE_CHECKING:
    from dentwatch.records.quality_limits import Retained
    from dentwatch.training.evaluation.quality_limits import QualityMeasurement


def quality(
    model: Annotated[
        str | None,
        typer.Option(
            help="starter, champion, a version, or a model's folder. Default: the champion, else the starter."
        ),
    ] = None,
    dataset: Annotated[str, typer.Option(help="Dataset version: latest, an id, or its first 6 letters or more.")] = (
        "latest"
    ),
    photos: Annotated[int, typer.Option(min=1, help="Most annotated photos of val to measure on.")] = 300,
    tolerance: Annotated[
        float, typer.Option(min=0.05, max=0.99, help="Least share of the ordinary recall that a good photo retains.")
    ] = 0.75,
    most_refused: Annotated[
        float, typer.Option(min=0, max=1, help="Most ordinary photos, as a share, that the limits may refuse.")
    ] = 0.02,
    seed: Annotated[int, typer.Option(help="Seed of the degraded photos and of the resamples.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Inference threads. Default: the setting.")] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="Write the limits here: quality.json in a model's folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure when a photo is too dark, too bright, blurred, too small or empty for a model.

    Annotated photos of val are made worse step by step, the model looks at each, and a limit is put where it finds less
    than `--tolerance` of what it finds in the photos as they are. The service marks photos beyond one as unreliable.

    Example: `dentwatch quality --model runs/night/model --out runs/night/model/quality.json`
    """
    from dentwatch import settings
    from dentwatch.records.datasets import DatasetStore
    from dentwatch.records.photos import PhotoStore
    from dentwatch.serving.models import resolve
    from dentwatch.training.evaluation.quality_limits import measure_quality_limits

    active = settings.load()
    with reporting(err) as report:
        measured = measure_quality_limits(
            resolve(model, active),
            DatasetStore(active.dataset_store_url).get(dataset),
            PhotoStore(active.photo_store_url),
            most_photos=photos,
            tolerance=tolerance,
            most_refused=most_refused,
            seed=seed,
            threads=threads or active.serving.threads,
            max_pixels=active.data.max_pixels,
            progress=report,
        )
    if to:
        measured.limits.save(to)
    if as_json:
        print_json(measured.model_dump(mode="json"))
    else:
        _show(measured)
        if to:
            out.print(f"\nLimits: {to}", markup=False, soft_wrap=True)


def _show(measured: "QualityMeasurement") -> None:
    limits = measured.limits
    steps = table(
        "photos", "step", "recall retained", "at IoU 0.3", "unreliable", numbers=("step", "at IoU 0.3", "unreliable")
    )
    for step in measured.steps:
        steps.add_row(
            f"{step.kind.replace('_', ' ')}, {step.unit}",
            f"{step.amount:g}",
            _cell(step.retained),
            _cell(step.retained_loose, interval=False),
            f"{step.unreliable:.0%}",
        )
    print_table(steps, "What each step of degradation leaves of the recall")
    chosen = table(
        "reason", "unreliable when", "95 % interval", "retained beyond", "within", "ordinary photos", "set by"
    )
    for limit in limits.limits:
        chosen.add_row(
            limit.reason.replace("_", " "),
            f"{limit.statistic} {'<' if limit.side == 'below' else '>'} {limit.limit:.4g}",
            f"{limit.low:.4g} to {limit.high:.4g}",
            _cell(limit.beyond),
            _cell(limit.within),
            f"{limit.false_refusals:.1%}",
            limit.set_by.replace("_", " "),
        )
    print_table(
        chosen,
        f"Limits of {limits.model}, measured on {limits.photos} photos of {limits.vehicles} vehicles in {limits.split} "
        f"of {limits.dataset_version[:12]}; recall {limits.recall:.3f} as they are",
    )
    out.print(f"\nOf these photos as they are, {limits.false_refusals:.1%} are marked unreliable.")


def _cell(retained: "Retained", interval: bool = True) -> str:
    if retained.value is None:
        return "–"
    value = f"{retained.value:.2f}"
    if not interval or retained.low is None or retained.high is None:
        return value
    return f"{value} ({retained.low:.2f} to {retained.high:.2f})"
