"""``dentwatch serve``: answers about photos over HTTP."""

import logging
import os
import sys
from typing import Annotated

import typer

from dentwatch.cli.output import err, print_json


def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind to. Default: the setting, 127.0.0.1.")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to bind to; 0 takes a free one. Default: the setting, 8000."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="starter, champion, a version, or a model's folder. Default: the champion, else the starter."
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Inference threads. Default: the setting.")] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", metavar="", help="Once ready, print address, model and process id as JSON on stdout."),
    ] = False,
) -> None:
    """Answer `POST /v1/inspections` until told to stop (SIGTERM or Ctrl-C); requests under way are finished.

    Example: `dentwatch serve --port 8000 & curl -F photos=@car.jpg http://127.0.0.1:8000/v1/inspections`
    """
    from dentwatch import settings
    from dentwatch.serving import server
    from dentwatch.serving.api import create_app
    from dentwatch.serving.models import resolve

    given = {"host": host, "port": port, "threads": threads}
    loaded = settings.load()
    serving = loaded.serving.model_copy(update={name: value for name, value in given.items() if value is not None})
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with server.bind(serving.host, serving.port) as listener:
        bundle = resolve(model, loaded)
        app = create_app(loaded.model_copy(update={"serving": serving}), bundle)
        address = server.address_of(listener)

        def announce() -> None:
            err.print(f"Serving {bundle.name} at {address} (Ctrl-C stops)", markup=False, soft_wrap=True)
            if as_json:
                print_json({"address": address, "model": bundle.name, "pid": os.getpid()})
                sys.stdout.flush()

        server.run(app, listener, announce)
