"""All bets on the figures of single photos, or of pairs of photos, against a reference of the same kind."""

import hashlib
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dentwatch.monitoring.drift.bets import BetTable, cause_bets, statistic_bets
from dentwatch.monitoring.drift.causes import Causes, density_edges
from dentwatch.monitoring.drift.deflator import Worth, mean_bound
from dentwatch.monitoring.drift.ranks import ReferenceRanks

LEAST_DESIGN_EFFECT = 2.0
"""The least that the photos of a vehicle are taken to be alike; few photos that pay cannot show it."""
_UNSEEN_UNLIKELY = 0.001  # that so large a share of clean photos has stayed out of the reference

Unit = Literal["vehicle", "photo"]


class Book:
    """The bets against ``reference`` ``(N, J)``, whose rows belong to the vehicles ``owners`` ``(N,)`` (0 … V − 1).

    A row is a photo or the mean of some photos of one vehicle. ``unit`` is what a stream brings: all rows of a vehicle
    at once, or single rows that are independent of one another. ``confidence`` is that of each bet's bound.
    """

    def __init__(
        self,
        reference: NDArray[np.float64],
        owners: NDArray[np.int64],
        causes: Causes,
        confidence: float,
        unit: Unit = "vehicle",
    ) -> None:
        sizes = np.bincount(owners)
        # One vehicle never seen before may bring all its photos, and they may all look alike.
        self._alike = float((sizes**2).sum() / sizes.sum())
        unseen = 1 - _UNSEEN_UNLIKELY ** (self._alike / len(reference)) if unit == "photo" else 0.0
        worth = Worth(float(len(sizes)), confidence, unseen)
        self._causes = causes
        self._ranks = ReferenceRanks(reference)
        self._on_statistics = statistic_bets(self._ranks, worth)
        self._scores: ReferenceRanks | None = None
        self._on_causes: BetTable | None = None
        if len(causes):
            self._scores = ReferenceRanks(causes.scores(self._ranks.normal.take(self._ranks.places(reference))))
            self._on_causes = cause_bets(self._scores, density_edges(), causes.densities(), worth)
        self.bounds = self._bounds(reference, owners, unit, worth)
        """The most that each bet pays on average on clean photos, ``(B,)``, at least what it pays on the reference."""
        self._deflate()

    def e_values(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean over ``rows`` ``(k, J)`` of one vehicle of what each bet pays, ``(B,)``: statistics, then causes."""
        pays = self._pays(rows)
        paid: NDArray[np.float64] = pays[0] if len(pays) == 1 else np.add.reduce(pays, axis=0) * (1.0 / len(pays))
        return paid

    @property
    def fingerprint(self) -> bytes:
        """Tells the bets and the reference from others."""
        return hashlib.sha256(self._on_statistics.pays.tobytes() + self.bounds.tobytes()).digest()

    def _pays(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """What every bet pays for every row, ``(k, B)``."""
        places = self._ranks.places(rows)
        on_statistics = self._on_statistics.pays.take(places, axis=0).reshape(len(rows), -1)
        if self._scores is None or self._on_causes is None:
            return on_statistics
        scores = self._causes.scores(self._ranks.normal.take(places))
        on_causes = self._on_causes.pays.take(self._scores.places(scores), axis=0).reshape(len(rows), -1)
        return np.concatenate([on_statistics, on_causes], axis=1)

    def _bounds(
        self, reference: NDArray[np.float64], owners: NDArray[np.int64], unit: Unit, worth: Worth
    ) -> NDArray[np.float64]:
        values = self._pays(reference)
        highest = self._on_statistics.highest.ravel()
        if self._on_causes is not None:
            highest = np.concatenate([highest, self._on_causes.highest.ravel()])
        if unit == "photo":
            effective = len(values) / design_effect(values, owners)
            # A vehicle's photos may all be alike in one statistic; a cause's score of many is less so.
            effective[: self._on_statistics.highest.size] = len(values) / self._alike
            return np.maximum(mean_bound(values, highest, effective, worth.confidence), highest * worth.unseen)
        means = _sums(values, owners) / np.bincount(owners)[:, None]
        return mean_bound(means, highest, worth.photos, worth.confidence)

    def _deflate(self) -> None:
        """Divide by the bounds, once and in the tables."""
        size = self._on_statistics.highest.size
        self._on_statistics = _divided(self._on_statistics, self._ranks, self.bounds[:size])
        if self._scores is not None and self._on_causes is not None:
            self._on_causes = _divided(self._on_causes, self._scores, self.bounds[size:])


def design_effect(values: NDArray[np.float64], owners: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many photos are worth one independent photo for the mean of each bet, ``(B,)``, since a vehicle's are alike.

    The variance of the mean with whole vehicles drawn ÷ that with single photos drawn (Kish, "Survey Sampling", 1965),
    and at least :data:`LEAST_DESIGN_EFFECT`.
    """
    apart = values - values.mean(axis=0)
    alone = (apart**2).sum(axis=0)
    together = (_sums(apart, owners) ** 2).sum(axis=0)
    return np.asarray(np.maximum(together / np.where(alone > 0, alone, 1.0), LEAST_DESIGN_EFFECT), np.float64)


def _sums(values: NDArray[np.float64], owners: NDArray[np.int64]) -> NDArray[np.float64]:
    sums = np.zeros((owners.max() + 1, values.shape[1]))
    np.add.at(sums, owners, values)
    return sums


def _divided(table: BetTable, ranks: ReferenceRanks, bounds: NDArray[np.float64]) -> BetTable:
    per_bound = ranks.per_column(1.0 / bounds.reshape(table.highest.shape))
    return replace(table, pays=table.pays * per_bound)
