"""Take photos in: examine each one, compare it with the others, and write a new dataset version.

Nothing counts until the last step, which replaces the store's catalog: an ingest that is killed leaves the old state,
and running it again completes it. Photos that it had stored already are found there and not written again.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import chain

from dentwatch.data.consolidation import Consolidation
from dentwatch.data.examiners import examine_all
from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.ingest_report import IngestReport
from dentwatch.data.label_map import LabelMap
from dentwatch.data.staging import Staging
from dentwatch.data.validation import Examined, Rules
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.photos import PhotoStore
from dentwatch.records.set_aside import SetAside
from dentwatch.settings import Settings

_FEW = 32  # photos that are examined sooner than processes start
_FLUSHED = 1000  # photos examined while those before them go to the disk

Observe = Callable[[], None]


class Ingest:
    """One way of taking photos in: the settings, the labels, and how many processes.

    ``update``: annotations of known photos stand in any case. ``frozen_test``: where there is a test split, vehicles
    that are not known yet enter it only if their source says so.
    """

    def __init__(
        self,
        settings: Settings,
        labels: LabelMap | None = None,
        workers: int | None = None,
        *,
        update: bool = False,
        frozen_test: bool = False,
    ) -> None:
        self._settings = settings
        self._rules = Rules(settings.data, labels or LabelMap())
        self._workers = workers or settings.data.workers
        self._update = update
        self._frozen_test = frozen_test

    def run(
        self,
        photos: Iterable[IncomingPhoto],
        report: IngestReport | None = None,
        on_photo: Observe = lambda: None,
        adds: Callable[[IncomingPhoto], bool] = lambda _: False,
        retried: Callable[[SetAside], bool] = lambda _: False,
    ) -> IngestReport:
        """Take ``photos`` in on top of the latest dataset version and return what happened.

        ``on_photo`` is called after every photo. ``adds`` says of which photos the annotations belong beside those
        that the photo has already. ``retried`` says which older entries of what is set aside are being
        tried again, so that they do not stay. Raises :class:`dentwatch.errors.DatasetError` while another process
        writes to the same store.
        """
        report = report or IngestReport()
        started = time.monotonic()
        store = DatasetStore(self._settings.dataset_store_url)
        with store.place.only_writer():
            store.place.sweep()
            base = store.latest()
            with (
                store.place.scratch() as folder,
                closing(Staging(folder)) as staging,
                ThreadPoolExecutor(1) as beside,
            ):
                flushed = self._take(photos, staging, report, on_photo, adds, beside)
                self._finish(store, staging, base, report, retried, flushed)
        report.seconds = time.monotonic() - started
        return report

    def _take(
        self,
        photos: Iterable[IncomingPhoto],
        staging: Staging,
        report: IngestReport,
        on_photo: Observe,
        adds: Callable[[IncomingPhoto], bool],
        beside: ThreadPoolExecutor,
    ) -> "Future[None]":
        """Examine and stage every photo; what is returned ends when all of them are on the disk."""
        flushing: Future[None] | None = None
        for photo, examined in self._examined(photos):
            _stage(staging, photo, examined, report, adds(photo))
            on_photo()
            if report.seen % _FLUSHED == 0 and (flushing is None or flushing.done()):
                flushing = beside.submit(self._flush)
        return beside.submit(self._flush)

    def _examined(self, photos: Iterable[IncomingPhoto]) -> Iterator[tuple[IncomingPhoto, Examined]]:
        stream = iter(photos)
        first = [photo for _, photo in zip(range(_FEW), stream, strict=False)]
        workers = self._workers if len(first) == _FEW else 1
        return examine_all(chain(first, stream), self._rules, self._settings.photo_store_url, workers)

    def _flush(self) -> None:
        PhotoStore(self._settings.photo_store_url).flush()

    def _finish(
        self,
        store: DatasetStore,
        staging: Staging,
        base: DatasetVersion | None,
        report: IngestReport,
        retried: Callable[[SetAside], bool],
        flushed: "Future[None]",
    ) -> None:
        """Write the version; nothing counts before ``flushed`` says that its photos are on the disk."""
        for known in store.figures():
            staging.add_figures(known, new=False)
        consolidation = Consolidation(staging, self._settings.data, report, frozen_test=self._frozen_test)
        consolidation.run(base, update=self._update)
        for entry in staging.set_aside():
            report.count_set_aside(entry)
        for entry in store.set_aside():
            if not retried(entry) and not staging.was_seen(entry):
                staging.add_set_aside(entry)
        version = None
        if report.new or base:
            version = store.prepare(consolidation.rows(), parent=base.id if base else None)
        flushed.result()
        store.commit(version, staging.set_aside(), staging.new_figures())
        report.version = version.info if version else None
        report.changed = version is not None and (base is None or base.id != version.id)
        report.waiting_set_aside = sum(1 for _ in store.set_aside())


def _stage(staging: Staging, photo: IncomingPhoto, examined: Examined, report: IngestReport, adds: bool) -> None:
    report.seen += 1
    report.ignored_classes.update(examined.ignored)
    staging.add_seen(examined.photo_id, photo.source, photo.name)
    for entry in examined.set_aside:
        staging.add_set_aside(entry)
    if examined.candidate is not None:
        report.missing_licence += not examined.candidate["licence"]
        report.missing_consent += not examined.candidate["consent"]
        staging.add_candidate({**examined.candidate, "adds": adds})
    if examined.figures is not None:
        staging.add_figures(examined.figures, new=True)
