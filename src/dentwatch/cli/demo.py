"""``dentwatch demo``: the main job from beginning to end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dentwatch.cli.output import JsonOption, err, out, print_json

if TYPE_CHECKING:
    from dentwatch.training.walkthrough import Walkthrough


def demo(
    photos: Annotated[
        Path | None, typer.Argument(metavar="PHOTOS", help="Your annotated photos; without them, synthetic ones.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.05, help="Minutes of training.")] = 4.0,
    count: Annotated[int, typer.Option(min=1, help="Synthetic photos to make.")] = 600,
    as_json: JsonOption = False,
) -> None:
    """Take annotated photos, make a dataset version, train, evaluate, export, register, and answer about new photos.

    Takes at most ten minutes on two cores; run again, it shows what it made.

    Example: `dentwatch demo my-photos/`
    """
    from dentwatch import settings
    from dentwatch.cli.output import reporting
    from dentwatch.training.walkthrough import walk

    with reporting(err) as report:
        result = walk(settings.load(), photos, minutes, count, report, err)
    if as_json:
        print_json(_document(result))
        return
    _show(result)


def _document(result: "Walkthrough") -> dict[str, Any]:
    return {
        "dataset_version": result.dataset.id,
        "model": result.model,
        "split": result.split,
        "figures": result.figures,
        "answers": [str(path) for path in result.answers],
        "report": str(result.report),
    }


def _show(result: "Walkthrough") -> None:
    figures = result.figures
    shown = {"AP50": "ap50", "precision": "precision", "recall": "recall", "photos right": "photo_accuracy"}
    known = "  ".join(f"{title} {figures[name]:.2f}" for title, name in shown.items() if name in figures)
    out.print(f"\n[bold]{result.model}[/] on the {result.split} photos, from cars it has never seen: {known}")
    out.print(f"Photos with its boxes: {result.answers[0].parent}" if result.answers else "", soft_wrap=True)
    out.print(f"[bold]Report: {result.report}[/]", soft_wrap=True)
    out.print("Next: dentwatch inspect PHOTO · dentwatch models list · dentwatch serve", style="dim")
