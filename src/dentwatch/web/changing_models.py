"""``POST /v1/models/…``: another champion, by a person's word; carried out as ``dentwatch models`` does.

The registry belongs to MLflow, whose import takes seconds and 200 MB: the command runs in a process of its own, so
that worker processes stay small.
"""

import json
import os
import subprocess
import sys
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

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

    reason: str = Field(min_length=3, max_length=1000)


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
    faults = problems.documented(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE)
    routes = APIRouter(tags=["models"], responses={**REFUSALS, **faults})

    @routes.post("/v1/models/{number}/promotion", summary="Make a model version the champion")
    async def promote(
        number: Annotated[int, Path(ge=1, le=1_000_000_000)], given: ReasonInput, caller: Decider
    ) -> ChangeAnswer:
        """Past the gate, on a person's word. 409: there is no such version, or it cannot serve."""
        return await runtime.intake.in_thread(_change, runtime, ["promote", str(number)], given.reason, caller.actor)

    @routes.post("/v1/models/rollback", summary="Make the previous champion the champion again")
    async def roll_back(given: ReasonInput, caller: Decider) -> ChangeAnswer:
        """409: there is none to go back to."""
        return await runtime.intake.in_thread(_change, runtime, ["rollback"], given.reason, caller.actor)

    return routes


def _change(runtime: Runtime, words: list[str], reason: str, actor: str) -> ChangeAnswer:
    command = [sys.executable, "-m", "dentwatch", "models", *words, "--reason", reason, "--actor", actor, "--json"]
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
        raise RefusedError(HTTPStatus.CONFLICT, "champion-unchanged", said or "The champion was not changed.")
    found: dict[str, Any] = json.loads(done.stdout)
    return ChangeAnswer(**{name: found[name] for name in ChangeAnswer.model_fields})
