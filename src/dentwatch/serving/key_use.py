"""What one API key is doing in all worker processes of a service: how often it asks, and how much at once.

Worker processes share a file per key. A request that is under way holds a lock on a byte of it (``fcntl.lockf``), which
the system lets go of when its process dies, however it dies; the file's content is the state of the token bucket.
"""

import fcntl
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dentwatch.serving.token_bucket import TokenBucket
from dentwatch.settings import ServingSettings

_STATE = struct.Struct("<2d")  # tokens, and the moment of their count
_BUCKET_BYTE = 0  # is locked while the state is read and written; those behind it are places of requests


class KeyUse:
    """The use of the key with the id ``key_id``, held to the limits of ``settings``.

    ``folder`` is the same for all processes that count together; None counts for this process alone. In each process
    there may be one object per key: the system's locks belong to processes. Not for several threads at a time.
    """

    def __init__(self, key_id: str, settings: ServingSettings, folder: Path | None) -> None:
        self._settings = settings
        self._file = _opened(folder / key_id) if folder else tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (see close)
        self._places = range(_BUCKET_BYTE + 1, _BUCKET_BYTE + 1 + settings.key_concurrency)
        self._taken: set[int] = set()  # by this process

    def take_place(self) -> int | None:
        """A place among the requests that are under way, to be given to :meth:`leave`; None while all are taken."""
        for place in self._places:
            if place not in self._taken and self._locked(place):
                self._taken.add(place)
                return place
        return None

    def leave(self, place: int) -> None:
        """The request at ``place`` is done."""
        self._taken.remove(place)
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)

    def take_token(self, now: float) -> float:
        """Count a request: 0, or the seconds until one is allowed again; ``now`` is of a clock of the whole machine."""
        with self._bucket_locked():
            kept = os.pread(self._file.fileno(), _STATE.size, 0)
            state = _STATE.unpack(kept) if len(kept) == _STATE.size else (self._settings.burst, now)
            bucket = TokenBucket(self._settings.rate, self._settings.burst, at=state[1], tokens=state[0])
            wait = bucket.take(now)
            os.pwrite(self._file.fileno(), _STATE.pack(bucket.tokens, bucket.at), 0)
        return wait

    def close(self) -> None:
        """Let go of every place."""
        self._file.close()

    def _locked(self, place: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # POSIX lets a system say either: another process holds it
            return False
        return True

    @contextmanager
    def _bucket_locked(self) -> Iterator[None]:
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _BUCKET_BYTE)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _BUCKET_BYTE)


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
