"""Hashes within a few bits of one, among millions, without comparing it with all.

Exact by the pigeonhole principle: two hashes that differ in at most d bits are equal in at least one of d + 1 bands of
bits, so only hashes that share a band are compared (see :mod:`dentwatch.data.near_duplicates` for all pairs at once).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.perceptual_hash import HASH_BITS, distances

_MAX_BAND_BITS = 16  # a table of 65,536 buckets per band at most
_TAIL = 4096  # newest hashes that are compared one by one, at least
_TAIL_SHARE = 1 / 16  # of all hashes that may be in the tail before the buckets are made anew


@dataclass(frozen=True, slots=True)
class _Band:
    """The hashes by what stands in one band: ``order[starts[key]:starts[key + 1]]`` are places of those with a key."""

    shift: int
    mask: int
    starts: NDArray[np.int64]
    order: NDArray[np.uint32]


class HashBands:
    """64-bit hashes with the owner and the entry (64-bit numbers) that each stands for.

    44 bytes a hash at a distance of 4: three numbers, and a place in each of five bands. Not safe for threads.
    """

    def __init__(self, distance: int) -> None:
        if not 0 <= distance < HASH_BITS:
            raise ValueError(f"hashes of {HASH_BITS} bits cannot be compared at a distance of {distance}")
        self._distance = distance
        self._count = 0
        self._banded = 0
        self._bands: list[_Band] = []
        self._hashes = np.zeros(_TAIL, np.uint64)
        self._owners = np.zeros(_TAIL, np.uint64)
        self._entries = np.zeros(_TAIL, np.int64)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the index takes."""
        arrays: list[NDArray[Any]] = [self._hashes, self._owners, self._entries]
        arrays += [array for band in self._bands for array in (band.starts, band.order)]
        return sum(array.nbytes for array in arrays)

    def add(self, hashes: Sequence[int], owners: Sequence[int], entries: Sequence[int]) -> None:
        """Add hashes, each with its owner and its entry."""
        end = self._count + len(hashes)
        if end > len(self._hashes):
            room = end + end // 8
            for name in ("_hashes", "_owners", "_entries"):
                setattr(
                    self, name, np.concatenate([(old := getattr(self, name)), np.zeros(room - len(old), old.dtype)])
                )
        self._hashes[self._count : end] = np.array(hashes, np.uint64)
        self._owners[self._count : end] = np.array(owners, np.uint64)
        self._entries[self._count : end] = np.array(entries, np.int64)
        self._count = end

    def find(self, value: int, owner: int, limit: int) -> list[tuple[int, int]]:
        """``(entry, distance)`` of the hashes near ``value`` that belong to other owners, nearest first."""
        if self._count - self._banded > max(_TAIL, self._count * _TAIL_SHARE):
            self._make_bands()
        candidates = [np.arange(self._banded, self._count)]
        for band in self._bands:
            key = value >> band.shift & band.mask
            candidates.append(band.order[band.starts[key] : band.starts[key + 1]].astype(np.int64))
        places = np.concatenate(candidates)
        wanted = np.array([value], np.uint64)
        bits = distances(self._hashes[places], wanted)
        places = np.unique(places[(bits <= self._distance) & (self._owners[places] != np.uint64(owner))])
        bits = distances(self._hashes[places], wanted)
        nearest = np.argsort(bits, kind="stable")[:limit]
        return list(zip(self._entries[places[nearest]].tolist(), bits[nearest].tolist(), strict=True))

    def _make_bands(self) -> None:
        edges = np.linspace(0, HASH_BITS, self._distance + 2).astype(int).tolist()
        hashes = self._hashes[: self._count]
        self._bands = []
        for start, end in pairwise(edges):
            width = min(end - start, _MAX_BAND_BITS)
            keys = (hashes >> np.uint64(start)).astype(np.uint16) & np.uint16((1 << width) - 1)
            counts = np.bincount(keys, minlength=1 << width)
            starts = np.concatenate([[0], np.cumsum(counts)])
            order = np.argsort(keys, kind="stable").astype(np.uint32)  # 16-bit keys: a radix sort
            self._bands.append(_Band(start, (1 << width) - 1, starts, order))
        self._banded = self._count
