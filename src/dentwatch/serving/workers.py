"""Worker processes that share one address: each new connection goes to the worker with the fewest.

The kernel's own ways (several processes accepting from one socket, or SO_REUSEPORT) spread a handful of keep-alive
connections unevenly, and the slowest worker then sets the longest waits. Here one process accepts, and hands each
connection over as a file descriptor (``SCM_RIGHTS``); what is sent on it never passes through this process. At the
start none is accepted before all workers are ready: clients that were waiting would all stay with the first.

A client that closes its connections and opens new ones is dealt evenly, too: one worker tells of the end of its
connections a little before another, and what has ended only now still counts for a moment.
"""

import logging
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import Any

from dentwatch.serving import children

READY, CLOSED = b"r", b"-"
"""What a worker says on its channel: that it answers, and that one of its connections has ended."""

SETTLING_SECONDS = 0.05
"""How much later than another a worker may tell of connections that ended together."""

_PATIENCE = 5.0  # seconds that a worker may take to end after it has drained, or to be ready after another
_RESTART_SECONDS = 0.5  # a worker that dies is replaced after this long; one that died of its start after twice that, …
_LONGEST_RESTART_SECONDS = 30.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """How many connections a worker holds; one that has ended still counts for :data:`SETTLING_SECONDS`."""

    _given: int = 0
    _ended: deque[float] = field(default_factory=deque)  # when, of those that still count

    def give(self) -> None:
        """One more."""
        self._given += 1

    def end(self, now: float) -> None:
        """One has ended at ``now``, in seconds of a clock that only goes forward."""
        self._ended.append(now)

    def count(self, now: float) -> int:
        """How many are to be counted at ``now``."""
        while self._ended and self._ended[0] <= now - SETTLING_SECONDS:
            self._ended.popleft()
            self._given -= 1
        return self._given


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    channel: socket.socket
    ready: bool = False
    connections: Tally = field(default_factory=Tally)


class Workers:
    """``count`` processes that run ``target(channel, *arguments)`` and answer the connections of ``listener``.

    ``target`` receives connections on ``channel`` and says :data:`READY` and :data:`CLOSED` on it. A worker that dies
    is replaced, and ``gone`` is called with its process id. ``announce`` is called once, when all answer. ``drain`` is
    how many seconds work under way may take after SIGTERM or SIGINT.
    """

    def __init__(
        self,
        listener: socket.socket,
        count: int,
        target: Callable[..., None],
        arguments: tuple[Any, ...],
        *,
        announce: Callable[[], None],
        gone: Callable[[int], None],
        drain: float,
    ) -> None:
        self._listener = listener
        self._count = count
        self._target, self._arguments = target, arguments
        self._announce: Callable[[], None] | None = announce
        self._gone = gone
        self._drain = drain
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        self._due: list[float] = []  # when workers that died are to be replaced
        self._failed_starts = 0  # in a row
        self._opening = 0.0  # when connections are accepted at the latest
        self._stopping = False

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT, then drain; the exit code: 1 when no worker ever came to answer."""
        self._listener.setblocking(False)
        waker, wakes = socket.socketpair()
        with waker, wakes:
            waker.setblocking(False)
            signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._stop)
            self._selector.register(wakes, selectors.EVENT_READ)
            for _ in range(self._count):
                self._start()
            try:
                return self._loop()
            finally:
                signal.set_wakeup_fd(-1)
                self._end()

    def _loop(self) -> int:
        while not self._stopping:
            if self._announce is not None and self._failed_starts >= self._count:
                _log.error("The workers die before they answer; see above for why.")
                return 1
            for key, _ in self._selector.select(self._next_due()):
                if isinstance(key.data, _Worker):
                    self._hear(key.data)
                elif key.fileobj is self._listener:
                    self._accept()
            self._replace()
            self._open()
        return 0

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = children.start(self._target, (theirs, *self._arguments), name="worker", daemon=False)
        theirs.close()
        ours.setblocking(False)
        worker = _Worker(process, ours)
        self._workers.append(worker)
        self._selector.register(ours, selectors.EVENT_READ, worker)

    def _hear(self, worker: _Worker) -> None:
        try:
            said = worker.channel.recv(16)
        except BlockingIOError:
            return
        except ConnectionError:
            said = b""
        if said == CLOSED:
            worker.connections.end(time.monotonic())
        elif said == READY:
            self._welcome(worker)
        else:
            self._bury(worker)

    def _welcome(self, worker: _Worker) -> None:
        if not any(other.ready for other in self._workers):
            self._opening = time.monotonic() + _PATIENCE
        worker.ready = True
        self._failed_starts = 0
        if self._announce is not None and sum(other.ready for other in self._workers) == self._count:
            self._announce()
            self._announce = None

    def _bury(self, worker: _Worker) -> None:
        self._forget(worker)
        if self._stopping:
            return
        self._failed_starts += not worker.ready
        wait = min(_LONGEST_RESTART_SECONDS, _RESTART_SECONDS * 2**self._failed_starts)
        self._due.append(time.monotonic() + wait)
        _log.error("A worker process ended (%s); another starts in %g s.", _fate(worker.process), wait)

    def _forget(self, worker: _Worker) -> None:
        self._selector.unregister(worker.channel)
        worker.channel.close()
        self._workers.remove(worker)
        worker.process.join(_PATIENCE)
        if worker.process.is_alive():  # it closed its channel and stays
            worker.process.kill()
            worker.process.join()
        if worker.process.pid is not None:
            self._gone(worker.process.pid)
        if not any(other.ready for other in self._workers) and self._is_open:
            self._selector.unregister(self._listener)  # connections wait in the kernel until one is ready again

    @property
    def _is_open(self) -> bool:
        return self._listener in self._selector.get_map()

    def _open(self) -> None:
        """Accept connections, once all workers are ready or the first has waited long enough for the others."""
        ready = [worker.ready for worker in self._workers]
        if any(ready) and not self._is_open and (all(ready) or time.monotonic() >= self._opening):
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _next_due(self) -> float | None:
        waits = not self._is_open and any(worker.ready for worker in self._workers)
        due = [*self._due, *([self._opening] if waits else [])]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _replace(self) -> None:
        now = time.monotonic()
        for due in [due for due in self._due if due <= now]:
            self._due.remove(due)
            self._start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # the peer has gone again, or file descriptors have run out
                _log.warning("A connection could not be taken: %s", error)
                time.sleep(0.01)
                return
            with connection:
                self._hand_over(connection)

    def _hand_over(self, connection: socket.socket) -> None:
        now = time.monotonic()
        ready = (worker for worker in self._workers if worker.ready)
        for worker in sorted(ready, key=lambda one: one.connections.count(now)):
            with suppress(OSError):  # its channel is full or gone: the next one takes it
                socket.send_fds(worker.channel, [b"c"], [connection.fileno()])
                worker.connections.give()
                return

    def _end(self) -> None:
        if self._is_open:
            self._accept()  # who has connected already is answered
        self._listener.close()
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + self._drain + _PATIENCE
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                _log.error("A worker did not end in time and is killed.")
                worker.process.kill()
                worker.process.join()
            worker.channel.close()
        self._selector.close()


def _fate(process: BaseProcess) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
