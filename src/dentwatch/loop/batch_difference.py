"""What a batch changed: the dataset version with it against the one before."""

from collections import Counter

from dentwatch.data.difference import changes
from dentwatch.errors import DatasetError
from dentwatch.records.datasets import DatasetStore, DatasetVersion


def difference(base: DatasetVersion | None, version: DatasetVersion) -> dict[str, int]:
    """Photos and boxes that ``version`` has more, otherwise or fewer than ``base`` (None: than nothing)."""
    names = ("photos_added", "photos_changed", "photos_removed", "boxes_added", "boxes_removed")
    found = Counter(dict.fromkeys(names, 0))
    if base is None:
        found.update(photos_added=version.info.photos, boxes_added=version.info.boxes)
        return dict(found)
    for change in changes(base, version):
        found[f"photos_{change.kind}"] += 1
        found["boxes_added"] += len(change.boxes_added)
        found["boxes_removed"] += len(change.boxes_removed)
    return dict(found)


def unseen_photos(store: DatasetStore, trained_on: str, base: DatasetVersion | None, version: DatasetVersion) -> int:
    """Annotated train photos that the model, trained on the dataset version ``trained_on``, has not learnt from.

    Where that version is not at hand, the photos that ``base`` (None: nothing) does not have count.
    """
    seen: set[str] = set()
    try:
        seen = _learnable(store.get(trained_on))
    except DatasetError:
        if base is not None:
            seen = _learnable(base)
    return len(_learnable(version) - seen)


def _learnable(version: DatasetVersion) -> set[str]:
    return {record.photo_id for record in version.photos("train", annotated=True)}
