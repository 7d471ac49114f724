"""What commands print: results on stdout, everything else on stderr."""

import json
import re
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich import box
from rich.cells import cell_len
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
from rich.table import Table
from rich.text import Text

from dentwatch.errors import DentwatchError


class Paragraphs(Console):
    """A console that breaks text between words only, so that paths and commands can be copied; in a pipe, never."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as :class:`rich.console.Console` does."""
        if len(objects) == 1 and isinstance(objects[0], str | Text):
            [text] = objects
            if isinstance(text, str):
                text = Text.from_markup(text, emoji=False) if options.pop("markup", True) else Text(text)
            objects = (_wrapped(text, self.width) if self.is_terminal else text,)
            options["soft_wrap"] = True
        super().print(*objects, **options)


def _wrapped(text: Text, width: int) -> Text:
    """``text`` in lines of at most ``width`` columns, but for words that are longer themselves."""
    lines: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        breaks: list[int] = []
        used = len(line.plain) - len(line.plain.lstrip())
        for word in re.finditer(r"\S+\s*", line.plain):
            if used + cell_len(word[0].rstrip()) > width and word.start():
                breaks.append(word.start())
                used = 0
            used += cell_len(word[0])
        parts = line.divide(breaks)
        for part in parts:
            part.rstrip()
        lines += parts
    return Text("\n").join(lines)


out = Paragraphs(highlight=False)
err = Paragraphs(stderr=True, highlight=False)

JsonOption = Annotated[
    bool, typer.Option("--json", metavar="", help="Print one JSON document on stdout, for programs.")
]


def print_json(document: Any) -> None:
    """Print ``document`` as the one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")


def print_error(error: DentwatchError) -> None:
    """Print an error as one paragraph on stderr: what happened, then the way out."""
    said = " ".join(part.strip() for part in (error.message, error.hint or "") if part)
    err.print(Text.assemble(("Error: ", "bold red"), " ".join(said.split())))


def table(*columns: str, numbers: Collection[str] = ()) -> Table:
    """An empty table in the house's look, without a frame; the columns in ``numbers`` are flush right."""
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return made


def print_table(rows: Table, title: str = "") -> None:
    """Print a table, with a line above that says what it shows."""
    if title:
        out.print()
        out.print(Text(title, "bold"))
    out.print(rows)


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
