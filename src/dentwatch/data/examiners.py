"""Processes that examine photos, a bounded number of photos ahead of whoever takes the results."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.validation import Examined, Rules, examine
from dentwatch.errors import DataError
from dentwatch.records.photos import PhotoStore

_BATCH = 8  # photos per message: few enough to spread evenly, many enough to hide what a message costs
_AHEAD = 3  # batches per process that wait or are in work; with _BATCH it bounds memory

_rules: Rules
_store: PhotoStore


def examine_all(
    photos: Iterable[IncomingPhoto], rules: Rules, photos_url: str, workers: int
) -> Iterator[tuple[IncomingPhoto, Examined]]:
    """Examine every photo, in ``workers`` processes (1: in this one), and give the results in the photos' order.

    Raises :class:`DataError` when a process dies, naming the photos that it may have died of.
    """
    if workers == 1:
        store = PhotoStore(photos_url)
        for photo in photos:
            yield photo, examine(photo, rules, store)
        return
    # Started afresh instead of forked: file systems such as S3's run threads, and threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _set_up, (rules, photos_url))
    pending: deque[tuple[list[IncomingPhoto], Future[list[Examined]]]] = deque()
    stream = iter(photos)
    try:
        while True:
            while len(pending) < workers * _AHEAD and (batch := list(islice(stream, _BATCH))):
                pending.append((batch, pool.submit(_examine_batch, batch)))
            if not pending:
                break
            batch, future = pending.popleft()
            try:
                yield from zip(batch, future.result(), strict=True)
            except BrokenProcessPool as error:
                raise _died(batch) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _set_up(rules: Rules, photos_url: str) -> None:
    global _rules, _store
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    cv2.setNumThreads(1)  # the processes share the cores already
    # glibc returns memory to the system after each photo and faults it in again for the next one, until it has seen a
    # block as large as this one go: some 15 % of the processor time.
    bytearray(24 << 20)
    _rules, _store = rules, PhotoStore(photos_url)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed ingest must not leave processes behind that wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _examine_batch(batch: list[IncomingPhoto]) -> list[Examined]:
    return [examine(photo, _rules, _store) for photo in batch]


def _died(batch: list[IncomingPhoto]) -> DataError:
    names = ", ".join(photo.name for photo in batch)
    return DataError(
        f"A process that examines photos died, probably for want of memory, at or near one of these: {names}.",
        "Run the command again, with --workers 1 to find the photo.",
    )
