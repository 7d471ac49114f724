"""``POST /v1/promotions`` and ``/v1/rollbacks``: another champion, by a person's word, as ``dentwatch models`` does it.

The registry belongs to MLflow, whose import takes seconds and 200 MB: the command runs in a process of its own, so
that worker processes stay small.
"""

import json
import os
import subprocess
import sys
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from dentwatch.records import registry_view
from dentwatch.records.promotions import previous_champion
from dentwatch.serving import problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime

_LONGEST_SECONDS = 120  # files of a model may have to be fetched

Decider = Annotated[Caller, Depends(require(Permission.DECIDE_ON_MODELS))]


class ReasonInput(BaseModel):
    """Why; it is kept with the change."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: str = Field(min_length=3, max_length=1000, pattern=r"^[^\x00]*$")


class PromotionInput(ReasonInput):
    """Which version, and why."""

    version: StrictInt = Field(ge=1, le=1_000_000_000, description="The number of the model version.")


class ChangeAnswer(BaseModel):
    """A change of the champion; services follow it within seconds."""

    action: str = Field(description="`promote` or `rollback`.")
    version: int
    previous: int | None
    reason: str
    actor: str
    at: str


def router(runtime: Runtime) -> APIRouter:
    """The routes over ``runtime``."""
    faults = problems.documented(
        HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    )
    routes = APIRouter(tags=["models"], responses={**REFUSALS, **faults})

    @routes.post("/v1/promotions", summary="Make a model version the champion")
    async def promote(given: PromotionInput, caller: Decider) -> ChangeAnswer:
        """Past the gate, on a person's word. 409: there is no such version, or it cannot serve."""
        registry = await runtime.intake.in_thread(registry_view.view, runtime.settings)
        if given.version not in [one.number for one in registry.versions]:
            raise _unchanged(f"There is no model version {given.version}.")
        words = ["promote", str(given.version)]
        return await runtime.intake.in_thread(_change, runtime, words, given.reason, caller.actor)

    @routes.post("/v1/rollbacks", summary="Make the previous champion the champion again")
    async def roll_back(given: ReasonInput, caller: Decider) -> ChangeAnswer:
        """409: there is none to go back to."""
        registry = await runtime.intake.in_thread(registry_view.view, runtime.settings)
        champion = next((one.number for one in registry.versions if one.is_champion), None)
        if champion is None or previous_champion(registry.history, champion) is None:
            raise _unchanged("There is no earlier champion to roll back to.")
        return await runtime.intake.in_thread(_change, runtime, ["rollback"], given.reason, caller.actor)

    return routes


def _change(runtime: Runtime, words: list[str], reason: str, actor: str) -> ChangeAnswer:
    command = [sys.executable, "-m", "dentwatch", "models", *words, f"--reason={reason}", f"--actor={actor}", "--json"]
    home = str(runtime.settings.home.absolute())
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "DENTWATCH_HOME": home},
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RefusedError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "registry-slow",
            f"The registry did not answer within {_LONGEST_SECONDS} s. `dentwatch models history` says what happened.",
        ) from error
    if done.returncode:
        said = " ".join(done.stderr.split()).removeprefix("Error: ")
        raise _unchanged(said or "The champion was not changed.")
    found: dict[str, Any] = json.loads(done.stdout)
    return ChangeAnswer(**{name: found[name] for name in ChangeAnswer.model_fields})


def _unchanged(said: str) -> RefusedError:
    return RefusedError(HTTPStatus.CONFLICT, "champion-unchanged", said)
