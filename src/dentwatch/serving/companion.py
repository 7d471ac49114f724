"""A process that lives beside the worker processes: started with them, replaced when it dies, ended with them."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self

from dentwatch.serving import children

_RESTART_SECONDS, _LONGEST_RESTART_SECONDS = 1.0, 60.0
_PATIENCE = 5.0  # seconds that it may take to end

_log = logging.getLogger(__name__)


class Companion:
    """Runs ``target(*arguments)`` in a process called ``name`` within the ``with`` block; ``gone`` hears its id.

    One that dies is replaced after a second, then after twice as long each time it dies again.
    """

    def __init__(
        self, name: str, target: Callable[..., None], arguments: tuple[Any, ...], gone: Callable[[int], None]
    ) -> None:
        self._name = name
        self._target, self._arguments = target, arguments
        self._gone = gone
        self._ending = threading.Event()
        self._process: BaseProcess = self._start()
        self._thread = threading.Thread(target=self._mind, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ending.set()
        with suppress(ProcessLookupError):
            self._process.terminate()
        self._thread.join(_PATIENCE)
        if self._process.is_alive():
            _log.error("The %s did not end in time and is killed.", self._name)
            self._process.kill()
            self._thread.join()

    def _start(self) -> BaseProcess:
        return children.start(self._target, self._arguments, name=self._name, daemon=True)

    def _mind(self) -> None:
        pause = _RESTART_SECONDS
        while True:
            self._process.join()
            self._gone(self._process.pid or 0)
            if self._ending.is_set():
                return
            code = self._process.exitcode  # 0: somebody told it to end, maybe as one of all the service's processes
            level = logging.ERROR if code else logging.INFO
            _log.log(level, "The %s ended (exit code %s) and is started again.", self._name, code)
            if self._ending.wait(pause):
                return
            pause = min(2 * pause, _LONGEST_RESTART_SECONDS)
            self._process = self._start()
