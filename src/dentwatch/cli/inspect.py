"""``dentwatch inspect``: answers about photos in files."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from dentwatch.cli.output import err, out, progress

if TYPE_CHECKING:
    from dentwatch.serving.answers import PhotoAnswer, PhotoFailure, PhotoResult
    from dentwatch.serving.drawing import Drawings
    from dentwatch.settings import Settings

_MANY = 10
"""From this many photos on, progress is shown, unless the answers themselves appear on the terminal."""


def inspect(
    photos: Annotated[
        list[str], typer.Argument(metavar="PHOTO", help="Photos, folders of photos, or patterns such as 'lot/*.jpg'.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="starter, champion, a version, or a model's folder. Default: the champion, else the starter."
        ),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least score to answer. Default: the model's own thresholds.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Folder to save the photos with their boxes drawn in.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Inference threads. Default: the setting.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print one JSON line per photo on stdout.")
    ] = False,
) -> None:
    """Find the damage in photos.

    Boxes are in pixels of the photo as a person sees it. A file that is not a photo is answered with an error, and the
    rest go on; the exit code is then 1.

    Example: `dentwatch inspect lot/*.jpg --json --save drawn`
    """
    from dentwatch import settings
    from dentwatch.serving.answers import PhotoFailure
    from dentwatch.serving.photo_files import find_photos

    loaded = settings.load()
    names = find_photos(photos)
    drawings = _drawings(save) if save else None
    failed = 0
    for name, result in _results(names, loaded, model, min_score, threads):
        if as_json:
            sys.stdout.write(json.dumps(result.model_dump(mode="json")) + "\n")
            sys.stdout.flush()
        else:
            _show(result)
        if isinstance(result, PhotoFailure):
            failed += 1
        elif drawings:
            _save(drawings, name, result, loaded)
    if failed:
        err.print(f"{failed} of {len(names)} photos could not be inspected.")
        raise typer.Exit(1)


def _results(
    names: list[str], settings: "Settings", model: str | None, min_score: float | None, threads: int | None
) -> Iterator[tuple[str, "PhotoResult"]]:
    """Each photo's file and answer, with progress when there are many."""
    from dentwatch.serving.inspection import Inspector
    from dentwatch.serving.models import resolve
    from dentwatch.serving.photo_files import file_photo

    inspector = Inspector(
        resolve(model, settings), threads=threads or settings.serving.threads, max_pixels=settings.data.max_pixels
    )
    results = zip(names, inspector.inspect(map(file_photo, names), min_score), strict=True)
    if len(names) < _MANY or out.is_terminal or not err.is_terminal:
        yield from results
        return
    with progress() as bar:
        yield from bar.track(results, total=len(names), description="Inspecting")


def _drawings(folder: Path) -> "Drawings":
    from dentwatch.serving.drawing import Drawings

    return Drawings(folder)


def _save(drawings: "Drawings", name: str, answer: "PhotoAnswer", settings: "Settings") -> None:
    """Draw onto the photo at its full size; the model saw it smaller."""
    from dentwatch.data.decoding import decode
    from dentwatch.serving.photo_files import file_photo

    photo = decode(file_photo(name).read(), max_pixels=settings.data.max_pixels)
    drawings.save(name, photo.rgb, answer.detections)


def _show(result: "PhotoAnswer | PhotoFailure") -> None:
    from dentwatch.serving.answers import PhotoFailure

    if isinstance(result, PhotoFailure):
        out.print(f"[bold]{escape(result.photo)}[/]  [red]{escape(result.error)}[/]")
        return
    lighting = result.statistics["lighting"]
    count = len(result.detections)
    out.print(
        f"[bold]{escape(result.photo)}[/]  {result.width} × {result.height} px, {lighting} light, "
        f"{count or 'no'} detection{'' if count == 1 else 's'}  [dim]{escape(result.model)}[/]"
    )
    if not result.detections:
        return
    table = Table(box=None, padding=(0, 2))
    for column in ("label", "score", "x", "y", "width", "height"):
        table.add_column(column, justify="left" if column == "label" else "right", style=None, header_style="dim")
    for found in result.detections:
        table.add_row(
            found.label.replace("_", " "),
            f"{found.score:.2f}",
            *(f"{value:.0f}" for value in (found.x, found.y, found.width, found.height)),
        )
    out.print(table)
