"""What all bets pay for the photos of one vehicle: e-values, whose mean on clean vehicles is at most 1."""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dentwatch.errors import UnarmedError
from dentwatch.monitoring.drift.bets import BetTable, cause_bets, statistic_bets
from dentwatch.monitoring.drift.causes import Causes, Direction, density_edges
from dentwatch.monitoring.drift.channels import Layout, layout
from dentwatch.monitoring.drift.deflator import CONFIDENCE, mean_bound
from dentwatch.monitoring.drift.ranks import ReferenceRanks

LEAST_PHOTOS = 300
LEAST_VEHICLES = 130
MOST_VEHICLES = 4000
"""Of larger references so many vehicles are drawn (with a fixed seed): more would only cost memory."""
LEAST_DESIGN_EFFECT = 2.0
"""The least that the photos of a vehicle are taken to be alike; few photos that pay cannot show it."""

Unit = Literal["vehicle", "photo"]


class Odds:
    """The bets against one reference; it never changes once made, so detectors of many slices share it.

    ``features`` ``(N, F)`` are the reference's, NaN where missing, named ``names``; ``vehicles`` ``(N,)`` says whose
    photos they are. ``unit`` is what a stream brings: all photos of a vehicle at once, or single photos that are
    independent of one another.

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
        sizes = np.bincount(owners)
        # One vehicle never seen before may bring all its photos, and they may all look alike.
        alike = float((sizes**2).sum() / sizes.sum())
        self._unseen = 1 - (1 - CONFIDENCE) ** (alike / len(features)) if unit == "photo" else 0.0
        self._effective = float(len(sizes))
        # A statistic that is missing from most of the reference cannot be watched.
        present = (~np.isnan(features)).sum(axis=0)
        self._columns = np.flatnonzero(present >= max(LEAST_PHOTOS, len(features) / 2))
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
        self._ranks = ReferenceRanks(watched)
        self._table = statistic_bets(self._ranks, self._effective, self._unseen)
        self._causes = Causes(self.statistics, directions)
        self.layout: Layout = layout(self.statistics, self._causes)
        """Which bet belongs to which channel, and what it bets on."""
        self._score_ranks, self._cause_table = self._judge_causes(watched)
        self._inverse = 1.0 / self._bounds(watched, owners, unit)
        self.fingerprint = self._fingerprint()
        """Names the bets and the reference: a state goes only with the odds that it was made with."""

    def of(self, photos: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """E-values ``(B,)`` of the bets, and the mean figures ``(J,)``, of the photos ``(k, F)`` of one vehicle.

        Raises :class:`ValueError` without any photo.
        """
        if not len(photos):
            raise ValueError("An update needs at least one photo.")
        watched = photos.take(self._columns, axis=1)
        pays = self._pays(watched)
        mean = watched[0] if len(watched) == 1 else watched.mean(axis=0)
        return (pays[0] if len(pays) == 1 else pays.mean(axis=0)) * self._inverse, mean

    def _pays(self, watched: NDArray[np.float64]) -> NDArray[np.float64]:
        """What every bet pays for every photo, before the deflator, ``(k, B)``."""
        ranks = self._ranks.of(watched)
        on_statistics = self._table.pays(ranks).reshape(len(watched), -1)
        if self._score_ranks is None or self._cause_table is None:
            return on_statistics
        scores = self._causes.scores(self._ranks.normal(ranks))
        on_causes = self._cause_table.pays(self._score_ranks.of(scores)).reshape(len(watched), -1)
        return np.concatenate([on_statistics, on_causes], axis=1)

    def _judge_causes(self, watched: NDArray[np.float64]) -> tuple[ReferenceRanks | None, BetTable | None]:
        if not len(self._causes):
            return None, None
        scores = ReferenceRanks(self._causes.scores(self._ranks.normal(self._ranks.of(watched))))
        return scores, cause_bets(scores, density_edges(), self._causes.densities(), self._effective, self._unseen)

    def _bounds(self, watched: NDArray[np.float64], owners: NDArray[np.int64], unit: Unit) -> NDArray[np.float64]:
        """The most that each bet pays on average on clean photos, ``(B,)``, at least what it pays on the reference."""
        values = self._pays(watched)
        highest = self._table.highest.ravel()
        if self._cause_table is not None:
            highest = np.concatenate([highest, self._cause_table.highest.ravel()])
        sums = _sums(values, owners)
        if unit == "photo":
            worth = len(values) / design_effect(values, owners)
            # A vehicle's photos may all be alike in one statistic; a cause's score of many is less so.
            worth[: self._table.highest.size] = np.log(1 - CONFIDENCE) / np.log1p(-self._unseen)
            return np.maximum(mean_bound(values, highest, worth), highest * self._unseen)
        return mean_bound(sums / np.bincount(owners)[:, None], highest, self._effective)

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(repr((self.statistics, self.layout.labels)).encode())
        digest.update(np.ascontiguousarray(self._inverse).tobytes())
        digest.update(np.ascontiguousarray(self._table.cumulated).tobytes())
        return digest.hexdigest()


def _check_size(photos: int, vehicles: int) -> None:
    if photos < LEAST_PHOTOS or vehicles < LEAST_VEHICLES:
        raise UnarmedError(
            f"The reference has {photos} photos of {vehicles} vehicles; "
            f"{LEAST_PHOTOS} photos of {LEAST_VEHICLES} vehicles are the fewest that can keep the false-alarm promise.",
            "Promote a model with a larger validation set, or let the monitor collect its reference from traffic.",
        )


def _sums(values: NDArray[np.float64], owners: NDArray[np.int64]) -> NDArray[np.float64]:
    sums = np.zeros((owners.max() + 1, values.shape[1]))
    np.add.at(sums, owners, values)
    return sums


def design_effect(values: NDArray[np.float64], owners: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many photos are worth one independent photo for the mean of each bet, ``(B,)``, since a vehicle's are alike.

    The variance of the mean with whole vehicles drawn ÷ that with single photos drawn (Kish, "Survey Sampling", 1965),
    and at least :data:`LEAST_DESIGN_EFFECT`.
    """
    apart = values - values.mean(axis=0)
    alone = (apart**2).sum(axis=0)
    together = (_sums(apart, owners) ** 2).sum(axis=0)
    return np.asarray(np.maximum(together / np.where(alone > 0, alone, 1.0), LEAST_DESIGN_EFFECT), np.float64)


def _thinned(features: NDArray[np.float64], vehicles: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The features, and the number of each photo's vehicle, of at most :data:`MOST_VEHICLES` vehicles."""
    unique, owners = np.unique(np.asarray(vehicles), return_inverse=True)
    if len(unique) <= MOST_VEHICLES:
        return features, owners.astype(np.int64)
    drawn = np.random.default_rng(0).permutation(len(unique))[:MOST_VEHICLES]
    kept = np.isin(owners, drawn)
    return features[kept], np.unique(owners[kept], return_inverse=True)[1].astype(np.int64)
