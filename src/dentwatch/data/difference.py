"""What changed from one dataset version to another, photo by photo."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dentwatch.records.annotations import Annotation, PhotoRecord
from dentwatch.records.canonical import annotation_to_plain
from dentwatch.records.datasets import DatasetVersion

_FIELDS = ("name", "vehicle", "split", "annotated", "source", "licence", "consent", "notes")


@dataclass(frozen=True, slots=True)
class Change:
    """One photo that differs: ``kind`` is added, removed or changed.

    ``fields`` holds (before, after) of each changed field; the boxes are those that only one version has. Of an added
    or removed photo all boxes count.
    """

    kind: str
    photo_id: str
    name: str
    fields: dict[str, tuple[Any, Any]]
    boxes_added: tuple[Annotation, ...]
    boxes_removed: tuple[Annotation, ...]

    def as_plain(self) -> dict[str, Any]:
        """The change as plain values for JSON."""
        return {
            "kind": self.kind,
            "photo_id": self.photo_id,
            "name": self.name,
            "fields": {name: {"before": before, "after": after} for name, (before, after) in self.fields.items()},
            "boxes_added": [annotation_to_plain(box) for box in self.boxes_added],
            "boxes_removed": [annotation_to_plain(box) for box in self.boxes_removed],
        }


def changes(before: DatasetVersion, after: DatasetVersion) -> Iterator[Change]:
    """The changes from ``before`` to ``after``, by photo id; both are streamed."""
    old_rows, new_rows = before.photos(), after.photos()
    old, new = next(old_rows, None), next(new_rows, None)
    while old or new:
        if new is None or (old is not None and old.photo_id < new.photo_id):
            assert old is not None  # noqa: S101 (tells mypy what the loop's condition says)
            yield Change("removed", old.photo_id, old.name, {}, (), old.annotations)
            old = next(old_rows, None)
        elif old is None or new.photo_id < old.photo_id:
            yield Change("added", new.photo_id, new.name, {}, new.annotations, ())
            new = next(new_rows, None)
        else:
            if old != new:
                yield _changed(old, new)
            old, new = next(old_rows, None), next(new_rows, None)


def _changed(old: PhotoRecord, new: PhotoRecord) -> Change:
    fields = {
        name: (getattr(old, name), getattr(new, name)) for name in _FIELDS if getattr(old, name) != getattr(new, name)
    }
    added, removed = (
        tuple(item for item in one.annotations if item not in other.annotations)
        for one, other in ((new, old), (old, new))
    )
    return Change("changed", new.photo_id, new.name, fields, added, removed)
