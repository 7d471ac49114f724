"""Processes that run together: started in order, restarted when they die, ended with one signal."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from dentwatch.serving.memory import proportional

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds before a part that died is started again
_STEADY = 60.0  # seconds after which a part that dies is not taken for one that cannot start
_PATIENCE = 20.0  # seconds that a part may take to end
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """A process to run: ``command`` with ``environment``; people find it at ``address``, if anywhere."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    address: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """How a part does: its process, its restarts, and the memory of it and its children (PSS), bytes."""

    part: Part
    pid: int | None
    restarts: int
    memory: int


@dataclass(slots=True)
class _Running:
    part: Part
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    restarts: int = 0
    pause: float = _FIRST_PAUSE
    due: float = 0.0


class Supervisor:
    """Runs ``parts`` within the ``with`` block; what each says goes to ``logs/<name>.log``.

    Each part has a process group of its own, so that Ctrl-C reaches this process alone and nothing is left behind.
    ``tell`` hears what happens to the parts.
    """

    def __init__(self, parts: Sequence[Part], logs: Path, tell: Callable[[str], None]) -> None:
        self._parts = [_Running(part) for part in parts]
        self._logs = logs
        self._tell = tell
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._mind, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        for one in self._parts:
            self._start(one)
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        for one in reversed(self._parts):
            _signal(one.process, signal.SIGTERM)
        until = time.monotonic() + _PATIENCE
        for one in reversed(self._parts):
            if one.process is None:
                continue
            with suppress(subprocess.TimeoutExpired):
                one.process.wait(max(0.0, until - time.monotonic()))
            _signal(one.process, signal.SIGKILL)  # also what a part left behind in its group
            one.process.wait()

    def health(self) -> list[Health]:
        """How every part does."""
        return [
            Health(one.part, one.process.pid if _lives(one.process) else None, one.restarts, _memory(one.process))
            for one in self._parts
            if one.process is not None
        ]

    def _mind(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS):
            now = time.monotonic()
            for one in self._parts:
                if _lives(one.process):
                    continue
                if not one.due:
                    code = None if one.process is None else one.process.returncode
                    one.pause = _FIRST_PAUSE if now - one.started > _STEADY else one.pause
                    one.due = now + one.pause
                    self._tell(f"{one.part.name} died ({_ending_of(code)}); it is started again in {one.pause:g} s.")
                elif now >= one.due:
                    _signal(one.process, signal.SIGKILL)  # children that outlived it hold its port
                    one.restarts += 1
                    one.pause = min(2 * one.pause, _LONGEST_PAUSE)
                    self._start(one)

    def _start(self, one: _Running) -> None:
        with (self._logs / f"{one.part.name}.log").open("ab") as log:
            one.process = subprocess.Popen(
                one.part.command,
                env=dict(one.part.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        one.started, one.due = time.monotonic(), 0.0


def _lives(process: "subprocess.Popen[bytes] | None") -> bool:
    return process is not None and process.poll() is None


def _signal(process: "subprocess.Popen[bytes] | None", number: signal.Signals) -> None:
    if process is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _ending_of(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _memory(process: "subprocess.Popen[bytes] | None") -> int:
    """Memory of a process and its children, shared pages counted once (PSS), bytes."""
    if process is None:
        return 0
    with suppress(psutil.Error):
        parent = psutil.Process(process.pid)
        return sum(proportional(one) for one in [parent, *parent.children(recursive=True)])
    return 0
