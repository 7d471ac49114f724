"""``dentwatch trace``: what something came of, and what came of it."""

import json
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree

from dentwatch.cli.output import JsonOption, out, print_json

if TYPE_CHECKING:
    from dentwatch.loop.trace import Link

_LONGEST = 160  # letters of a fact in the tree


def trace(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="REF",
            help="An inspection, incident or dataset version by its id, or a model: champion, 3, dentwatch/3.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show the whole chain around something, backwards to photos, dataset, run and commit, and forwards to its effects.

    Example: `dentwatch trace champion`
    """
    from dentwatch import settings
    from dentwatch.loop import trace as chain
    from dentwatch.records.database import Database

    loaded = settings.load()
    with closing(Database.of(loaded)) as database:
        found = chain.trace(loaded, database, ref)
    if as_json:
        print_json(found.as_document())
    else:
        out.print(_tree(found))


def _tree(link: "Link") -> Tree:
    tree = Tree(_title(link), guide_style="dim")
    for name, value in link.facts.items():
        if name == "timeline":
            events = tree.add(Text("timeline", "dim"))
            for event in value:
                events.add(Text.assemble((f"{event['at'][:19]} ", "dim"), f"{event['what']}: {event['text']}"))
        elif value not in (None, "", [], {}):
            tree.add(Text.assemble((f"{name}: ", "dim"), _said(value)))
    for title, links in (("from", link.sources), ("led to", link.results)):
        if links:
            branch = tree.add(Text(title, "bold"))
            for one in links:
                branch.add(_tree(one))
    return tree


def _title(link: "Link") -> Text:
    return Text.assemble((f"{link.kind} ", "cyan"), link.name)


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
