"""The systems that are measured: each is started, asked, put under load and stopped in the same way."""

import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import processes
from answers import Found, read
from client import ask, closed_loop
from connections import Address, Request
from environments import PEERS, Peer, command_of
from load import Load
from photos import PhotoSet
from processes import MemoryWatch, ServerError
from questions import questions

from dentwatch.records.model_bundle import ModelBundle

HOST = "127.0.0.1"
WORKERS = 2

WATCH_SECONDS = 0.25
"""How often the memory is looked at in the slice that is there for it."""


class UnavailableError(Exception):
    """A route that the system does not have; the message says how it showed."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way to ask a system, a row of the table. ``form``: see ``questions.py``; ``answer``: see ``answers.py``."""

    title: str
    path: str = ""
    form: str = "raw"
    answer: str = "json"


class Running(Protocol):
    """A system that has been started."""

    def answers(self, route: Route, photos: PhotoSet) -> list[list[Found]]:
        """What it says about each photo; raises :class:`UnavailableError` or :class:`processes.ServerError`."""

    def measure(self, route: Route, photos: PhotoSet, connections: int, seconds: float) -> Load:
        """Put it under load."""

    def watch(self) -> MemoryWatch:
        """Watches the memory of its processes."""


class System(Protocol):
    """A system that can be started."""

    @property
    def key(self) -> str:
        """What the command line calls it."""

    @property
    def routes(self) -> tuple[Route, ...]:
        """The ways to ask it."""

    def start(self) -> AbstractContextManager[Running]:
        """Start it and stop it at the end; raises :class:`processes.ServerError` or :class:`environments.PeerError`."""


class RunningServer:
    """A server process and its address."""

    def __init__(self, address: Address, pid: int) -> None:
        self.address = address
        self.pid = pid
        self._numbers = itertools.count(0, 10_000_000)  # no two requests to one server carry the same number

    def wait_until_routed(self, route: Route, seconds: float = 60.0) -> None:
        """Wait while the server listens but knows nothing of ``route`` yet (404, 503); a photo that is none will do."""
        [request] = questions(route.form, self.address, route.path, [b"\xff\xd8\xff\xd9"])
        deadline = time.monotonic() + seconds
        while ask(self.address, request).status in (404, 503) and time.monotonic() < deadline:
            time.sleep(0.2)
        request.close()

    @contextmanager
    def prepared(self, route: Route, photos: PhotoSet) -> Iterator[list[Request]]:
        """The requests about ``photos``, their memory given back at the end."""
        requests = questions(route.form, self.address, route.path, photos.jpegs)
        try:
            yield requests
        finally:
            for request in requests:
                request.close()

    def next_number(self) -> int:
        """Where the numbers of the next load start."""
        return next(self._numbers)

    def answers(self, route: Route, photos: PhotoSet) -> list[list[Found]]:
        """See :class:`Running`."""
        with self.prepared(route, photos) as requests:
            return [self._answer(route, request) for request in requests]

    def _answer(self, route: Route, request: Request) -> list[Found]:
        exchange = ask(self.address, request, self.next_number())
        if exchange.status in (404, 405):
            raise UnavailableError(f"{route.path} answers {exchange.status}")
        if not 200 <= exchange.status < 300:
            raise ServerError(f"{route.path} answered {exchange.status}: {exchange.body[:200]!r}")
        try:
            return read(route.answer, exchange.body)
        except (ValueError, KeyError, TypeError) as error:
            raise ServerError(f"{route.path} answered something else than boxes: {error!r}") from error

    def measure(self, route: Route, photos: PhotoSet, connections: int, seconds: float) -> Load:
        """See :class:`Running`."""
        with self.prepared(route, photos) as requests:
            return closed_loop(self.address, requests, connections, seconds, self.next_number())

    def watch(self) -> MemoryWatch:
        """See :class:`Running`."""
        return MemoryWatch(self.pid, every=WATCH_SECONDS)


class PeerServer:
    """A peer, from the environment below ``cache``."""

    def __init__(self, peer: Peer, cache: Path, bundle: ModelBundle) -> None:
        self.key = peer.key
        self.routes = (Route(peer.title, peer.path, peer.form),)
        self._peer = peer
        self._cache = cache
        self._bundle = bundle

    @contextmanager
    def start(self) -> Iterator[RunningServer]:
        """See :class:`System`."""
        port = processes.free_port()
        command = command_of(self._peer, self._cache, port)
        # The environment's programs come first on the path: some servers start others by name.
        environment = {
            "MODEL_FOLDER": os.fspath(self._bundle.folder.resolve()),
            "PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.fspath(PEERS),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        log = self._cache / f"{self.key}.log"
        with _server(command, PEERS, environment, port, log) as running:
            running.wait_until_routed(self.routes[0])
            yield running


class DentwatchServer:
    """``dentwatch serve`` from this environment, with a fresh home for every start.

    ``DENTWATCH_…`` variables of this process reach it, so that other settings can be measured.
    """

    key = "dentwatch"
    routes = (
        Route("Dentwatch /invocations", "/invocations"),
        Route("Dentwatch /v2 binary", "/v2/models/dentwatch/infer", "v2", "v2"),
        Route("Dentwatch /v1/inspections", "/v1/inspections", "photos"),
    )

    def __init__(self, cache: Path, bundle: ModelBundle) -> None:
        self._cache = cache
        self._bundle = bundle

    @contextmanager
    def start(self) -> Iterator[RunningServer]:
        """See :class:`System`."""
        port = processes.free_port()
        model = os.fspath(self._bundle.folder.resolve())
        start = "from dentwatch.cli import main; main()"
        command = [sys.executable, "-c", start, "serve", "--host", HOST, "--port", str(port), "--model", model]
        with ExitStack() as stack:
            home = Path(tempfile.mkdtemp(prefix="home-", dir=self._cache))
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            environment = {
                "DENTWATCH_HOME": os.fspath(home),
                "DENTWATCH_SERVING__WORKERS": str(WORKERS),
                "DENTWATCH_SERVING__THREADS": "1",
            }
            log = self._cache / f"{self.key}.log"
            yield stack.enter_context(_server(command, home, environment, port, log))


@contextmanager
def _server(
    command: Sequence[str], folder: Path, environment: dict[str, str], port: int, log: Path
) -> Iterator[RunningServer]:
    with processes.running(command, folder, environment, log) as pid:
        processes.wait_until_open(HOST, port, pid, log)
        yield RunningServer(Address(HOST, port), pid)
