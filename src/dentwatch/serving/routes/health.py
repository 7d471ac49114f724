"""``/healthz`` and ``/readyz``: whether the process lives, and whether it can take inspections."""

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from dentwatch.serving import vital_signs
from dentwatch.serving.runtime import Runtime


class Health(BaseModel):
    """That the process answers, and with what."""

    status: Literal["ok"]
    model: str
    engine: str = Field(description="What runs the model's network, as in `onnxruntime-simplified` or `openvino`.")
    version: str = Field(description="Of Dentwatch.")
    uptime_s: float


class Readiness(BaseModel):
    """Whether inspections can be taken, and what each part says."""

    ready: bool
    parts: dict[str, str] = Field(description="`ok`, or what is wrong, per part.")


def router(runtime: Runtime, version: str) -> APIRouter:
    """The routes over ``runtime``."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz", summary="Whether the service answers, and with which model")
    async def health() -> Health:
        """Answers as long as the process can serve."""
        champion = runtime.models.champion
        return Health(
            status="ok",
            model=champion.model,
            engine=champion.engine,
            version=version,
            uptime_s=round(runtime.service.uptime, 3),
        )

    @routes.get(
        "/readyz",
        summary="Whether the service can take inspections",
        responses={503: {"model": Readiness, "description": "It cannot keep what it would take."}},
    )
    async def readiness(response: Response) -> Readiness:
        """The registry may be out of reach without that: then the model stays as it is, and this says so."""
        parts = await vital_signs.parts(runtime)
        ready = all(said == vital_signs.OK for said in parts.values())
        if not ready:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        registry = runtime.models.problem or vital_signs.OK
        return Readiness(ready=ready, parts={**parts, "registry": registry})

    return routes
