"""The HTTP service: the routes, and what stands before them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI, Request

from dentwatch.serving import access, contracts, problems, request_metrics, security_headers, tracing
from dentwatch.serving.body_limit import BodyLimit
from dentwatch.serving.permissions import Permission
from dentwatch.serving.room import Room
from dentwatch.serving.routes import (
    health,
    inspections,
    keys,
    listings,
    metrics,
    opinions,
    photo_checks,
    photos,
    reports,
    vehicles,
)
from dentwatch.serving.runtime import Runtime


def create_app(
    runtime: Runtime,
    routers: Sequence[Callable[[Runtime], APIRouter]] = (),
    error_page: problems.ErrorPage | None = None,
) -> FastAPI:
    """The service over ``runtime``, which it starts and closes.

    ``routers`` make further routes over it: those of parts that serving does not know. ``error_page`` shows problems to
    people who look at pages.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        runtime.start()
        yield
        await runtime.close()

    app = FastAPI(
        title="Dentwatch",
        version=version("dentwatch"),
        description="Finds scratches and dents in photos of used cars.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        telemetry=tracing.of_requests(untraced={*access.PUBLIC, "/metrics"}),  # probes would drown the rest
        # The interactive pages would load their scripts from somebody else's server.
        docs_url=None,
        redoc_url=None,
    )
    # First, because routes are tried one after another, and these are asked by whoever wants answers fast.
    contracts.install(app, runtime.service, runtime.settings, guard=_may_use_the_model)
    for router in (inspections, photo_checks, photos, reports, opinions, vehicles, listings, keys, metrics):
        app.include_router(router.router(runtime))
    for further in routers:
        app.include_router(further(runtime))
    app.include_router(health.router(runtime, app.version))
    problems.install(app, error_page)
    app.state.ending = asyncio.Event()  # what streams end with, so that the server can
    _add_middleware(app, runtime)
    return app


def _add_middleware(app: FastAPI, runtime: Runtime) -> None:
    """What stands before the routes; what is added last is outermost, and asked first."""
    serving = runtime.settings.serving
    app.add_middleware(BodyLimit, most=serving.max_body_bytes)
    app.add_middleware(Room, most=serving.concurrency + serving.queue, most_bytes=serving.held_bytes)
    access.install(app, runtime.access)
    request_metrics.install(app)
    security_headers.install(app)


async def _may_use_the_model(request: Request) -> None:
    access.permitted(request, Permission.USE_MODEL)
