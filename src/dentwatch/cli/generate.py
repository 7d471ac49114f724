"""``dentwatch data generate``."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from dentwatch.cli.output import JsonOption, print_json, progress
from dentwatch.cli.output import out as console


def generate(
    out: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to write: `images/` and `annotations.json` (COCO).")
    ],
    count: Annotated[int, typer.Option(min=1, help="How many photos to make.")] = 200,
    seed: Annotated[int, typer.Option(help="Same seed, same photos.")] = 0,
    size: Annotated[int, typer.Option(min=1, help="Width and height of the photos in pixels.")] = 640,
    photos_per_vehicle: Annotated[int, typer.Option(min=1, help="Photos of each vehicle.")] = 4,
    undamaged_share: Annotated[float, typer.Option(min=0, max=1, help="Share of vehicles without any damage.")] = 0.2,
    stops: Annotated[
        float | None,
        typer.Option(
            help="Exposure in stops: -2 lets in a quarter of the light. Default: drawn around 0 for each photo."
        ),
    ] = None,
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, help="JPEG quality. Default: drawn for each photo.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes to use; the photos do not depend on it.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Make synthetic photos of damaged cars with exact boxes, to try things on and to train the first model."""
    from dentwatch.data.synthetic import generate as make

    with progress() as display:
        task = display.add_task("Making photos", total=count)
        path = make(
            out,
            count,
            seed,
            size,
            photos_per_vehicle,
            undamaged_share,
            stops,
            quality,
            workers,
            lambda done, _total: display.update(task, completed=done),
        )
    if as_json:
        print_json({"annotations": str(path), "photos": count, "seed": seed})
    else:
        console.print(f"{count:,} photos and their annotations are in {out}.", markup=False)
        console.print(f"Next: dentwatch data ingest {shlex.quote(str(out))}", markup=False, style="dim")
