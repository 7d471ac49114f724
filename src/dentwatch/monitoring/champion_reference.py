"""The champion's validation photos as a reference, measured by the code that serves and kept in ``DENTWATCH_HOME``."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from dentwatch.data.embedding import packed, photo_embedding, unpacked
from dentwatch.errors import DatasetError, MonitoringError, PhotoError
from dentwatch.monitoring.embedding import FEWEST_PHOTOS, EmbeddingSpace
from dentwatch.monitoring.features import photo_features
from dentwatch.monitoring.reference import Floats, Progress, Reference, now
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.inspection import Decoded, Inspector, Photo
from dentwatch.serving.models import resolve
from dentwatch.settings import Settings

_SPACE_PHOTOS = 600  # of train that the embedding space is made of; more hardly move it
_log = logging.getLogger(__name__)


def champion_reference(settings: Settings, progress: Progress | None = None) -> Reference:
    """The reference of the model that serves: the val split of the dataset version that it was trained on.

    It is made once per model and dataset version, so a promotion brings another. Raises :class:`MonitoringError` where
    the dataset version is not in the store, as for the starter model, or has no val photos, and :class:`PhotoError` for
    a photo of it that cannot be used.
    """
    bundle = resolve(None, settings)
    try:
        dataset = DatasetStore(settings.dataset_store_url).get(bundle.spec.dataset_version)
    except DatasetError as error:
        raise MonitoringError(
            f"The photos that {bundle.name} was validated on are not in {settings.dataset_store_url}.",
            "Let monitoring warm up on production traffic, or promote a model trained on a dataset version kept there.",
        ) from error
    path = _path(bundle, dataset, settings)
    if path.exists():
        try:
            return Reference.load(path)
        except MonitoringError as error:
            _log.info("%s It is made again.", error.message)
    made = measure(bundle, dataset, settings, progress)
    made.save(path)
    return made


def measure(
    bundle: ModelBundle, dataset: DatasetVersion, settings: Settings, progress: Progress | None = None
) -> Reference:
    """The val photos of ``dataset`` as ``bundle`` sees them in serving.

    The embedding space is made of train photos: those of val are then as far from it as photos of production are.
    """
    records = list(dataset.photos(split="val"))
    if not records:
        raise MonitoringError(
            f"The dataset version {dataset.id[:12]} has no val photos to compare production with.",
            "Let monitoring warm up on production traffic, or ingest with a val share.",
        )
    inspector = Inspector(bundle, threads=settings.serving.threads, max_pixels=settings.data.max_pixels)
    store = PhotoStore(settings.photo_store_url)
    space = _space(inspector, list(islice(dataset.photos(split="train"), _SPACE_PHOTOS)), store, progress)
    rows = [
        photo_features(asdict(seen.statistics), inspector.predict(seen)[0], _embedding(seen), _size(seen), space)
        for seen in _seen(inspector, records, store, "Looking at the champion's photos", progress)
    ]
    return Reference(
        features=np.stack(rows),
        vehicles=tuple(record.vehicle for record in records),
        model=bundle.name,
        dataset_version=dataset.id,
        source="validation",
        created_at=now(),
        thresholds=bundle.spec.thresholds,
        space=space,
    )


def _space(
    inspector: Inspector, records: Sequence[PhotoRecord], store: PhotoStore, progress: Progress | None
) -> EmbeddingSpace | None:
    if len(records) < FEWEST_PHOTOS:
        return None
    return EmbeddingSpace.of(
        np.stack([_embedding(seen) for seen in _seen(inspector, records, store, "Learning kinds of photos", progress)])
    )


def _seen(
    inspector: Inspector, records: Sequence[PhotoRecord], store: PhotoStore, what: str, progress: Progress | None
) -> Iterator[Decoded]:
    """The photos decoded and measured as in serving, in order."""
    for number, record in enumerate(records, start=1):
        data = store.get(record.photo_id)
        seen = inspector.decode(Photo(record.name, lambda data=data: data))  # type: ignore[misc]
        if isinstance(seen, PhotoFailure):
            raise PhotoError(
                seen.reason,
                f"The photo {record.name} ({record.photo_id[:12]}) of the reference cannot be used: {seen.error}",
                "Ingest its source again, so that a new dataset version is without it.",
            )
        yield seen
        if progress:
            progress(what, number, len(records))


def _embedding(seen: Decoded) -> Floats:
    # Rounded as the database keeps production's.
    return unpacked(packed(photo_embedding(seen.pixels.rgb, seen.half))).astype(np.float64)


def _size(seen: Decoded) -> tuple[int, int]:
    return seen.pixels.width, seen.pixels.height


def _path(bundle: ModelBundle, dataset: DatasetVersion, settings: Settings) -> Path:
    name = f"{bundle.name.replace('/', '-')}-{bundle.fingerprint}-{dataset.id[:12]}.npz"
    return settings.home.absolute() / "references" / name
