"""A server as a tree of processes: started, watched for its memory, and stopped with everything it started."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from dentwatch.serving.memory import proportional


class ServerError(Exception):
    """A server did not start, or ended by itself; the message quotes the end of its log."""


def end_in_order_on_sigterm() -> None:
    """Let SIGTERM unwind this program as Ctrl-C does, so that no server outlives it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


@contextmanager
def running(command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> Iterator[int]:
    """Run ``command`` in ``folder`` with ``environment`` on top of this one's; yields its process id.

    Its output goes to ``log``. At the end it is asked to stop (SIGTERM), and after 10 seconds whatever is left of its
    tree is killed.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        members = {process.pid}
        try:
            yield process.pid
        finally:
            members |= tree(process.pid)
            process.terminate()
            _wait_for(process)
            for member in members:
                _kill(member)
            process.wait()
            while any(alive(member) for member in members):  # what is killed takes a moment to end
                time.sleep(0.01)


def _wait_for(process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def wait_until_open(host: str, port: int, pid: int, log: Path, seconds: float = 120.0) -> None:
    """Wait until something listens; raises :class:`ServerError` when the process ends first, or time runs out."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not alive(pid):
            raise ServerError(f"it ended: {last_words(log)}")
        try:
            with socket.create_connection((host, port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise ServerError(f"it did not listen within {seconds:.0f} s: {last_words(log)}")


def last_words(log: Path) -> str:
    """The last line of a log that says something."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def alive(pid: int) -> bool:
    """Whether the process runs (one that has ended and was not waited for does not)."""
    status = _stat(pid)
    return status is not None and status[0] not in ("Z", "X")


def tree(*roots: int) -> set[int]:
    """``roots`` and every process that descends from them, by process id."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        status = _stat(int(entry.name)) if entry.name.isdecimal() else None
        if status is not None:
            children[int(status[1])].append(int(entry.name))
    found, waiting = set[int](), list(roots)
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += children[pid]
    return found


def resident(pids: set[int]) -> int:
    """Resident bytes of the processes together; pages that several share count once (PSS)."""
    total = 0
    for pid in pids:
        with suppress(psutil.Error):  # it has ended
            total += proportional(psutil.Process(pid))
    return total


def _stat(pid: int) -> list[str] | None:
    """The fields of ``/proc/PID/stat`` from the third on: state, parent … (proc(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


class MemoryWatch:
    """Samples the resident memory of the trees of processes below ``roots`` while it is entered, and when it is left.

    ``samples`` holds ``(seconds since entering, bytes)``. A sample takes some 30 ms of a core, most of it the kernel's
    for adding up pages that are shared: ``every`` so many seconds one does not disturb what is measured.
    """

    def __init__(self, *roots: int, every: float = 1.0) -> None:
        self.samples: list[tuple[float, int]] = []
        self._roots = roots
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def peak(self) -> int:
        """The most bytes that were seen."""
        return max((size for _, size in self.samples), default=0)

    def _watch(self) -> None:
        begin = time.monotonic()
        ended = False
        while not ended:
            ended = self._stop.wait(self._every)
            self.samples.append((time.monotonic() - begin, resident(tree(*self._roots))))
