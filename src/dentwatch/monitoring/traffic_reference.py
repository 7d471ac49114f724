"""A reference warmed up on production traffic, from what serving has kept: no photo is looked at again."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, Row, Select, select

from dentwatch.data.embedding import unpacked
from dentwatch.errors import MonitoringError
from dentwatch.monitoring.embedding import FEWEST_PHOTOS, EmbeddingSpace
from dentwatch.monitoring.reference import Reference, now
from dentwatch.records import tables
from dentwatch.records.annotations import Box
from dentwatch.records.database import Database
from dentwatch.records.detections import Detection
from dentwatch.records.model_bundle import ModelBundle

_BATCH = 500  # photos whose detections are asked for at a time
_SPACE_SHARE = 0.25  # of the vehicles: the embedding space is made of their photos, which then do not count otherwise


@dataclass(frozen=True, slots=True)
class _SeenPhoto:
    """What the database keeps of a photo; ``vehicle`` is the inspection's id where it named none."""

    vehicle: str
    statistics: dict[str, float]
    embedding: bytes | None
    size: tuple[int, int]
    detections: tuple[Detection, ...]


def traffic_reference(
    database: Database, bundle: ModelBundle, *, since: datetime | None = None, photos: int = 2000
) -> Reference:
    """The first ``photos`` photos that ``bundle`` answered ``since`` then, taken to be in order.

    Photos of requests with a score limit of their own are left out: their detections are others. Raises
    :class:`MonitoringError` when there are none.
    """
    with database.reading() as connection:
        seen = list(_photos(connection, bundle.name, since, photos))
    if not seen:
        raise MonitoringError(
            f"{bundle.name} has answered no photo yet{f' since {since:%Y-%m-%d %H:%M} UTC' if since else ''}.",
            "Wait until some hundred vehicles were inspected.",
        )
    learnt, kept = _parted(seen)
    blank = Reference(
        features=np.empty((0, 0)),
        vehicles=tuple(photo.vehicle for photo in kept),
        model=bundle.name,
        dataset_version="",
        source="traffic",
        created_at=now(),
        thresholds=bundle.spec.thresholds,
        space=EmbeddingSpace.of(np.stack([_embedding(photo) for photo in learnt])) if learnt else None,
    )
    rows = [
        blank.features_of(
            photo.statistics, photo.detections, _embedding(photo) if photo.embedding else None, photo.size
        )
        for photo in kept
    ]
    return replace(blank, features=np.stack(rows))


def _parted(photos: Sequence[_SeenPhoto]) -> tuple[list[_SeenPhoto], list[_SeenPhoto]]:
    """The photos that the embedding space is made of (none where they are too few), and those of the reference.

    No vehicle is in both: its photos would look nearer to the space than they are. The hash of its id decides.
    """
    learnt = [photo for photo in photos if photo.embedding and _point(photo.vehicle) < _SPACE_SHARE]
    if len(learnt) < FEWEST_PHOTOS:
        return [], list(photos)
    return learnt, [photo for photo in photos if _point(photo.vehicle) >= _SPACE_SHARE]


def _point(vehicle: str) -> float:
    """A point of [0, 1) that depends on the vehicle's id alone."""
    return int.from_bytes(hashlib.sha256(f"space/{vehicle}".encode()).digest()[:8], "big") / 2**64


def _embedding(photo: _SeenPhoto) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return unpacked(photo.embedding or b"").astype(np.float64)


def _photos(connection: Connection, model: str, since: datetime | None, most: int) -> Iterator[_SeenPhoto]:
    rows = [row for row in connection.execute(_query(model, since).limit(most)) if not _own_limit(row)]
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        said = _detections(connection, {row.inspection_id for row in batch})
        for row in batch:
            yield _SeenPhoto(
                vehicle=row.vehicle_id or row.inspection_id,
                statistics=row.statistics,
                embedding=row.embedding,
                size=(row.width, row.height),
                detections=tuple(said.get((row.inspection_id, row.position), ())),
            )


def _query(model: str, since: datetime | None) -> Select[tuple[object, ...]]:
    photos, inspections = tables.inspection_photos, tables.inspections
    wanted = ("inspection_id", "position", "vehicle_id", "statistics", "embedding", "width", "height")
    query = (
        select(*(photos.c[name] for name in wanted), inspections.c.options)
        .join(inspections, inspections.c.id == photos.c.inspection_id)
        .where(inspections.c.status == "done", inspections.c.model == model, photos.c.error.is_(None))
        .order_by(inspections.c.number, photos.c.position)
    )
    return query if since is None else query.where(inspections.c.created_at >= since)


def _own_limit(row: Row[tuple[object, ...]]) -> bool:
    return bool(row.options) and row.options.get("min_score") is not None


def _detections(connection: Connection, inspections: set[str]) -> dict[tuple[str, int], list[Detection]]:
    """The detections of these inspections by inspection and place of the photo, best first."""
    rows = tables.detections
    found: dict[tuple[str, int], list[Detection]] = {}
    query = select(rows).where(rows.c.inspection_id.in_(inspections)).order_by(rows.c.number)
    for row in connection.execute(query):
        box = Box(row.x, row.y, row.width, row.height)
        found.setdefault((row.inspection_id, row.position), []).append(Detection(row.label, row.score, box))
    return found
