"""Pairs of photos of one vehicle, whose mean figures vary less than a photo's and so tell a drift sooner.

The mean over pairs has the same expectation for vehicles with more photos and with fewer, as the mean over single
photos has. So a reference whose vehicles have other numbers of photos than the traffic's is as good.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

MOST_IN_ALL_PAIRS = 4
"""Up to so many photos form all their pairs; of more, each is in two."""


def pair_means(photos: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean figures of pairs of the ``photos`` ``(k, J)`` of one vehicle, ``(P, J)``; ``k`` is at least 2.

    A figure that one photo lacks is the other's; NaN only where both lack it.
    """
    return _means(photos, *_numbers(len(photos)))


def reference_pairs(
    photos: NDArray[np.float64], owners: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The mean figures of pairs of ``photos`` ``(N, J)``, and which of ``owners`` ``(N,)`` each pair belongs to."""
    by_vehicle = np.split(np.argsort(owners, kind="stable"), np.cumsum(np.bincount(owners))[:-1])
    numbers = [(own, _numbers(len(own))) for own in by_vehicle]
    first = np.concatenate([own[one] for own, (one, _) in numbers])
    second = np.concatenate([own[other] for own, (_, other) in numbers])
    return _means(photos, first, second), owners[first]


@cache
def _numbers(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of ``count`` photos are the first and the second of each pair."""
    if count <= MOST_IN_ALL_PAIRS:
        first, second = np.triu_indices(count, 1)
        return first, second
    # In a ring, of random order: photos that follow one another often show the same side of the car.
    ring = np.random.default_rng(count).permutation(count)
    return ring, np.roll(ring, 1)


def _means(photos: NDArray[np.float64], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    one, other = photos.take(first, axis=0), photos.take(second, axis=0)
    means = one + other
    means *= 0.5
    if np.isnan(means.sum()):
        means = np.where(np.isnan(one), other, np.where(np.isnan(other), one, means))
    return means
