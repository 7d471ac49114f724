"""Which photos look alike: all pairs of hashes within a distance, without comparing all with all."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.perceptual_hash import HASH_BITS, distances

_CHUNK = 1 << 20  # pairs compared at once: bounds memory to some tens of MB


def near_pairs(
    hashes: NDArray[np.uint64],
    mirrored: NDArray[np.uint64],
    vehicles: NDArray[np.int64],
    new: NDArray[np.bool_],
    distance: int,
) -> Iterator[tuple[int, int, bool]]:
    """Pairs ``(i, j, is_mirrored)``, i < j, of photos within ``distance`` bits, at least one of them ``new``.

    Photos with one and the same hash are not paired all with all, but so that each is paired with one of its own
    vehicle and one of another, where there is one; between different hashes one photo stands for all that share its
    hash. So pairs grow with the number of photos, and still link everything that looks alike.

    Exact by the pigeonhole principle: two hashes that differ in at most d bits are equal in at least one of d + 1
    bands of bits, so only photos that share a band are compared. Arrays are ``(N,)``; ``vehicles`` are any numbers.
    """
    for i, j in _with_equal_hash(hashes, vehicles):
        if new[i] or new[j]:
            yield i, j, False
    # From here on one photo stands for all that share its hash: a new one where there is one.
    preferred = np.lexsort((~new, hashes))
    first = np.ones(len(preferred), bool)
    first[1:] = hashes[preferred][1:] != hashes[preferred][:-1]
    representatives = np.sort(preferred[first])
    own = hashes[representatives]
    for is_mirrored, other in ((False, own), (True, mirrored[representatives])):
        for i, j in _within(own, other, distance):
            a, b = int(representatives[i]), int(representatives[j])
            if a < b and (new[a] or new[b]):
                yield a, b, is_mirrored


def _with_equal_hash(hashes: NDArray[np.uint64], vehicles: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Pairs of photos with one hash: neighbours when sorted by vehicle, and each with the first and the last."""
    order = np.lexsort((vehicles, hashes))
    edges = np.flatnonzero(np.diff(hashes[order])) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(order)]])
    for start, end in zip(starts[ends - starts > 1], ends[ends - starts > 1], strict=True):
        run = [int(i) for i in order[start:end]]
        pairs = {*pairwise(run), *((run[0], i) for i in run[1:]), *((i, run[-1]) for i in run[:-1])}
        yield from sorted((min(pair), max(pair)) for pair in pairs)


def _within(one: NDArray[np.uint64], other: NDArray[np.uint64], distance: int) -> Iterator[tuple[int, int]]:
    """Every (i, j), i ≠ j, with one[i] and other[j] within ``distance`` bits; each pair once."""
    edges = np.linspace(0, HASH_BITS, distance + 2).astype(int)
    masks = [np.uint64(((1 << int(end - start)) - 1) << int(start)) for start, end in pairwise(edges)]
    for number, mask in enumerate(masks):
        keys, other_keys = one & mask, other & mask
        order = np.argsort(other_keys, kind="stable")
        ranked = other_keys[order]
        left, right = np.searchsorted(ranked, keys, "left"), np.searchsorted(ranked, keys, "right")
        for i, j in _expanded(left, right, order):
            close = (distances(one[i], other[j]) <= distance) & (i != j)
            for earlier in masks[:number]:  # a pair that shares an earlier band was found there
                close &= (one[i] & earlier) != (other[j] & earlier)
            yield from zip(i[close].tolist(), j[close].tolist(), strict=True)


def _expanded(
    left: NDArray[Any], right: NDArray[Any], order: NDArray[Any]
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """For each i the indices ``order[left[i]:right[i]]``, as flat arrays of at most about ``_CHUNK`` pairs."""
    counts = right - left
    starts = np.concatenate([[0], np.cumsum(counts)])
    begin = 0
    while begin < len(counts):
        end = max(begin + 1, int(np.searchsorted(starts, starts[begin] + _CHUNK, "right")) - 1)
        i = np.repeat(np.arange(begin, end), counts[begin:end])
        offsets = np.arange(len(i)) - np.repeat(starts[begin:end] - starts[begin], counts[begin:end])
        yield i, order[left[i] + offsets]
        begin = end
