"""The REST API: ``POST /v1/inspections`` and ``GET /healthz``."""

import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI, File, Form, UploadFile
from pydantic import BaseModel, Field

from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving import problems
from dentwatch.serving.answers import PhotoAnswer, PhotoFailure
from dentwatch.serving.body_limit import BodyLimit
from dentwatch.serving.inspection import Photo
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.service import InspectionService
from dentwatch.settings import ServingSettings, Settings


class InspectionTiming(BaseModel):
    """Milliseconds that an inspection took; decoding and inference overlap, so the total may be less than their sum."""

    decode: float = Field(description="Sum over the photos.")
    infer: float = Field(description="Sum over the photos.")
    total: float = Field(description="From the request's last byte to the answer, waiting included.")


class Inspection(BaseModel):
    """The answer about the photos of one vehicle."""

    id: uuid.UUID
    created_at: datetime
    vehicle_id: str | None
    model: str = Field(description="The model version that answers.")
    photos: list[PhotoAnswer | PhotoFailure] = Field(description="One entry per photo, in the order of the request.")
    timing_ms: InspectionTiming


class Health(BaseModel):
    """That the service answers, and with what."""

    status: str
    model: str
    version: str = Field(description="Of Dentwatch.")
    uptime_s: float


_EXAMPLE: dict[str, Any] = {
    "id": "0b8f6c1e-2f0e-4c55-9f4b-6f5f8f1d2a10",
    "created_at": "2026-01-31T12:00:00Z",
    "vehicle_id": "VIN-1",
    "model": "dentwatch/3",
    "photos": [
        {
            "photo": "left.jpg",
            "width": 4032,
            "height": 3024,
            "detections": [
                {"label": "scratch", "score": 0.83, "x": 12.0, "y": 30.5, "width": 80.0, "height": 22.0},
            ],
            "model": "dentwatch/3",
            "statistics": {"lighting": "normal", "luma_mean": 112.4, "sharpness": -1.2},
            "timing_ms": {"decode": 31.0, "infer": 17.5},
        },
        {
            "photo": "notes.txt",
            "error": "The file is not a photo in a known format.",
            "reason": "not_an_image",
            "model": "dentwatch/3",
        },
    ],
    "timing_ms": {"decode": 31.0, "infer": 17.5, "total": 50.1},
}


def create_app(settings: Settings, bundle: ModelBundle) -> FastAPI:
    """The service over the model ``bundle``; raises :class:`dentwatch.errors.ModelError` when it cannot be loaded."""
    service = InspectionService(settings, bundle)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="Dentwatch",
        version=version("dentwatch"),
        description="Finds scratches and dents in photos of used cars.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        # The interactive pages would load their scripts from somebody else's server.
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    app.add_middleware(BodyLimit, most=settings.serving.max_body_bytes)
    _add_inspections(app, service, settings.serving)
    _add_health(app, service)
    return app


def _add_inspections(app: FastAPI, service: InspectionService, limits: ServingSettings) -> None:
    @app.post(
        "/v1/inspections",
        summary="Inspect photos of one vehicle",
        responses={
            200: {"content": {"application/json": {"example": _EXAMPLE}}},
            **problems.documented(
                HTTPStatus.BAD_REQUEST,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                HTTPStatus.UNPROCESSABLE_ENTITY,
                HTTPStatus.INTERNAL_SERVER_ERROR,
                HTTPStatus.SERVICE_UNAVAILABLE,
            ),
        },
    )
    async def inspect(
        photos: Annotated[list[UploadFile], File(description="One or more photos, in any known format.")],
        vehicle_id: Annotated[
            str | None, Form(max_length=200, description="What the photos belong to.", examples=["VIN-1"])
        ] = None,
        min_score: Annotated[
            float | None,
            Form(ge=0, le=1, description="Least score to answer; default: the model's own thresholds.", examples=[0.3]),
        ] = None,
    ) -> Inspection:
        """Find the damage in each photo.

        Boxes are in pixels of the photo as a person sees it. A file that is not a photo is answered with its own
        `error` and `reason`, and the others go on.
        """
        start = time.perf_counter()
        _check_limits(photos, limits)
        named = [Photo(upload.filename or f"photo-{n}", upload.file.read) for n, upload in enumerate(photos, 1)]
        results = await service.inspect(named, min_score)
        timings = [result.timing_ms for result in results if isinstance(result, PhotoAnswer)]
        return Inspection(
            id=uuid.uuid4(),
            created_at=datetime.now(UTC),
            vehicle_id=vehicle_id,
            model=service.model,
            photos=results,
            timing_ms=InspectionTiming(
                decode=round(sum(timing.decode for timing in timings), 3),
                infer=round(sum(timing.infer for timing in timings), 3),
                total=round((time.perf_counter() - start) * 1000, 3),
            ),
        )


def _add_health(app: FastAPI, service: InspectionService) -> None:
    @app.get("/healthz", summary="Whether the service answers, and with which model")
    async def health() -> Health:
        """Answers as long as the process can serve."""
        return Health(status="ok", model=service.model, version=app.version, uptime_s=round(service.uptime, 3))


def _check_limits(photos: Sequence[UploadFile], limits: ServingSettings) -> None:
    if len(photos) > limits.max_photos:
        raise RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too-many-photos",
            f"{len(photos)} photos came, and one inspection takes at most {limits.max_photos}. Send them in parts.",
        )
    for photo in photos:
        if (photo.size or 0) > limits.max_photo_bytes:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "photo-too-large",
                f"{photo.filename} has {photo.size:,} bytes, and a photo may have at most {limits.max_photo_bytes:,}.",
            )
