"""``dentwatch loop``: the steps that close the loop, without Dagster."""

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from dentwatch.cli.actor import ActorOption, actor_of
from dentwatch.cli.output import JsonOption, err, out, print_json, reporting, table
from dentwatch.ending import ends_with_signals
from dentwatch.errors import LoopError

if TYPE_CHECKING:
    from rich.table import Table

    from dentwatch.loop.steps import Step
    from dentwatch.records.database import Database
    from dentwatch.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="See and run what follows from incidents and new photos: retraining, gate, rollout, verification.",
    epilog="Example: `dentwatch loop status && dentwatch loop run`",
)

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The step's key, as `dentwatch loop status` shows it.")]


@app.command(epilog="Example: `dentwatch loop status --last 5`")
def status(
    last: Annotated[int, typer.Option("--last", min=1, help="How many of the newest steps.")] = 20,
    incident: Annotated[str | None, typer.Option(help="Only those because of this incident (its whole id).")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the newest steps: what was asked for, what is under way, what became of it."""
    from dentwatch.loop import journal

    with _opened() as (_, database), database.reading() as connection:
        found = list(journal.steps(connection, incident=incident, limit=last))
        counts = journal.count(connection)
    if as_json:
        print_json({"counts": counts, "steps": [step.as_document() for step in found]})
    elif found:
        out.print(_table(found))
        out.print(", ".join(f"{number:,} {state}" for state, number in sorted(counts.items())), style="dim")
    else:
        out.print("Nothing was asked for yet: steps follow from incidents and from photos in the inbox.")


@app.command(epilog="Example: `dentwatch loop run`")
def run(
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print the process id as JSON on stdout, once it looks.")
    ] = False,
) -> None:
    """Ask for what is due and carry it out, one step at a time, until told to stop (SIGTERM or Ctrl-C).

    A step that is cut off is taken up again at the next start. Several may run on one database.
    """
    from dentwatch import settings
    from dentwatch.cli.serve import log_to_stderr
    from dentwatch.loop import worker

    log_to_stderr()
    ending = threading.Event()
    ends_with_signals(ending)
    err.print("Looking for steps that are due (Ctrl-C stops).")
    if as_json:
        print_json({"pid": os.getpid()})
        sys.stdout.flush()
    with reporting(err) as report:
        worker.run(settings.load(), ending, report, _announce)


@app.command(epilog="Example: `dentwatch loop step retrain/8d0f2c11-5f0e-4c3d-9a55-2d7c6c1f1a10`")
def step(key: KeyArgument, as_json: JsonOption = False) -> None:
    """Carry out one step, where nobody else has it; exit code 0 only when it is done or comes again later."""
    from dentwatch.loop import worker

    with _opened() as (loaded, database), reporting(err) as report:
        carried = worker.carry_out(loaded, database, key, report)
    _show(carried, as_json)
    if carried.error or carried.state in ("failed", "cancelled"):
        raise typer.Exit(1)


@app.command(epilog="Example: `dentwatch loop ask --json | jq -r '.keys[]'`")
def ask(
    search: Annotated[
        bool, typer.Option("--search", help="Ask for a search for a better model over the latest photos, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask for what is due now, and print the keys of the steps that can be carried out; nothing is carried out."""
    from datetime import UTC, datetime

    from dentwatch.loop import journal, policy

    with _opened() as (loaded, database):
        new = policy.ask_due(loaded, database, datetime.now(UTC))
        if search:
            new += policy.ask(loaded, database, [policy.search_over_latest(loaded)])
        with database.reading() as connection:
            due = [one.key for one in journal.due(connection)]
    if as_json:
        print_json({"new": new, "keys": due})
    else:
        out.print("\n".join(due) or "Nothing is due.")


@app.command(epilog="Example: `dentwatch loop cancel retrain/8d0f… --reason 'The lamp was replaced.'`")
def cancel(
    key: KeyArgument,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that a step is not wanted; one under way may go on, but nothing follows from it."""
    from dentwatch.loop import journal

    if not reason.strip():
        raise LoopError("A step is cancelled for a reason.", "Say why with --reason.")
    with _opened() as (_, database), database.writing() as connection:
        _show(journal.cancel(connection, key, actor_of(actor), reason), as_json)


@app.command(epilog="Example: `dentwatch loop retry retrain/8d0f…`")
def retry(key: KeyArgument, actor: ActorOption = None, as_json: JsonOption = False) -> None:
    """Have a step that failed or was cancelled tried once more."""
    from dentwatch.loop import journal

    with _opened() as (_, database), database.writing() as connection:
        _show(journal.retry(connection, key, actor_of(actor)), as_json)


@contextmanager
def _opened() -> "Iterator[tuple[Settings, Database]]":
    from dentwatch import settings
    from dentwatch.records.database import Database

    loaded = settings.load()
    with closing(Database.of(loaded)) as database:
        yield loaded, database


def _announce(step: "Step") -> None:
    logging.getLogger("dentwatch.loop").info("%s", step.in_words())


def _show(step: "Step", as_json: bool) -> None:
    if as_json:
        print_json(step.as_document())
    else:
        out.print(step.in_words())


def _table(steps: "list[Step]") -> "Table":
    shown = table("asked at (UTC)", "step", "state", "what became of it")
    for step in reversed(steps):
        colour = {"failed": "red", "running": "cyan", "done": "green"}.get(step.state, "")
        shown.add_row(f"{step.created_at:%m-%d %H:%M:%S}", step.key, Text(step.state, colour), step.outcome())
    return shown
