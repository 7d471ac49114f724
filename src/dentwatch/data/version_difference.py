"""From one dataset version to another, for people: the counts of what changed, and the first changes."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from dentwatch.data.difference import Change, changes
from dentwatch.records.datasets import DatasetStore

_MOST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class VersionDifference:
    """``kinds`` counts changed photos (added, removed, changed), the others boxes by label; ``first`` are some."""

    kinds: dict[str, int]
    boxes_added: dict[str, int]
    boxes_removed: dict[str, int]
    first: tuple[Change, ...]


@lru_cache(maxsize=16)
def difference_of(store_url: str, before: str, after: str) -> VersionDifference:
    """What changed; versions do not change themselves, so it is remembered.

    Raises :class:`~dentwatch.errors.DatasetError` where there is no such version.
    """
    store = DatasetStore(store_url)
    kinds, added, removed = Counter[str](), Counter[str](), Counter[str]()
    first: list[Change] = []
    for change in changes(store.get(before), store.get(after)):
        kinds[change.kind] += 1
        added.update(box.label for box in change.boxes_added)
        removed.update(box.label for box in change.boxes_removed)
        if len(first) < _MOST_SHOWN:
            first.append(change)
    return VersionDifference(dict(kinds), dict(sorted(added.items())), dict(sorted(removed.items())), tuple(first))
