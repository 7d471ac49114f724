"""``/v1/inspections/{id}/photos``: the photos of an inspection, as they are and with their damage drawn."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from dentwatch.data.decoding import decode
from dentwatch.errors import PhotoError
from dentwatch.records.inspections import KeptPhoto
from dentwatch.serving import problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.answers import DetectionAnswer
from dentwatch.serving.clean_photo import MEDIA_TYPE, clean
from dentwatch.serving.drawing import draw
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.routes.inspections import visible
from dentwatch.serving.runtime import Runtime
from dentwatch.serving.small_picture import KEEP_AN_HOUR, small_picture

_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}, "description": "A JPEG."},
    **problems.documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
}
Position = Annotated[int, Path(ge=0, description="The photo's place in the inspection, from 0.")]
Side = Annotated[
    int | None, Query(ge=32, le=2048, description="Longer side in pixels, upright; default: the picture as it is.")
]
Looker = Annotated[Caller, Depends(require(Permission.SEE_PHOTOS))]


class _Jpeg(Response):
    media_type = MEDIA_TYPE


def router(runtime: Runtime) -> APIRouter:
    """The routes over ``runtime``."""
    routes = APIRouter(tags=["photos"], responses=REFUSALS, default_response_class=_Jpeg)
    base = "/v1/inspections/{inspection_id}/photos/{position}"

    @routes.get(base, summary="Show a photo", responses=_PICTURE)
    async def photo(inspection_id: str, position: Position, caller: Looker, side: Side = None) -> Response:
        """The picture as it was sent, without what the camera wrote beside it: no place, no time, no name."""
        kept = await _photo(inspection_id, position, caller)
        if side is None:
            return _Jpeg(await runtime.intake.in_thread(_cleaned, runtime, kept))
        return _Jpeg(await runtime.intake.in_thread(_shrunk, runtime, kept, side), headers=KEEP_AN_HOUR)

    @routes.get(base + "/drawn", summary="Show a photo with its damage", responses=_PICTURE)
    async def drawn(inspection_id: str, position: Position, caller: Looker) -> Response:
        """The upright picture with a box around each detection."""
        kept = await _photo(inspection_id, position, caller)
        return _Jpeg(await runtime.intake.in_thread(_drawn, runtime, kept))

    async def _photo(inspection_id: str, position: int, caller: Caller) -> KeptPhoto:
        kept = await visible(runtime, caller, inspection_id)
        if position >= len(kept.photos):
            raise RefusedError(
                HTTPStatus.NOT_FOUND,
                "no-such-photo",
                f"The inspection {kept.id} has {len(kept.photos)} photos, counted from 0, so there is no {position}.",
            )
        return kept.photos[position]

    return routes


def _cleaned(runtime: Runtime, kept: KeptPhoto) -> bytes:
    try:
        return clean(runtime.store.get(kept.photo_id), max_pixels=runtime.settings.serving.max_pixels)
    except PhotoError as error:
        raise _not_shown(kept, error) from error


def _drawn(runtime: Runtime, kept: KeptPhoto) -> bytes:
    try:
        decoded = decode(runtime.store.get(kept.photo_id), max_pixels=runtime.settings.serving.max_pixels)
    except PhotoError as error:
        raise _not_shown(kept, error) from error
    return draw(decoded.rgb, [DetectionAnswer.of(one.detection) for one in kept.detections])


def _shrunk(runtime: Runtime, kept: KeptPhoto, side: int) -> bytes:
    try:
        return small_picture(runtime.store.get(kept.photo_id), side, max_pixels=runtime.settings.serving.max_pixels)
    except PhotoError as error:
        raise _not_shown(kept, error) from error


def _not_shown(kept: KeptPhoto, error: PhotoError) -> RefusedError:
    if error.reason == "missing":
        said = f"The photo {kept.name} is not in the photo store any more."
        return RefusedError(HTTPStatus.NOT_FOUND, "photo-missing", said)
    said = f"{kept.name} cannot be shown: {error.message}"
    return RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, "not-a-photo", said)
