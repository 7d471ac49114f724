"""The folder that worker processes share: what they count there is that of one service, and they agree on engines."""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus-client looks for the folder, once, when it is imported."""

_PREFIX = "dentwatch-metrics-"
LOCK = "lock"
"""The file whose lock says that the folder is in use; it is as old as the folder."""
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (the folder itself is made with a name that nobody can guess)


class MetricsFolder:
    """Makes the folder for worker processes that are started within it, and removes it at the end.

    It lies in memory where the system has a place for that: files that are written through ``mmap`` end their process
    when a disk is full. A folder that was left by a service that was killed is removed by the next one to start: each
    is locked for as long as its process lives.
    """

    def __enter__(self) -> Self:
        place = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        _remove_abandoned(place)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        unlocked = self.path / "unlocked"
        self._lock = unlocked.open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unlocked.rename(self.path / LOCK)  # under this name it is never seen without its lock
        os.environ[VARIABLE] = str(self.path)
        return self

    def __exit__(self, *_: object) -> None:
        del os.environ[VARIABLE]
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def forget(self, pid: int) -> None:
        """What the worker process ``pid`` was doing, it does no longer; what it has counted stays."""
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid, self.path)  # type: ignore[no-untyped-call]


def _remove_abandoned(place: Path) -> None:
    for lock in place.glob(f"{_PREFIX}*/{LOCK}"):
        with suppress(OSError), lock.open("r+") as file:  # somebody else's, or locked: then it is in use
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
