"""The tree of commands; each command's work lives in the pipeline it belongs to."""

from importlib.metadata import version
from typing import Annotated

import typer

from dentwatch.cli import data, demo, evaluate, inspect, models, serve, train

app = typer.Typer(
    name="dentwatch",
    help="Find scratches and dents in photos of used cars, and run the life of the model that does so.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Add --debug to any command to see the traceback of an error. State lives in DENTWATCH_HOME (./.dentwatch).",
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"dentwatch {version('dentwatch')}")
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


app.command("demo")(demo.demo)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(models.app, name="models")
app.command("inspect")(inspect.inspect)
app.command("serve")(serve.serve)
