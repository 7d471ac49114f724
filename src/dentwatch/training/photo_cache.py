"""Photos decoded and shrunk once, so that the network and not the JPEG decoder is the limit of training.

A cache is one file of raw RGB bytes, read through memory mapping and shared by all processes, and an index. It is named
by what is in it, so the same photos at the same side are cached once; a half-written one has no index and is made anew.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.decoding import decode
from dentwatch.errors import DatasetError, PhotoError
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.photos import PhotoStore


class Entry(NamedTuple):
    """Where a photo lies in the file, and its size there in pixels."""

    offset: int
    height: int
    width: int


class PhotoCache:
    """Decoded photos by their place in ``records``, longer side at most ``side`` pixels.

    Picklable: each process maps the file itself.
    """

    def __init__(self, path: Path, entries: Sequence[Entry]) -> None:
        self._path = path
        self._entries = entries
        self._bytes: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __getstate__(self) -> dict[str, object]:
        """Leave the mapping behind."""
        return {**self.__dict__, "_bytes": None}

    def photo(self, index: int) -> NDArray[np.uint8]:
        """The photo, uint8 ``(H, W, 3)`` RGB; a read-only view of the file."""
        if self._bytes is None:
            self._bytes = np.memmap(self._path, np.uint8, mode="r")
        offset, height, width = self._entries[index]
        return self._bytes[offset : offset + height * width * 3].reshape(height, width, 3)


def open_cache(
    records: Sequence[PhotoRecord],
    store: PhotoStore,
    folder: Path,
    side: int,
    *,
    max_pixels: int,
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> PhotoCache:
    """The cache of ``records`` in ``folder``, made now if it is not there.

    ``on_progress`` is called with photos done and their number. Raises :class:`DatasetError` naming a photo that the
    store no longer holds or that cannot be decoded.
    """
    key = hashlib.sha256(f"{side}".encode() + b"".join(bytes.fromhex(r.photo_id) for r in records)).hexdigest()[:16]
    path, index = folder / f"{key}.rgb", folder / f"{key}.json"
    if not index.exists():
        folder.mkdir(parents=True, exist_ok=True)
        entries = _write(records, store, path, side, max_pixels, workers, on_progress)
        temporary = index.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(entries))
        temporary.replace(index)
    return PhotoCache(path, [Entry(*entry) for entry in json.loads(index.read_text())])


def _write(
    records: Sequence[PhotoRecord],
    store: PhotoStore,
    path: Path,
    side: int,
    max_pixels: int,
    workers: int,
    on_progress: Callable[[int, int], None] | None,
) -> list[Entry]:
    entries: list[Entry] = []
    temporary = path.with_suffix(f".{os.getpid()}")
    with temporary.open("wb") as file:
        for photo in _prepared(partial(_prepare, store.url, side, max_pixels), records, workers):
            entries.append(Entry(file.tell(), photo.shape[0], photo.shape[1]))
            file.write(photo.tobytes())
            if on_progress is not None:
                on_progress(len(entries), len(records))
    temporary.replace(path)
    return entries


def _prepared(
    prepare: Callable[[PhotoRecord], NDArray[np.uint8]], records: Sequence[PhotoRecord], workers: int
) -> Iterator[NDArray[np.uint8]]:
    """Prepared photos in order; at most a few more than ``workers`` are in memory at a time."""
    with ThreadPoolExecutor(workers) as pool:  # decoding and shrinking run outside Python's lock
        remaining = iter(records)
        pending = [pool.submit(prepare, record) for record in islice(remaining, 8 * workers)]
        while pending:
            yield pending.pop(0).result()
            pending += [pool.submit(prepare, record) for record in islice(remaining, 1)]


def _prepare(store_url: str, side: int, max_pixels: int, record: PhotoRecord) -> NDArray[np.uint8]:
    try:
        rgb = decode(PhotoStore(store_url).get(record.photo_id), max_pixels=max_pixels, target_side=side).rgb
    except PhotoError as error:
        raise DatasetError(
            f"The photo {record.name} ({record.photo_id[:12]}…) of the dataset version cannot be read: {error.message}",
            "Ingest its source again to restore it.",
        ) from error
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return rgb
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
