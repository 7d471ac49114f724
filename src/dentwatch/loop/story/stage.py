"""The stage of the story: a service and a worker of the loop as processes of their own, over a home of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from dentwatch.errors import DentwatchError
from dentwatch.settings import Settings

_PREFIX = "DENTWATCH_"
_PATIENCE = 20  # seconds that a process may take to end
_LINES = 5  # of the document that `dentwatch serve --json` prints


class Stage:
    """`dentwatch serve` and `dentwatch loop run`, ended together; what they say goes to ``logs`` in the home.

    ``variables`` are settings by their names in the environment. Raises :class:`DentwatchError` when the service does
    not start.
    """

    def __init__(self, settings: Settings, variables: Mapping[str, object]) -> None:
        self._home = settings.home.absolute()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}
        own = {f"{_PREFIX}{name}": str(value) for name, value in variables.items()}
        self._environment = {**inherited, f"{_PREFIX}HOME": str(self._home), **own}
        self._ending = ExitStack()
        self.address = ""

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            serve = starting.enter_context(self._process("serve", "--port", "0", "--json"))
            said = "".join(serve.stdout.readline() for _ in range(_LINES)) if serve.stdout else ""
            if not said:
                raise DentwatchError("The service did not start.", f"See {self.log_of('serve')}.")
            document: dict[str, Any] = json.loads(said)
            self.address = document["address"]
            starting.enter_context(self._process("loop", "run"))
            self._ending = starting.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ending.close()

    def log_of(self, part: str) -> Path:
        """Where a process says what it does."""
        return self._home / "logs" / f"{part}.log"

    def _process(self, *arguments: str) -> "_Process":
        path = self.log_of(arguments[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        return _Process([sys.executable, "-m", "dentwatch", *arguments], self._environment, path)


class _Process:
    """A process that ends with the ``with`` block."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._command, self._environment, self._log = command, environment, log

    def __enter__(self) -> "subprocess.Popen[str]":
        with self._log.open("a") as log:
            self._running = subprocess.Popen(
                self._command, env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        return self._running

    def __exit__(self, *_exception: object) -> None:
        self._running.terminate()
        try:
            self._running.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
        if self._running.stdout is not None:
            self._running.stdout.close()
