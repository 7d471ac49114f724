"""``/v1/keys``: who may use the service. A key's text is answered once, when it is made."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from dentwatch.errors import KeyRefusedError
from dentwatch.records import api_keys, passwords
from dentwatch.records.api_keys import ApiKey, NewKey
from dentwatch.records.roles import Role
from dentwatch.serving import problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime

Result = TypeVar("Result")

Keeper = Annotated[Caller, Depends(require(Permission.MANAGE))]


class KeyAnswer(BaseModel):
    """What is known of a key."""

    id: str
    name: str
    role: Role
    prefix: str = Field(description="The part of the key that may be shown.")
    created_at: datetime
    revoked_at: datetime | None


class NewKeyAnswer(KeyAnswer):
    """A key that was just made."""

    key: str = Field(description="The key itself; it is not shown again.")


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KeyInput(_Input):
    """A key to be made."""

    name: str = Field(min_length=1, max_length=100, description="Says whose key it is; unique for good.")
    role: Role


class PasswordInput(_Input):
    """A password, for signing in to the pages with the key's name."""

    password: str = Field(min_length=passwords.LEAST, max_length=passwords.MOST)


def router(runtime: Runtime) -> APIRouter:
    """The routes over ``runtime``."""
    faults = problems.documented(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
    routes = APIRouter(tags=["keys"], responses={**REFUSALS, **faults})

    @routes.get("/v1/keys", summary="List the keys")
    async def listed(_caller: Keeper) -> list[KeyAnswer]:
        """Every key ever made, oldest first."""
        return [_answer(key) for key in await runtime.intake.read(api_keys.list_keys)]

    @routes.post("/v1/keys", status_code=HTTPStatus.CREATED, summary="Make a key")
    async def create(given: KeyInput, caller: Keeper) -> NewKeyAnswer:
        """409: the name is taken, or can be nobody's."""
        made: NewKey = await _write(
            runtime, lambda connection: api_keys.create(connection, given.name, given.role, caller.actor)
        )
        return NewKeyAnswer(**_answer(made.key).model_dump(), key=made.text)

    @routes.delete("/v1/keys/{name}", summary="Revoke a key")
    async def revoke(name: str, caller: Keeper) -> KeyAnswer:
        """For good, and within seconds; its sessions end. 409: there is no such key."""
        return _answer(await _write(runtime, lambda connection: api_keys.revoke(connection, name, caller.actor)))

    @routes.put("/v1/keys/{name}/password", summary="Set the password of a key's holder")
    async def set_password(name: str, given: PasswordInput, caller: Keeper) -> KeyAnswer:
        """Whoever is signed in with the key is signed out. 409: there is no such key."""
        return _answer(
            await _write(
                runtime, lambda connection: passwords.set_password(connection, name, given.password, caller.actor)
            )
        )

    return routes


async def _write(runtime: Runtime, change: Callable[[Connection], Result]) -> Result:
    try:
        return await runtime.intake.write(change)
    except KeyRefusedError as error:
        raise RefusedError(HTTPStatus.CONFLICT, "key-unchanged", str(error)) from error


def _answer(key: ApiKey) -> KeyAnswer:
    return KeyAnswer.model_validate(key, from_attributes=True)
