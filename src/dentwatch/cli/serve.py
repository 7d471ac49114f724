"""``dentwatch serve``: answers about photos over HTTP."""

import logging
import os
import socket
import sys
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dentwatch.cli.output import err, print_json

if TYPE_CHECKING:
    from dentwatch.serving.companion import Companion
    from dentwatch.serving.metrics_folder import MetricsFolder
    from dentwatch.settings import Settings

_log = logging.getLogger(__name__)


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
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes. Default: the setting, 2.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Inference threads per worker process. Default: the setting, 1.")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", metavar="", help="Once ready, print address, model and process id as JSON on stdout."),
    ] = False,
) -> None:
    """Answer about photos over HTTP until told to stop (SIGTERM or Ctrl-C); requests under way are finished.

    On a loopback address it runs open while there are no API keys; any other needs some (`dentwatch keys create`).

    Example: `dentwatch serve --port 8000 & curl -F photos=@car.jpg http://127.0.0.1:8000/v1/inspections`
    """
    from dentwatch import settings
    from dentwatch.data.eighth import COMPILED
    from dentwatch.monitoring.alerts import receivers
    from dentwatch.serving import children, otlp, server
    from dentwatch.serving.engines import choice
    from dentwatch.serving.metrics_folder import MetricsFolder
    from dentwatch.serving.models import resolve
    from dentwatch.serving.price_file import path_in_use, read_table
    from dentwatch.serving.workers import Workers

    given = {"host": host, "port": port, "workers": workers, "threads": threads}
    loaded = settings.load()
    serving = loaded.serving.model_copy(update={name: value for name, value in given.items() if value is not None})
    loaded = loaded.model_copy(update={"serving": serving})
    log_to_stderr()
    # What cannot be had is said once, here, before any worker process tries.
    otlp.check("TRACES")
    otlp.check("METRICS")
    receivers.check(loaded)
    choice.check(serving)
    bundle = resolve(model, loaded)
    read_table(path_in_use(loaded))
    keys = _has_keys(loaded)
    with server.bind(serving.host, serving.port, keys=keys) as listener, MetricsFolder() as counted:
        address = server.address_of(listener)
        if not keys:
            _log.warning("Open to every process of this machine: there are no API keys.")
        by = "its DC coefficients alone" if COMPILED else "libjpeg-turbo, as the faster decoder was not built"
        _log.info("A JPEG that is needed at an eighth of its size is read by %s.", by)

        def announce() -> None:
            err.print(f"Serving {bundle.name} at {address} (Ctrl-C stops)", markup=False, soft_wrap=True)
            if as_json:
                print_json({"address": address, "model": bundle.name, "pid": os.getpid()})
                sys.stdout.flush()

        children.share("dentwatch.serving.api", "dentwatch.serving.runtime", "dentwatch.web.routers")
        processes = Workers(
            listener,
            serving.workers,
            serve_worker,
            (loaded, model, counted.path),
            announce=announce,
            gone=counted.forget,
            drain=server.DRAIN_SECONDS,
        )
        with _watching(loaded, model, counted):
            code = processes.run()
    raise typer.Exit(code)


def _watching(
    loaded: "Settings", model: str | None, counted: "MetricsFolder"
) -> AbstractContextManager["Companion | None"]:
    """The process that watches for drift, beside the workers, unless the settings say otherwise."""
    from dentwatch.serving.companion import Companion

    if not loaded.monitoring.enabled:
        return nullcontext()
    return Companion("watcher", serve_watcher, (loaded, model), gone=counted.forget)


def serve_watcher(loaded: "Settings", model: str | None) -> None:
    """What the process that watches does."""
    from dentwatch.monitoring.watcher import watch

    log_to_stderr()
    watch(loaded, model)


def _has_keys(loaded: "Settings") -> bool:
    from dentwatch.records import api_keys
    from dentwatch.records.database import Database

    database = Database.of(loaded)
    if not database.exists:
        return False
    with closing(database), database.reading() as connection:
        return api_keys.any_valid(connection)


def serve_worker(channel: socket.socket, loaded: "Settings", model: str | None, shared: Path) -> None:
    """What a worker process does: answer the connections that come over ``channel``.

    ``shared`` is a folder over which it agrees with the other workers.
    """
    import cv2

    from dentwatch.serving import tracing
    from dentwatch.serving.api import create_app
    from dentwatch.serving.memory import keep_freed
    from dentwatch.serving.runtime import Runtime
    from dentwatch.serving.server import serve_connections
    from dentwatch.web.pages import error_page
    from dentwatch.web.routers import ROUTERS

    keep_freed()
    cv2.setNumThreads(1)  # the worker processes share the cores; threads within them would only get in each other's way
    log_to_stderr()
    with tracing.exporting():
        serve_connections(create_app(Runtime(loaded, model, shared), ROUTERS, error_page), channel)


def log_to_stderr() -> None:
    """What a process that goes on for long tells, it tells on stderr."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s [%(process)d]: %(message)s"
    )
    for chatty in ("alembic", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
