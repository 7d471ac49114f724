"""``/models/compare``: two models on the same photos, those of the latest inspections."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from sqlalchemy import Connection, select
from starlette.responses import Response

from dentwatch.errors import PhotoError
from dentwatch.records import model_files, registry_view, tables
from dentwatch.records.detections import Detection
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.model_versions import ModelVersion
from dentwatch.serving.access import require
from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.inspection import Inspector, Photo
from dentwatch.serving.models import STARTER, starter
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.runtime import Runtime
from dentwatch.web.pages import PageQuery, page, show

_PHOTOS = 6
_LATEST = 200  # photos among which those with most detections are taken

See = Annotated[Caller, Depends(require(Permission.SEE_ALL_INSPECTIONS))]


class CompareQuery(PageQuery):
    """Which two: numbers of model versions, or ``starter``."""

    a: str = Field(STARTER, pattern=r"^(starter|\d{1,9})$")
    b: str = Field(STARTER, pattern=r"^(starter|\d{1,9})$")


@dataclass(frozen=True, slots=True)
class SeenTwice:
    """A photo of an inspection, its size in pixels, and what each of the two models says about it."""

    inspection_id: str
    position: int
    vehicle_id: str | None
    width: int
    height: int
    detections: tuple[Sequence[Detection], Sequence[Detection]]


def router(runtime: Runtime) -> APIRouter:
    """The page over ``runtime``."""
    routes = APIRouter(include_in_schema=False)

    @page(routes, "/models/compare")
    async def compare(request: Request, _caller: See, query: Annotated[CompareQuery, Query()]) -> Response:
        registry = await runtime.intake.in_thread(registry_view.view, runtime.settings)
        chosen = [_bundle(runtime, one, registry.versions) for one in (query.a, query.b)]
        photos: list[SeenTwice] = []
        if None not in chosen:
            rows = await runtime.intake.read(_candidates)
            photos = await runtime.service.run(_seen, runtime, chosen, rows)
        view = {
            "a": query.a,
            "b": query.b,
            "names": [None if one is None else one.name for one in chosen],
            "versions": [version.number for version in reversed(registry.versions)],
            "photos": photos,
        }
        return show(request, "compare.html", view)

    return routes


def _bundle(runtime: Runtime, ref: str, versions: Sequence[ModelVersion]) -> ModelBundle | None:
    """The model, where its files are on this machine."""
    if ref == STARTER:
        return starter()
    version = next((one for one in versions if str(one.number) == ref), None)
    folder = None if version is None else model_files.cached(version.digest, runtime.settings)
    return None if version is None or folder is None else ModelBundle.load(folder, name=version.reference)


def _candidates(connection: Connection) -> Sequence[Any]:
    """The photos to look at: of the latest, each of another inspection, those with most detections first."""
    photos, found = tables.inspection_photos, tables.detections
    latest = select(tables.inspections.c.id).order_by(tables.inspections.c.number.desc()).limit(_LATEST).subquery()
    rows = connection.execute(
        select(photos.c.inspection_id, photos.c.position, photos.c.photo_id, photos.c.vehicle_id, found.c.id)
        .join(latest, latest.c.id == photos.c.inspection_id)
        .outerjoin(
            found,
            (found.c.inspection_id == photos.c.inspection_id) & (found.c.position == photos.c.position),
        )
        .where(photos.c.error.is_(None), photos.c.width.is_not(None))
    ).all()
    counts: dict[tuple[str, int], int] = {}
    for row in rows:
        counts[row.inspection_id, row.position] = counts.get((row.inspection_id, row.position), 0) + (
            row.id is not None
        )
    best: dict[str, Any] = {}
    for row in sorted(rows, key=lambda one: -counts[one.inspection_id, one.position]):
        best.setdefault(row.inspection_id, row)
    return list(best.values())[:_PHOTOS]


def _seen(runtime: Runtime, bundles: Sequence[ModelBundle], rows: Sequence[Any]) -> list[SeenTwice]:
    limits = runtime.settings.serving
    first, second = (Inspector(one, threads=limits.threads, max_pixels=limits.max_pixels) for one in bundles)
    found = []
    for row in rows:
        try:
            data = runtime.store.get(row.photo_id)
        except PhotoError:  # it is gone from the store
            continue
        seen = [one.decode(Photo("photo", lambda data=data: data)) for one in (first, second)]  # type: ignore[misc]
        if isinstance(seen[0], PhotoFailure) or isinstance(seen[1], PhotoFailure):
            continue
        found.append(
            SeenTwice(
                row.inspection_id,
                row.position,
                row.vehicle_id,
                seen[0].pixels.width,
                seen[0].pixels.height,
                (first.predict(seen[0])[0], second.predict(seen[1])[0]),
            )
        )
    return found
