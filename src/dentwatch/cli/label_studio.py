"""``dentwatch label-studio``: photos to review that a team annotates in Label Studio."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dentwatch.cli.actor import ActorOption, actor_of
from dentwatch.cli.output import JsonOption, err, out, print_json

if TYPE_CHECKING:
    from dentwatch.loop.label_studio import Taken

app = typer.Typer(
    no_args_is_help=True,
    help="Have a team annotate photos in Label Studio.",
    epilog="Example: `dentwatch label-studio send --limit 100`",
)


@app.command(epilog="Example: `dentwatch label-studio send --limit 100`")
def send(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most photos to send.")] = 50,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send photos that wait for review, with the model's boxes; nobody else gets them meanwhile."""
    import asyncio
    from dataclasses import asdict

    from dentwatch import settings
    from dentwatch.loop.label_studio import send as work
    from dentwatch.records.database import Database

    loaded = settings.load()
    sent = asyncio.run(work(loaded, Database.of(loaded), limit, actor_of(actor)))
    if as_json:
        print_json(asdict(sent))
        return
    out.print(f"{len(sent.photos)} photos are in Label Studio; `dentwatch label-studio take` takes them back.")
    for said in sent.refused:
        out.print(said, markup=False)


@app.command(epilog="Example: `dentwatch label-studio take`")
def take(as_json: JsonOption = False) -> None:
    """Take finished annotations back, each once."""
    taken = _taken()
    if as_json:
        print_json(taken.as_plain())
    else:
        _tell(taken)


@app.command(epilog="Example: `dentwatch label-studio watch --every 60`")
def watch(
    every: Annotated[float, typer.Option(min=1, help="Seconds between looks.")] = 60,
    as_json: JsonOption = False,
) -> None:
    """Take finished annotations back again and again, until it is told to stop (Ctrl-C)."""
    import time

    from dentwatch import settings
    from dentwatch.errors import LoopError

    project = settings.load().label_studio.project
    taken = _taken()  # what is wrong with the settings shows now
    err.print(f"Taking annotations from project {project} of Label Studio (Ctrl-C stops)", markup=False)
    if as_json:
        print_json({"project": project, "pid": os.getpid(), **taken.as_plain()})
        sys.stdout.flush()
    while True:
        if taken.photos or taken.refused:
            _tell(taken, on_stderr=True)
        time.sleep(every)
        try:
            taken = _taken()
        except LoopError as error:  # it may be back the next time
            taken = type(taken)(refused=[error.message])


def _taken() -> "Taken":
    import asyncio

    from dentwatch import settings
    from dentwatch.loop.label_studio import take as work
    from dentwatch.records.database import Database

    loaded = settings.load()
    return asyncio.run(work(loaded, Database.of(loaded)))


def _tell(taken: "Taken", *, on_stderr: bool = False) -> None:
    console = err if on_stderr else out
    console.print(f"{len(taken.photos)} reviews are taken; {taken.known} were known.")
    for said in taken.refused:
        console.print(said, markup=False)
