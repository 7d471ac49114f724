"""``/metrics``: what the service counts and times, for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from dentwatch.serving import metrics, vital_signs
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.runtime import Runtime

_TEXT = {"schema": {"type": "string"}}


def router(runtime: Runtime) -> APIRouter:
    """The route over ``runtime``."""
    routes = APIRouter(tags=["health"], responses=REFUSALS)

    @routes.get(
        "/metrics",
        summary="What the service counts and times, for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": _TEXT, "application/openmetrics-text": _TEXT}}},
    )
    async def exposed(
        _caller: Annotated[Caller, Depends(require(Permission.SEE_METRICS))],
        accept: Annotated[str, Header()] = "",
    ) -> Response:
        """Of all worker processes together; in OpenMetrics where `Accept` prefers it."""
        await vital_signs.take(runtime)
        body, media_type = await runtime.intake.in_thread(metrics.exposition, accept)
        return Response(body, headers={"Content-Type": media_type})

    return routes
