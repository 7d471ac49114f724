"""``dentwatch data contradictions``: photos that came with different annotations, for a person to decide."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from dentwatch.cli.actor import ActorOption, actor_of
from dentwatch.cli.output import JsonOption, out, print_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dentwatch.data.incoming import IncomingAnnotation
    from dentwatch.records.annotations import Annotation

app = typer.Typer(
    no_args_is_help=True,
    help="See photos that came with different annotations, and say which are right.",
    epilog="Example: `dentwatch data contradictions list`",
)


@app.command("list", epilog="Example: `dentwatch data contradictions list --json | jq '.contradictions[].id'`")
def list_contradictions(as_json: JsonOption = False) -> None:
    """List the photos of the latest dataset version that came with other annotations, too, and both of these."""
    from dentwatch import settings
    from dentwatch.data.contradictions import contradictions

    found = contradictions(settings.load())
    if as_json:
        print_json({"contradictions": [one.as_plain() for one in found]})
    elif found:
        rows = table("Id", "Photo", "Split", "Present annotations", "Claimed annotations")
        for one in found:
            said = _said(one.present.annotations), _said(one.claimed)
            rows.add_row(one.id, escape(one.entry.name), one.present.split, *said)
        out.print(rows)
    else:
        out.print("No annotations contradict each other.")


@app.command(epilog="Example: `dentwatch data contradictions decide 3f2a9c81d0 --take claimed --reason 'dent is real'`")
def decide(
    contradiction: Annotated[str, typer.Argument(metavar="ID", help="As the list shows it.")],
    take: Annotated[Literal["present", "claimed"], typer.Option("--take", help="Which annotations are right.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")],
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which annotations of a photo are right; the claimed ones make a new dataset version."""
    from dentwatch import settings
    from dentwatch.data.contradictions import decide as work
    from dentwatch.records import audit
    from dentwatch.records.database import Database

    loaded = settings.load()
    decided = work(loaded, contradiction, take=take == "claimed")
    details = {"id": decided.id, "taken": take, "name": decided.entry.name, "reason": reason}
    with Database.of(loaded).writing() as connection:
        audit.append(connection, actor_of(actor), "contradiction.decide", decided.present.photo_id, details)
    if as_json:
        print_json({**decided.as_plain(), "taken": take})
    else:
        out.print(f"The {take} annotations of {decided.entry.name} stand.", markup=False)


def _said(marks: "Sequence[Annotation | IncomingAnnotation]") -> str:
    return escape(", ".join(f"{mark.label} {_place(mark.box.xyxy)}" for mark in marks) or "no damage")


def _place(corners: tuple[float, float, float, float]) -> str:
    return "–".join(f"({x:.0f}, {y:.0f})" for x, y in (corners[:2], corners[2:]))
