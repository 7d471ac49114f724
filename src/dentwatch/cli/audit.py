"""``dentwatch audit``: who did what, and whether the record of it is what was written."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dentwatch.cli.output import JsonOption, out, print_json, table

if TYPE_CHECKING:
    from dentwatch.records.audit import Entry, Mark

app = typer.Typer(
    no_args_is_help=True,
    help="Show the audit log, and verify that nothing in it was changed.",
    epilog="Example: `dentwatch audit list --last 5 && dentwatch audit verify`",
)


@app.command("list", epilog="Example: `dentwatch audit list --action key.create --last 5`")
def list_entries(
    last: Annotated[int, typer.Option("--last", min=1, help="How many of the newest entries.")] = 20,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this person or key did.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Only this action, such as key.revoke.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only what was done to this name or id.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the newest entries, oldest first: who did what to what, when."""
    from dentwatch import settings
    from dentwatch.records import audit
    from dentwatch.records.database import Database

    with Database.of(settings.load()).reading() as connection:
        found = list(audit.entries(connection, actor=actor, action=action, subject=subject, last=last))
    if as_json:
        print_json({"entries": [entry.as_document() for entry in found]})
    elif found:
        out.print(_table(found))
    else:
        out.print("There are no such entries in the audit log.")


@app.command(epilog="Example: `dentwatch audit verify --json | jq -r .mark >> /mnt/elsewhere/marks`")
def verify(
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect",
            metavar="NUMBER:HASH",
            help="A mark that an earlier run printed and that was kept elsewhere; shows also a cut-off end.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the whole log, name the first entry that is not what was written, and print the mark of its end.

    Keep the mark where those who can write the database cannot: without one, entries cut off at the end, and a log
    written anew from some entry on, cannot be told from a whole one.
    """
    from dentwatch import settings
    from dentwatch.records import audit
    from dentwatch.records.database import Database

    expected = None if expect is None else _mark(expect)
    mark = audit.verify(Database.of(settings.load()), expected)
    if as_json:
        print_json({"entries": mark.number, "mark": str(mark), "expected": None if expected is None else str(expected)})
        return
    out.print(f"{mark.number:,} {'entry' if mark.number == 1 else 'entries'}, each as it was written.")
    if expected is not None:
        out.print(f"Entry {expected.number} is the one that was expected.")
    out.print(f"Mark, to be kept elsewhere: {mark}", highlight=False)


def _mark(written: str) -> "Mark":
    from dentwatch.records.audit import Mark

    try:
        return Mark.parse(written)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint="--expect") from error


def _table(entries: "list[Entry]") -> Any:
    from rich.text import Text

    from dentwatch.records.canonical import canonical_text

    rows = table("Number", "Time (UTC)", "Actor", "Action", "Subject", "Details", numbers=("Number",))
    for entry in entries:
        cells = (entry.actor, entry.action, entry.subject, canonical_text(entry.details))
        rows.add_row(str(entry.number), f"{entry.at:%Y-%m-%d %H:%M:%S}", *map(Text, cells))
    return rows
