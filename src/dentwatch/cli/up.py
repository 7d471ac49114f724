"""``dentwatch up``: everything that runs, together."""

import os
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from dentwatch.cli.output import err, print_json, table
from dentwatch.ending import ends_with_signals

if TYPE_CHECKING:
    from rich.table import Table

    from dentwatch.pipelines.supervisor import Health

_MEGABYTE = 1_000_000
_TELL_SECONDS = 60.0  # between tables of how the parts do


def up(
    without: Annotated[
        str,
        typer.Option(help="Parts to leave out, with commas: dagster (the plain worker takes its place), mlflow."),
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print process id and addresses as JSON on stdout, once started.")
    ] = False,
) -> None:
    """Start service, pipelines and experiment pages, restart what dies, and end all with one Ctrl-C (or SIGTERM).

    Example: `dentwatch up --without mlflow`
    """
    from dentwatch import settings
    from dentwatch.pipelines.parts import parts_of
    from dentwatch.pipelines.supervisor import Supervisor

    loaded = settings.load()
    parts = parts_of(loaded, [name.strip() for name in without.split(",") if name.strip()])
    ending = threading.Event()
    ends_with_signals(ending)
    logs = loaded.home.absolute() / "logs"
    with Supervisor(parts, logs, lambda text: err.print(text, markup=False)) as running:
        for part in parts:
            if part.address:
                err.print(f"{part.name:<12} {part.address}", markup=False, highlight=False)
        err.print(f"Logs: {logs} (Ctrl-C stops)", markup=False, soft_wrap=True)
        if as_json:
            print_json({"pid": os.getpid(), "addresses": {part.name: part.address for part in parts if part.address}})
            sys.stdout.flush()
        while not ending.wait(_TELL_SECONDS):
            err.print(_health(running.health()))
        err.print("Ending …")


def _health(parts: "list[Health]") -> "Table":
    shown = table("part", "process", "restarts", "memory, MB", numbers=("restarts", "memory, MB"))
    for one in parts:
        state = str(one.pid) if one.pid is not None else "being restarted"
        shown.add_row(one.part.name, state, str(one.restarts), f"{one.memory / _MEGABYTE:,.0f}")
    shown.add_row("together", "", "", f"{sum(one.memory for one in parts) / _MEGABYTE:,.0f}")
    return shown
