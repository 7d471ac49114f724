"""Causes that a camera, its light or the way of the file can have, as directions in the space of ranks.

The directions are fitted on synthetic photos with simulated drifts (``python benchmarks/drift/fit_causes.py`` writes
``causes.json``), never on the reference: a direction fitted there would find its own noise again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Direction:
    """One cause at one strength: a score of ``z`` and of the products of its statistics, and what the score tells.

    ``linear`` ``(S,)`` and ``products`` ``(S·(S + 1)/2,)`` (pairs as :func:`pairs` orders them) are weights;
    ``density`` ``(E − 1,)`` is that of the score's rank under drift, between the edges of :func:`density_edges`.
    """

    cause: str
    level: str
    statistics: tuple[str, ...]
    linear: tuple[float, ...]
    products: tuple[float, ...]
    density: tuple[float, ...]


def density_edges() -> NDArray[np.float64]:
    """Edges of the bins of a score's rank, finer where drifted scores lie."""
    return np.array([0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.96, 0.985, 0.995, 0.9985, 1])


def pairs(count: int) -> list[tuple[int, int]]:
    """The pairs of ``count`` statistics whose products a score weighs, squares included."""
    return list(combinations_with_replacement(range(count), 2))


@cache
def shipped_directions() -> tuple[Direction, ...]:
    """The directions of ``causes.json``."""
    document = json.loads((files(__package__) / "causes.json").read_text("utf-8"))
    fields = ("statistics", "linear", "products", "density")
    return tuple(
        Direction(entry["cause"], entry["level"], *(tuple(entry[field]) for field in fields))
        for entry in document["directions"]
    )


class Causes:
    """The scores of the causes whose statistics are all among ``available``."""

    def __init__(self, available: Sequence[str], directions: Sequence[Direction] | None = None) -> None:
        wanted = shipped_directions() if directions is None else directions
        self._directions = tuple(one for one in wanted if set(one.statistics) <= set(available))
        self.names = tuple(direction.cause for direction in self._directions)
        """The cause of each direction, ``C`` of them; a cause may have several."""
        used = sorted({name for direction in self._directions for name in direction.statistics})
        self._columns = np.array([list(available).index(name) for name in used], np.int64)
        weights = [_spread(one, used) for one in self._directions]
        self._linear = np.array([linear for linear, _ in weights]).reshape(len(self), len(used)).T.copy()
        self._products = np.array([products for _, products in weights]).reshape(len(self), len(used) ** 2).T.copy()

    def __len__(self) -> int:
        return len(self._directions)

    def statistics_of(self, number: int) -> tuple[str, ...]:
        """The statistics that direction ``number`` looks at."""
        return self._directions[number].statistics

    def densities(self) -> NDArray[np.float64]:
        """Each direction's density between :func:`density_edges`, ``(C, E − 1)``."""
        return np.array([direction.density for direction in self._directions])

    def scores(self, normal: NDArray[np.float64]) -> NDArray[np.float64]:
        """The scores ``(k, C)`` of photos whose statistics are ``normal`` ``(k, J)``, in the order of ``available``."""
        used = normal.take(self._columns, axis=1)
        # All products of two, though half of them are there twice: one matrix product is sooner done than a choice.
        products = (used[:, :, None] * used[:, None, :]).reshape(len(used), -1) @ self._products
        products += used @ self._linear
        return np.asarray(products)


def _spread(direction: Direction, used: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights of one direction over all ``U`` statistics in use, ``(U,)``, and all their products, ``(U, U)``."""
    at = [used.index(name) for name in direction.statistics]
    linear, products = np.zeros(len(used)), np.zeros((len(used), len(used)))
    linear[at] = direction.linear
    for (one, other), weight in zip(pairs(len(at)), direction.products, strict=True):
        products[at[one], at[other]] = weight
    return linear, products
