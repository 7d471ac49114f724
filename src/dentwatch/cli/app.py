"""The tree of commands; each command's work lives in the pipeline it belongs to."""

from importlib.metadata import version
from typing import Annotated

import typer

from dentwatch.cli import (
    audit,
    data,
    demo,
    evaluate,
    inspect,
    keys,
    kpis,
    label_studio,
    loop,
    models,
    monitor,
    prices,
    quality,
    search,
    serve,
    trace,
    train,
    up,
)

app = typer.Typer(
    name="dentwatch",
    help="Find scratches and dents in photos of used cars, and run the life of the model that does so.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog="Example: `dentwatch inspect car.jpg --save drawn`\n\n"
    "Every command has `--help` with an example, and takes `--debug` to show the traceback of an error. All state lies "
    "in the folder that DENTWATCH_HOME names (`./.dentwatch`).",
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"dentwatch {version('dentwatch')}")
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, metavar="", help="Show the version and exit."),
    ] = False,
) -> None: ...


app.command("demo")(demo.demo)
app.command("inspect")(inspect.inspect)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("search")(search.search)
app.command("evaluate")(evaluate.evaluate)
app.command("quality")(quality.quality)
app.add_typer(models.app, name="models")
app.add_typer(prices.app, name="prices")
app.command("serve")(serve.serve)
app.command("up")(up.up)
app.add_typer(monitor.app, name="monitor")
app.add_typer(loop.app, name="loop")
app.add_typer(label_studio.app, name="label-studio")
app.command("trace")(trace.trace)
app.command("kpis")(kpis.kpis)
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
