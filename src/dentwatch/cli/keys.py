"""``dentwatch keys``: who may use the service."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dentwatch.cli.actor import ActorOption, actor_of
from dentwatch.cli.output import JsonOption, err, out, print_json, table
from dentwatch.records.roles import Role

if TYPE_CHECKING:
    from dentwatch.records.api_keys import ApiKey

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke the API keys of the service.",
    epilog="Example: `dentwatch keys create shop --role seller && dentwatch keys list`",
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Says whose key it is; unique for good.")]


@app.command(epilog="Example: `dentwatch keys create shop --role seller`")
def create(
    name: NameArgument,
    role: Annotated[Role, typer.Option("--role", help="What its holder may do; docs/access.md has the table.")],
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, this once: only its SHA-256 is kept."""
    from dentwatch import settings
    from dentwatch.records import api_keys
    from dentwatch.records.database import Database

    with Database.of(settings.load()).writing() as connection:
        made = api_keys.create(connection, name, role, actor_of(actor))
    if as_json:
        print_json({**made.key.as_document(), "key": made.text})
        return
    typer.echo(made.text)  # a line of its own on stdout, so that a script can take it
    err.print(f"This is the key of {name} ({role}). It is not shown again; hand it over safely.", markup=False)


@app.command("list", epilog="Example: `dentwatch keys list --json | jq '.keys[].name'`")
def list_keys(as_json: JsonOption = False) -> None:
    """List every key ever made, oldest first; never the secrets."""
    from dentwatch import settings
    from dentwatch.records import api_keys
    from dentwatch.records.database import Database

    with Database.of(settings.load()).reading() as connection:
        keys = api_keys.list_keys(connection)
    if as_json:
        print_json({"keys": [key.as_document() for key in keys]})
    elif keys:
        out.print(_table(keys))
    else:
        out.print("There are no keys yet; `dentwatch keys create` makes one.", highlight=False)


@app.command(epilog="Example: `dentwatch keys password ada`")
def password(
    name: NameArgument,
    from_stdin: Annotated[
        bool, typer.Option("--stdin", help="Read the password from the first line of stdin instead of asking for it.")
    ] = False,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the password with which a key's holder signs in to the pages; whoever is signed in with it is signed out."""
    from dentwatch import settings
    from dentwatch.records import passwords
    from dentwatch.records.database import Database

    if from_stdin:
        given = sys.stdin.readline().rstrip("\n")
    else:
        given = typer.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True, err=True)
    with Database.of(settings.load()).writing() as connection:
        key = passwords.set_password(connection, name, given, actor_of(actor))
    if as_json:
        print_json(key.as_document())
    else:
        out.print(f"{name} can sign in to the pages with that password.", markup=False)


@app.command(epilog="Example: `dentwatch keys revoke shop`")
def revoke(name: NameArgument, actor: ActorOption = None, as_json: JsonOption = False) -> None:
    """Revoke a key for good; a running service refuses it within a few seconds."""
    from dentwatch import settings
    from dentwatch.records import api_keys
    from dentwatch.records.database import Database

    with Database.of(settings.load()).writing() as connection:
        key = api_keys.revoke(connection, name, actor_of(actor))
    if as_json:
        print_json(key.as_document())
    else:
        out.print(f"The key of {name} is revoked since {key.revoked_at:%Y-%m-%d %H:%M:%S} UTC.", markup=False)


def _table(keys: "list[ApiKey]") -> Any:
    from rich.text import Text

    rows = table("Name", "Role", "Key", "Created", "Revoked")
    for key in keys:
        rows.add_row(
            Text(key.name),
            key.role,
            f"dw_{key.prefix}_",
            f"{key.created_at:%Y-%m-%d}",
            "" if key.revoked_at is None else f"{key.revoked_at:%Y-%m-%d}",
            style=None if key.revoked_at is None else "dim",
        )
    return rows
