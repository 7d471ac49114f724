"""What commands print: results on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from dentwatch.errors import DentwatchError

out = Console(file=None, soft_wrap=False, highlight=False)
err = Console(stderr=True, highlight=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, for programs.")]


def print_json(document: Any) -> None:
    """Print ``document`` as the one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")


def print_error(error: DentwatchError) -> None:
    """Print an error as one paragraph on stderr: what happened, then the way out."""
    err.print("[bold red]Error:[/] ", end="")
    err.print(error.message, markup=False, end=" " if error.hint else "\n")
    if error.hint:
        err.print(error.hint, markup=False)


def progress() -> Progress:
    """A progress display on stderr with count, elapsed and remaining time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=not err.is_terminal,
    )


@contextmanager
def reporting(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A function that shows each kind of work (what, done, of how many) as a bar, or as a line where none can be drawn.

    A bar disappears when its work is done, so that the display is free for what comes next.
    """
    display: Progress | None = None
    tasks: dict[str, TaskID] = {}

    def report(work: str, done: int, total: int) -> None:
        nonlocal display
        if not console.is_terminal:
            if done == total:
                console.print(f"{work}: {total:,}")
            return
        if display is None:
            display = progress()
            display.start()
        if work not in tasks:
            tasks[work] = display.add_task(work, total=total)
        display.update(tasks[work], completed=done, total=total)
        if done >= total:
            display.stop()
            display = None
            tasks.clear()

    try:
        yield report
    finally:
        if display is not None:
            display.stop()
