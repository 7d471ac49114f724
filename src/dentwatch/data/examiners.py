"""Processes that examine photos, a bounded number of photos ahead of whoever takes the results."""

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.processes import deaf_to_ctrl_c, end_with_parent
from dentwatch.data.validation import Examined, Rules, examine, set_aside_whole
from dentwatch.errors import PhotoError
from dentwatch.records.photos import PhotoStore

_BATCH = 8  # photos per message: few enough to spread evenly, many enough to hide what a message costs
_AHEAD = 3  # batches per process that wait or are in work; with _BATCH it bounds memory

_rules: Rules
_store: PhotoStore


def examine_all(
    photos: Iterable[IncomingPhoto], rules: Rules, photos_url: str, workers: int
) -> Iterator[tuple[IncomingPhoto, Examined]]:
    """Examine every photo, in ``workers`` processes (1: in this one), and give the results in the photos' order.

    A photo on which a process dies (a decoder that crashes, memory that runs out) is set aside as ``unreadable``; the
    others go on.
    """
    if workers == 1:
        store = PhotoStore(photos_url)
        for photo in photos:
            yield photo, examine(photo, rules, store)
        return
    stream = iter(photos)
    while first := list(islice(stream, _BATCH)):
        pool = _pool(rules, photos_url, workers)
        pending: deque[tuple[list[IncomingPhoto], Future[list[Examined]]]] = deque()
        pending.append((first, _submitted(pool, first)))
        try:
            while pending:
                while len(pending) < workers * _AHEAD and (batch := list(islice(stream, _BATCH))):
                    pending.append((batch, _submitted(pool, batch)))
                yield from zip(pending[0][0], pending[0][1].result(), strict=True)
                pending.popleft()
        except BrokenProcessPool:
            suspects = [photo for batch, _ in pending for photo in batch]
            yield from _one_by_one(suspects, rules, photos_url)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _one_by_one(photos: list[IncomingPhoto], rules: Rules, photos_url: str) -> Iterator[tuple[IncomingPhoto, Examined]]:
    """Examine photos of which one kills its process, each on its own, to find out which."""
    pool = _pool(rules, photos_url, 1)
    for photo in photos:
        try:
            yield photo, _submitted(pool, [photo]).result()[0]
        except BrokenProcessPool:
            pool.shutdown()
            pool = _pool(rules, photos_url, 1)
            error = PhotoError(
                "unreadable", "The process that decoded it died.", "Look at the file, or fetch it again."
            )
            yield photo, set_aside_whole(photo, None, error)
    pool.shutdown()


def _submitted(pool: ProcessPoolExecutor, batch: list[IncomingPhoto]) -> "Future[list[Examined]]":
    try:
        with deaf_to_ctrl_c():  # a process may be started for it
            return pool.submit(_examine_batch, batch)
    except BrokenProcessPool as error:  # a process died since the last look; the batch must not be lost over it
        future: Future[list[Examined]] = Future()
        future.set_exception(error)
        return future


def _pool(rules: Rules, photos_url: str, workers: int) -> ProcessPoolExecutor:
    # Started afresh instead of forked: file systems such as S3's run threads, and threads do not survive a fork.
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _set_up, (rules, photos_url))


def _set_up(rules: Rules, photos_url: str) -> None:
    global _rules, _store
    import cv2

    cv2.setNumThreads(1)  # the processes share the cores already
    # glibc returns memory to the system after each photo and faults it in again for the next one, until it has seen a
    # block as large as this one go: some 15 % of the processor time.
    bytearray(24 << 20)
    _rules, _store = rules, PhotoStore(photos_url)
    end_with_parent()


def _examine_batch(batch: list[IncomingPhoto]) -> list[Examined]:
    return [examine(photo, _rules, _store) for photo in batch]
