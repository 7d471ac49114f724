"""What all bets pay for the photos of one vehicle: e-values, whose mean on clean vehicles is at most 1."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dentwatch.errors import UnarmedError
from dentwatch.monitoring.drift.book import Book, Unit
from dentwatch.monitoring.drift.causes import Causes, Direction
from dentwatch.monitoring.drift.channels import Layout, layout
from dentwatch.monitoring.drift.deflator import confidence_of_each
from dentwatch.monitoring.drift.pairs import pair_means, reference_pairs

LEAST_PHOTOS = 300
LEAST_VEHICLES = 130
MOST_VEHICLES = 4000
"""Of larger references so many vehicles are drawn (with a fixed seed): more would only cost memory."""


class Odds:
    """The bets against one reference; it never changes once made, so detectors of many slices share it.

    ``features`` ``(N, F)`` are the reference's, NaN where missing, named ``names``; ``vehicles`` ``(N,)`` says whose
    photos they are. ``unit`` is what a stream brings: all photos of a vehicle at once, or single photos that are
    independent of one another.

    Two or more photos of a vehicle are judged in pairs, where the reference has enough pairs to know what is usual.

    Raises :class:`UnarmedError` for fewer than :data:`LEAST_PHOTOS` photos or :data:`LEAST_VEHICLES` vehicles, or if no
    figure is known for half of them.
    """

    def __init__(
        self,
        features: NDArray[np.float64],
        vehicles: Sequence[str],
        names: Sequence[str],
        unit: Unit = "vehicle",
        directions: Sequence[Direction] | None = None,
    ) -> None:
        _check_size(len(features), len(set(vehicles)))
        features, owners = _thinned(np.asarray(features, np.float64), vehicles)
        self._columns = _known(features, LEAST_PHOTOS)
        self.statistics = tuple(names[int(column)] for column in self._columns)
        """The names of the statistics that are bet on, ``J`` of them."""
        if not self.statistics:
            raise UnarmedError(
                f"None of the {len(names)} figures is known for half of the reference's {len(features)} photos.",
                "Make the reference anew, with photos whose statistics can be measured.",
            )
        watched = features[:, self._columns]
        spread = np.nanstd(watched, axis=0)
        self.per_spread = 1.0 / np.where(spread > 0, spread, 1.0)
        """1 ÷ the statistics' reference standard deviations in their own units, ``(J,)``; 1 where all are equal."""
        self.centre = np.nanmean(watched, axis=0)
        """Reference means of the statistics in their own units, ``(J,)``."""
        causes = Causes(self.statistics, directions)
        self.layout: Layout = layout(self.statistics, causes)
        """Which bet belongs to which channel, and what it bets on."""
        confidence = confidence_of_each(2 * len(self.layout.labels))  # bets on photos and bets on pairs
        self._on_photos = Book(watched, owners, causes, confidence, unit)
        self._on_pairs = self._book_of_pairs(watched, owners, causes, confidence)
        self.fingerprint = self._fingerprint()
        """Names the bets and the reference: a state goes only with the odds that it was made with."""

    def of(self, photos: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """E-values ``(B,)`` of the bets, and the mean figures ``(J,)``, of the photos ``(k, F)`` of one vehicle.

        Raises :class:`ValueError` without any photo.
        """
        if not len(photos):
            raise ValueError("An update needs at least one photo.")
        watched = photos.take(self._columns, axis=1)
        if len(watched) == 1:
            return self._on_photos.e_values(watched), watched[0]
        watched = _different(watched)
        mean = np.add.reduce(watched, axis=0) * (1.0 / len(watched))
        if len(watched) == 1 or self._on_pairs is None:
            return self._on_photos.e_values(watched), mean
        return self._on_pairs.e_values(pair_means(watched)), mean

    def _book_of_pairs(
        self, watched: NDArray[np.float64], owners: NDArray[np.int64], causes: Causes, confidence: float
    ) -> Book | None:
        pairs, whose = reference_pairs(watched, owners)
        vehicles, whose = np.unique(whose, return_inverse=True)
        if len(vehicles) < LEAST_VEHICLES or len(_known(pairs)) < len(self.statistics):
            return None
        return Book(pairs, whose, causes, confidence)

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(repr((self.statistics, self.layout.labels)).encode())
        for book in (self._on_photos, self._on_pairs):
            digest.update(book.fingerprint if book else b"none")
        return digest.hexdigest()


def _check_size(photos: int, vehicles: int) -> None:
    if photos < LEAST_PHOTOS or vehicles < LEAST_VEHICLES:
        raise UnarmedError(
            f"The reference has {photos} photos of {vehicles} vehicles; "
            f"{LEAST_PHOTOS} photos of {LEAST_VEHICLES} vehicles are the fewest that can keep the false-alarm promise.",
            "Promote a model with a larger validation set, or let the monitor collect its reference from traffic.",
        )


def _known(features: NDArray[np.float64], least: int = 0) -> NDArray[np.int64]:
    """The columns that ``least`` rows and half of them know: a figure that is missing from most cannot be watched."""
    return np.flatnonzero((~np.isnan(features)).sum(axis=0) >= max(least, len(features) / 2))


def _different(photos: NDArray[np.float64]) -> NDArray[np.float64]:
    """The photos without those that are there twice: a pair of equal ones is unlike all pairs of the reference."""
    if len(set(photos[:, 0].tolist())) == len(photos):
        return photos
    return np.asarray(np.unique(photos, axis=0), np.float64)


def _thinned(features: NDArray[np.float64], vehicles: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The features, and the number of each photo's vehicle, of at most :data:`MOST_VEHICLES` vehicles."""
    unique, owners = np.unique(np.asarray(vehicles), return_inverse=True)
    if len(unique) <= MOST_VEHICLES:
        return features, owners.astype(np.int64)
    drawn = np.random.default_rng(0).permutation(len(unique))[:MOST_VEHICLES]
    kept = np.isin(owners, drawn)
    return features[kept], np.unique(owners[kept], return_inverse=True)[1].astype(np.int64)
