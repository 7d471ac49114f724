"""Who does something on the command line, for the record."""

import getpass
from typing import Annotated

import typer

ActorOption = Annotated[
    str | None, typer.Option("--actor", help="Who does this, for the record; default: your login name.")
]


def actor_of(named: str | None) -> str:
    """Who it is: as named, else whoever is logged in."""
    return named or getpass.getuser()
