"""``dentwatch data disagreements``: annotations that a model contradicts, the most suspect first."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from dentwatch.cli.output import JsonOption, err, out, print_json, print_table, reporting, table

if TYPE_CHECKING:
    from dentwatch.training.label_noise import Disagreement


def disagreements(
    ref: Annotated[
        str, typer.Argument(metavar="REF", help="latest, an id, or at least its first 6 letters.")
    ] = "latest",
    model: Annotated[
        str | None,
        typer.Option(
            help="starter, champion, a version, or a model's folder. Default: the champion, else the starter."
        ),
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="Splits to look at; repeatable. Default: val and test.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Most boxes listed (--json lists all).")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List where a model that is sure contradicts the annotations: boxes that are missing, mislabelled or made up.

    The model looks at each annotated photo. A split that it was trained on shows little: it learnt the mistakes, too.

    Example: `dentwatch data disagreements latest --split val`
    """
    found, facts = _found(ref, model, split or ["val", "test"])
    if as_json:
        print_json({**facts, "disagreements": [one.as_plain() for one in found]})
        return
    what = f"{facts['photos']:,} annotated photos disagree about {len(found):,} boxes."
    out.print(f"{facts['model']} and {what}", markup=False)
    rows = table("Suspicion", "Photo", "Split", "Box", "What", numbers=("Suspicion",))
    for one in found[:limit]:
        place = f"{one.label} {one.box.x:.0f}, {one.box.y:.0f}, {one.box.width:.0f} × {one.box.height:.0f}"
        rows.add_row(f"{one.suspicion:.2f}", escape(one.name), one.split, place, one.kind)
    if rows.row_count:
        print_table(rows)


def _found(ref: str, model: str | None, splits: list[str]) -> "tuple[list[Disagreement], dict[str, Any]]":
    """The disagreements, and the facts about model and photos."""
    from dentwatch import settings
    from dentwatch.errors import SettingsError
    from dentwatch.records.annotations import SPLITS
    from dentwatch.records.datasets import DatasetStore
    from dentwatch.records.photos import PhotoStore
    from dentwatch.serving.inspection import Inspector
    from dentwatch.serving.models import resolve
    from dentwatch.training.evaluation.evaluator import predict
    from dentwatch.training.label_noise import disagreements as work

    unknown = sorted(set(splits) - set(SPLITS))
    if unknown:
        raise SettingsError(f"There is no split {unknown[0]!r}.", f"Use {', '.join(SPLITS)}.")
    loaded = settings.load()
    version = DatasetStore(loaded.dataset_store_url).get(ref)
    records = [one for one in version.photos(annotated=True) if one.split in splits]
    bundle = resolve(model, loaded)
    inspector = Inspector(bundle, threads=loaded.serving.threads, max_pixels=loaded.data.max_pixels)
    with reporting(err) as report:
        outcomes = predict(inspector, records, PhotoStore(loaded.photo_store_url), bundle.spec.labels, report)
    spec = bundle.spec
    facts = {"model": bundle.name, "version": version.id, "splits": splits, "photos": len(records)}
    return work(outcomes, spec.labels, spec.thresholds, spec.calibration), facts
