"""Contradictions: one photo came with different annotations, and a person has to say which are right.

Until somebody has decided, the annotations that came first stand in the dataset version, and the others are set aside
with the reason ``contradiction``.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from dentwatch.data.incoming import IncomingAnnotation, IncomingPhoto
from dentwatch.data.ingest import Ingest
from dentwatch.data.stored_photo import StoredPhoto
from dentwatch.data.validation import annotations_from_text
from dentwatch.errors import DatasetError
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.canonical import annotation_to_plain
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.set_aside import SetAside
from dentwatch.settings import Settings

REASON = "contradiction"
_ID_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A photo as it stands (``present``) and what somebody else says about it (``claimed``).

    ``claimed`` is as its source states it; ``entry`` is what is set aside.
    """

    present: PhotoRecord
    claimed: tuple[IncomingAnnotation, ...]
    entry: SetAside

    @property
    def id(self) -> str:
        """What a person calls it: the first digits of a hash over what is set aside."""
        return hashlib.sha256(self.entry.as_text().encode()).hexdigest()[:_ID_DIGITS]

    def as_plain(self) -> dict[str, Any]:
        """It as plain values for JSON."""
        claimed = [asdict(one) for one in self.claimed]
        return {
            "id": self.id,
            "photo_id": self.present.photo_id,
            "split": self.present.split,
            "present": {
                "name": self.present.name,
                "source": self.present.source,
                "annotations": [annotation_to_plain(one) for one in self.present.annotations],
            },
            "claimed": {"name": self.entry.name, "source": self.entry.source, "annotations": claimed},
        }


def contradictions(settings: Settings) -> list[Contradiction]:
    """Those that nobody has decided yet, by name of the photo."""
    store = DatasetStore(settings.dataset_store_url)
    entries = [entry for entry in store.set_aside() if entry.reason == REASON and entry.photo_id is not None]
    version = store.latest()
    if not entries or version is None:
        return []
    rows = _rows(version, {entry.photo_id for entry in entries if entry.photo_id})
    found = (
        Contradiction(rows[entry.photo_id], annotations_from_text(entry.annotations) or (), entry)
        for entry in entries
        if entry.photo_id in rows
    )
    return sorted(found, key=lambda one: (one.entry.name, one.id))


def decide(settings: Settings, contradiction_id: str, *, take: bool) -> Contradiction:
    """Let the claimed annotations stand from the next dataset version on (``take``), or the present ones for good.

    Returns what was decided, and raises :class:`DatasetError` where there is no such contradiction, or while another
    process writes to the dataset store.
    """
    chosen = next((one for one in contradictions(settings) if one.id == contradiction_id), None)
    if chosen is None:
        raise DatasetError(
            f"There is no contradiction {contradiction_id}.", "`dentwatch data contradictions list` shows them."
        )
    if take:
        ingest = Ingest(settings, workers=1, update=True, frozen_test=True)
        ingest.run([_photo(chosen, settings)], retried=lambda entry: entry == chosen.entry)
    else:
        _forget(DatasetStore(settings.dataset_store_url), chosen.entry)
    return chosen


def _rows(version: DatasetVersion, photo_ids: Iterable[str]) -> dict[str, PhotoRecord]:
    wanted = set(photo_ids)
    return {record.photo_id: record for record in version.photos() if record.photo_id in wanted}


def _photo(chosen: Contradiction, settings: Settings) -> IncomingPhoto:
    """The photo as the source of the claim states it."""
    entry = chosen.entry
    return IncomingPhoto(
        name=entry.name,
        read=StoredPhoto(settings.photo_store_url, chosen.present.photo_id, adds=False),
        annotations=chosen.claimed,
        width=entry.width,
        height=entry.height,
        vehicle=entry.vehicle,
        licence=entry.licence,
        consent=entry.consent,
        source=entry.source,
    )


def _forget(store: DatasetStore, decided: SetAside) -> None:
    with store.place.only_writer():
        store.commit(set_aside=(entry for entry in store.set_aside() if entry != decided))
