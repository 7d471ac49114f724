"""A hold on a run or a search: one process at a time is at work on it."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dentwatch.errors import RunHeldError

_here: set[Path] = set()
_changing = threading.Lock()


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file ``path`` of ``what``, as in ``the run first``, as the only one at work on it.

    It is a lock of the operating system, so that a killed process frees it; its id is in the file. Raises
    :class:`RunHeldError` when another process, or another thread of this one, holds it.
    """
    path = path.absolute()
    with _changing:
        if path in _here:  # closing the file a second time would free the lock of the first
            raise _refusal(what, str(os.getpid()))
        _here.add(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+", encoding="utf-8") as file:
            try:
                # Unlike with flock, processes that prepare photos do not hold it on when this one is killed.
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError) as error:  # systems differ in which
                file.seek(0)
                raise _refusal(what, file.read()) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
    finally:
        with _changing:
            _here.discard(path)


def _refusal(what: str, holder: str) -> RunHeldError:
    process = f"Another process ({holder})" if holder.isdecimal() else "Another process"
    return RunHeldError(
        f"{process} is at work on {what}.", "Wait until it has finished, or end it; then run the command again."
    )
