"""``dentwatch data generate``."""

from pathlib import Path
from typing import Annotated

import typer

from dentwatch.cli.output import JsonOption, err, print_json, progress


def generate(
    out: Annotated[Path, typer.Argument(help="Folder to write: images/*.jpg and annotations.json (COCO).")],
    count: Annotated[int, typer.Option(help="How many photos to make.")] = 200,
    seed: Annotated[int, typer.Option(help="Same seed, same photos.")] = 0,
    size: Annotated[int, typer.Option(help="Width and height of the photos in pixels.")] = 640,
    photos_per_vehicle: Annotated[int, typer.Option(help="Photos of each vehicle.")] = 4,
    undamaged_share: Annotated[float, typer.Option(help="Share of vehicles without any damage, 0 to 1.")] = 0.2,
    stops: Annotated[
        float | None,
        typer.Option(
            help="Exposure in stops: -2 lets in a quarter of the light. Default: drawn around 0 for each photo."
        ),
    ] = None,
    quality: Annotated[int | None, typer.Option(help="JPEG quality, 1 to 100. Default: drawn for each photo.")] = None,
    workers: Annotated[int, typer.Option(help="Processes to use; the photos do not depend on it.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Make synthetic photos of damaged cars with exact boxes.

    Example: [bold]dentwatch data generate photos --count 400 --seed 7 --stops -2[/]
    """
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
        err.print(f"{count} photos and their annotations are in {out}. Next: dentwatch data ingest {out}", markup=False)
