"""Try again what validation set aside, for instance after a class was mapped or a setting changed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.ingest import Ingest
from dentwatch.data.ingest_report import IngestReport
from dentwatch.data.stored_photo import StoredPhoto
from dentwatch.data.validation import annotations_from_text
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.set_aside import SetAside
from dentwatch.settings import Settings


@dataclass(frozen=True, slots=True)
class Retry:
    """What to try again: everything, or what was set aside for ``reason``; and rights that were missing."""

    settings: Settings
    reason: str | None = None
    licence: str | None = None
    consent: str | None = None

    def can_try(self, entry: SetAside) -> bool:
        """Whether the entry is meant and holds what a new attempt needs: the photo's bytes, and its annotations."""
        complete = entry.photo_id is not None and (entry.kind == "photo" or entry.annotations is not None)
        return complete and self.reason in (None, entry.reason)

    def photos(self) -> Iterator[IncomingPhoto]:
        """The photos to try again."""
        for entry in DatasetStore(self.settings.dataset_store_url).set_aside():
            if entry.photo_id is not None and self.can_try(entry):
                yield IncomingPhoto(
                    name=entry.name,
                    read=StoredPhoto(self.settings.photo_store_url, entry.photo_id, entry.kind == "annotation"),
                    annotations=annotations_from_text(entry.annotations),
                    width=entry.width,
                    height=entry.height,
                    vehicle=entry.vehicle,
                    split=entry.split,
                    licence=entry.licence or self.licence,
                    consent=entry.consent or self.consent,
                    source=entry.source,
                )

    def run(self, ingest: Ingest, on_photo: Callable[[], None] = lambda: None) -> IngestReport:
        """Try again; what fails is set aside again, with the reason it fails for now."""
        report = IngestReport("what was set aside", "retry")
        return ingest.run(self.photos(), report, on_photo, adds=_adds, retried=self.can_try)


def _adds(photo: IncomingPhoto) -> bool:
    return isinstance(photo.read, StoredPhoto) and photo.read.adds
