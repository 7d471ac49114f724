"""Splits by vehicle, stable for ever: a vehicle's split is a function of its id.

New photos never move old ones, and no vehicle is in two splits. In order of strength, a vehicle is in the split that
it is in already; that its source states; of a vehicle whose photos look the same as its own; that its hash says.
Where test is frozen, neither the hash nor a look-alike puts a vehicle there; one that looks like test goes to val.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from dentwatch.records.annotations import SPLITS, Split


def split_of_vehicle(vehicle: str, val_share: float, test_share: float) -> Split:
    """The split that the hash of a vehicle's id says: ``test_share`` and ``val_share`` of vehicles in the long run.

    Raising a share moves vehicles only into that split's neighbour: the hash is a point on a line from test over val
    to train.
    """
    point = int.from_bytes(hashlib.sha256(vehicle.encode()).digest()[:8], "big") / 2**64
    if point < test_share:
        return "test"
    return "val" if point < test_share + val_share else "train"


def majority(votes: Mapping[Split, int]) -> Split:
    """The split with the most votes; of equals the first of train, val, test."""
    return max(SPLITS, key=lambda split: (votes.get(split, 0), -SPLITS.index(split)))


class LookAlikes:
    """Vehicles that share photos that look the same; they should share a split (a union-find by vehicle id)."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def link(self, one: str, other: str) -> None:
        """Say that two vehicles look alike."""
        first, second = sorted((self._root(one), self._root(other)))
        self._parents[second] = first

    def groups(self) -> Iterable[list[str]]:
        """The groups of linked vehicles, each sorted."""
        groups: dict[str, list[str]] = {}
        for vehicle in sorted(self._parents):
            groups.setdefault(self._root(vehicle), []).append(vehicle)
        return groups.values()

    def _root(self, vehicle: str) -> str:
        self._parents.setdefault(vehicle, vehicle)
        while self._parents[vehicle] != vehicle:
            self._parents[vehicle] = self._parents[self._parents[vehicle]]
            vehicle = self._parents[vehicle]
        return vehicle


def split_of_group(group: list[str], known: Mapping[str, Split], val_share: float, test_share: float) -> Split:
    """The split for the vehicles of a group of look-alikes that have none yet.

    That of most of those that have one, else what the hash of the first by id says.
    """
    votes = Counter(known[vehicle] for vehicle in group if vehicle in known)
    return majority(votes) if votes else split_of_vehicle(group[0], val_share, test_share)
