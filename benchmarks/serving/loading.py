"""What soak and overload have in common: their options, and the Dentwatch server that they load."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from photos import LARGE, SMALL, photo_set
from systems import DentwatchServer, Route, RunningServer

from dentwatch.serving.models import starter

CACHE = Path(tempfile.gettempdir()) / "dentwatch-serving-benchmark"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of both."""
    parser.add_argument("--route", default="/invocations", help="path that is asked (default: /invocations)")
    parser.add_argument("--photos", choices=(LARGE, SMALL), default=LARGE)
    parser.add_argument("--rate", type=float, help="requests per second, instead of a share of the measured limit")
    parser.add_argument("--calibrate", type=float, default=5.0, help="seconds in which the limit is measured")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for photos, logs and Dentwatch's home")


def chosen_route(path: str) -> Route:
    """Dentwatch's route at ``path``; ends the program where there is none."""
    for route in DentwatchServer.routes:
        if route.path == path:
            return route
    raise SystemExit(f"--route is one of {', '.join(route.path for route in DentwatchServer.routes)}.")


@contextmanager
def server(options: argparse.Namespace) -> Iterator[RunningServer]:
    """Dentwatch with the starter model, started and warm."""
    options.cache.mkdir(parents=True, exist_ok=True)
    with DentwatchServer(options.cache, starter()).start() as running:
        running.answers(chosen_route(options.route), photo_set(options.photos, options.cache))
        yield running
