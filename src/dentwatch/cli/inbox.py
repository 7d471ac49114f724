"""``dentwatch data inbox``: batches of annotated photos, and what became of them."""

from typing import Annotated

import typer
from rich.markup import escape

from dentwatch.cli.actor import ActorOption, actor_of
from dentwatch.cli.output import JsonOption, out, print_json, table

app = typer.Typer(
    no_args_is_help=True,
    help="See what became of the batches in the inbox, and decide about those in quarantine.",
    epilog="Example: `dentwatch data inbox list`",
)

BatchArgument = Annotated[str, typer.Argument(metavar="BATCH", help="A batch's id, or the beginning of it.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the record.")]


@app.command(
    "list", epilog="Example: `dentwatch data inbox list --json | jq '.batches[] | select(.state == \"taken\")'`"
)
def list_batches(as_json: JsonOption = False) -> None:
    """List the batches that lie in the inbox or were taken in, the newest first."""
    from dentwatch import settings
    from dentwatch.loop.batch_states import batch_states
    from dentwatch.records.database import Database

    loaded = settings.load()
    with Database.of(loaded).reading() as connection:
        found = batch_states(loaded, connection)
    if as_json:
        print_json({"inbox": loaded.inbox_url, "batches": [one.as_plain() for one in found]})
        return
    if not found:
        out.print(f"There is no batch in {loaded.inbox_url}.", markup=False)
        return
    rows = table("Batch", "State", "Since (UTC)", "")
    for one in found:
        at = f"{one.at:%Y-%m-%d %H:%M}" if one.at else ""
        rows.add_row(escape(one.id), one.state, at, escape(one.text))
    out.print(rows)


@app.command(epilog="Example: `dentwatch data inbox release march --reason 'a fleet without dents'`")
def release(batch: BatchArgument, reason: ReasonOption, actor: ActorOption = None, as_json: JsonOption = False) -> None:
    """Let a batch out of quarantine: it is taken in although checks failed."""
    _decide(batch, "release", reason, actor, as_json)


@app.command(epilog="Example: `dentwatch data inbox reject march --reason 'labels are shuffled'`")
def reject(batch: BatchArgument, reason: ReasonOption, actor: ActorOption = None, as_json: JsonOption = False) -> None:
    """Say that a batch in quarantine is not wanted; it stays in the inbox and is never taken in."""
    _decide(batch, "reject", reason, actor, as_json)


def _decide(batch: str, decision: str, reason: str, actor: str | None, as_json: bool) -> None:
    from dentwatch import settings
    from dentwatch.loop.batch_states import decide
    from dentwatch.records.database import Database

    loaded = settings.load()
    with Database.of(loaded).writing() as connection:
        state = decide(loaded, connection, batch, decision, actor_of(actor), reason)
    if as_json:
        print_json(state.as_plain())
    else:
        out.print(f"{state.id}: {decision} is on record. `dentwatch loop run` carries it out.", markup=False)
