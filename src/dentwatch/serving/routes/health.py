"""``/healthz`` and ``/readyz``: whether the process lives, and whether it can take inspections."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from dentwatch.errors import DentwatchError
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime

_PATIENCE_SECONDS = 3.0


class Health(BaseModel):
    """That the process answers, and with what."""

    status: Literal["ok"]
    model: str
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
        return Health(
            status="ok", model=runtime.service.model, version=version, uptime_s=round(runtime.service.uptime, 3)
        )

    @routes.get(
        "/readyz",
        summary="Whether the service can take inspections",
        responses={503: {"model": Readiness, "description": "It cannot keep what it would take."}},
    )
    async def readiness(response: Response) -> Readiness:
        """The registry may be out of reach without that: then the model stays as it is, and this says so."""
        database, photos = await asyncio.gather(_answer(runtime, _database), _answer(runtime, _photos))
        ready = database == photos == "ok"
        if not ready:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        registry = runtime.models.problem or "ok"
        return Readiness(ready=ready, parts={"database": database, "photos": photos, "registry": registry})

    return routes


def _database(runtime: Runtime) -> None:
    runtime.database.check()


def _photos(runtime: Runtime) -> None:
    runtime.intake.check_room()
    runtime.store.check()


async def _answer(runtime: Runtime, check: Callable[[Runtime], None]) -> str:
    try:
        await asyncio.wait_for(runtime.intake.in_thread(check, runtime), _PATIENCE_SECONDS)
    except TimeoutError:
        return f"no answer within {_PATIENCE_SECONDS:g} s"
    except RefusedError as error:
        return str(error.detail)
    except DentwatchError as error:
        return error.message
    return "ok"
