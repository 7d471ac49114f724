"""``/v1/photo-checks``: whether a photo is good enough, before it is submitted; while its car is still there."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from dentwatch.serving import problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.inspection import Photo
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.quality_gate import Quality
from dentwatch.serving.runtime import Runtime

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class PhotoCheck(BaseModel):
    """What the quality gate says about a photo; nothing of it is kept."""

    readable: bool = Field(description="Whether it is a photo at all.")
    problem: str = Field(description="Why not; empty for a photo.")
    width: int | None = Field(description="Of the upright photo, pixels.")
    height: int | None = Field(description="Of the upright photo, pixels.")
    quality: Quality


def router(runtime: Runtime) -> APIRouter:
    """The route over ``runtime``."""
    routes = APIRouter(tags=["photos"], responses=REFUSALS)

    @routes.post(
        "/v1/photo-checks",
        summary="Check a photo before it is submitted",
        openapi_extra=_BODY,
        responses=problems.documented(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    )
    async def check(
        request: Request, _caller: Annotated[Caller, Depends(require(Permission.SUBMIT_INSPECTIONS))]
    ) -> PhotoCheck:
        """The body is the photo. Each reason against it comes with advice to whoever holds the camera."""
        data = await request.body()
        if not data:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "no-photo", "The body is empty; it has to be the photo.")
        if len(data) > (most := runtime.settings.serving.max_photo_bytes):
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "photo-too-large", f"A photo may have {most:,} bytes."
            )
        return await runtime.service.run(_checked, runtime, data)

    return routes


def _checked(runtime: Runtime, data: bytes) -> PhotoCheck:
    champion = runtime.models.champion
    decoded = champion.decode(Photo.of("photo", data))
    if isinstance(decoded, PhotoFailure):
        return PhotoCheck(
            readable=False, problem=decoded.error, width=None, height=None, quality=Quality(reliable=False)
        )
    return PhotoCheck(
        readable=True,
        problem="",
        width=decoded.pixels.width,
        height=decoded.pixels.height,
        quality=runtime.intake.assembly_of(champion).gate.check(decoded.statistics),
    )
