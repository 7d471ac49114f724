"""``/v1/rollouts``: a person's word on challengers that want to serve."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from dentwatch.errors import ModelError
from dentwatch.records import rollouts
from dentwatch.records.rollouts import Decision, Rollout, Stage
from dentwatch.serving import problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime

_MOST = 1_000_000_000  # no registry counts so far

Decider = Annotated[Caller, Depends(require(Permission.DECIDE_ON_MODELS))]


class DecisionForm(BaseModel):
    """What a person says about a challenger."""

    decision: Decision
    reason: str = Field(min_length=1, max_length=1000, description="Why; it is kept with the decision.")


class RolloutAnswer(BaseModel):
    """How far a challenger has come."""

    model: str
    stage: Stage
    share: float = Field(description="Of the vehicles, that it answers as canary.")
    began_at: datetime
    stage_since: datetime
    decision: Decision | None
    decided_by: str | None
    reason: str | None


def router(runtime: Runtime) -> APIRouter:
    """The routes over ``runtime``."""
    routes = APIRouter(tags=["rollouts"], responses=REFUSALS)

    @routes.get("/v1/rollouts", summary="List the challengers on their way")
    async def listed(_caller: Decider) -> list[RolloutAnswer]:
        """Those whose rollout has not ended, oldest first."""
        return [_answer(one) for one in await runtime.intake.in_thread(_under_way, runtime)]

    @routes.post(
        "/v1/rollouts/{number}/decision",
        summary="Approve or veto a challenger",
        responses=problems.documented(
            HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
        ),
    )
    async def decide(number: int, form: DecisionForm, caller: Decider) -> RolloutAnswer:
        """Let it be rolled out where a person is asked, or stop it at whatever stage it is.

        409: the model version is not being rolled out.
        """
        model = f"{runtime.settings.tracking.model_name}/{number}"
        if not 0 < number < _MOST:
            raise RefusedError(HTTPStatus.CONFLICT, "no-rollout", f"{number} is no model version.")
        try:
            return _answer(
                await runtime.intake.write(
                    lambda connection: rollouts.decide(connection, model, form.decision, caller.actor, form.reason)
                )
            )
        except ModelError as error:
            raise RefusedError(HTTPStatus.CONFLICT, "no-rollout", error.message) from error

    return routes


def _under_way(runtime: Runtime) -> list[Rollout]:
    with runtime.database.reading() as connection:
        return rollouts.under_way(connection)


def _answer(rollout: Rollout) -> RolloutAnswer:
    return RolloutAnswer(**rollout.as_document())
