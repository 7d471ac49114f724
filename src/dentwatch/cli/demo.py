"""``dentwatch demo``: the main job, and the story of the loop, from beginning to end."""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dentwatch.cli.output import JsonOption, err, out, print_json

if TYPE_CHECKING:
    from dentwatch.loop.story.demo import Played
    from dentwatch.training.walkthrough import Walkthrough


def demo(
    photos: Annotated[
        Path | None, typer.Argument(metavar="PHOTOS", help="Your annotated photos; without them, synthetic ones.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.05, help="Minutes of each training.")] = 4.0,
    count: Annotated[int, typer.Option(min=1, help="Synthetic photos to make.")] = 900,
    story: Annotated[
        bool, typer.Option("--story/--no-story", help="After the photos, let dusk fall on a running service.")
    ] = True,
    stay: Annotated[
        bool | None,
        typer.Option("--stay/--no-stay", help="Leave the servers up afterwards. Default: in a terminal, yes."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a dataset version of annotated photos, and let a running service notice dusk, retrain and recover.

    Takes at most fifteen minutes on two cores; run again, it shows what it made. With --no-story: only train, evaluate,
    export, register, and answer about new photos.

    Example: `dentwatch demo my-photos/`
    """
    from dentwatch import settings
    from dentwatch.cli.output import reporting

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers of the story end with it
    with reporting(err) as report:
        if story:
            from dentwatch.loop.story.demo import play

            played = play(settings.load(), photos, minutes, count, report, err)
        else:
            from dentwatch.training.walkthrough import walk

            walked = walk(settings.load(), photos, minutes, count, report, err)
    if as_json:
        print_json(played.as_document() if story else _document(walked))
    elif story:
        _tell(played)
    else:
        _show(walked)
    if story and not played.happy:
        raise typer.Exit(1)
    if story and (out.is_terminal if stay is None else stay):
        _stay(played.home)


def _stay(home: Path) -> None:
    """Become ``dentwatch up`` over the demo's home."""
    out.print("\nThe servers stay up for a look around:")
    sys.stdout.flush()
    os.environ["DENTWATCH_HOME"] = str(home)
    os.execv(sys.executable, [sys.executable, "-m", "dentwatch", "up"])  # noqa: S606 (no shell is wanted)


def _tell(played: "Played") -> None:
    shown = {"before": "in daylight", "during": "at dusk", "after": "at dusk, new champion"}
    found = {name: played.figures.get(name) for name in shown}
    recalls = "  ".join(f"{title} {100 * value:.1f} %" for name, title in shown.items() if (value := found[name]))
    out.print(f"\n[bold]{played.ended}[/]" + (f" Recall: {recalls}." if recalls else ""))
    out.print(f"[bold]Report: {played.report}[/]", soft_wrap=True)
    out.print(f"Look around: DENTWATCH_HOME={played.home} dentwatch up", style="dim", soft_wrap=True)


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
