"""``/sign-in`` and ``/sign-out``: a person shows a key, or a name and a password, and gets a session."""

import time
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from dentwatch.records import api_keys, passwords, sessions
from dentwatch.records.api_keys import ApiKey
from dentwatch.serving.access import SESSION_COOKIE, SIGN_IN, refuse_forged
from dentwatch.serving.permissions import PERMISSIONS, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime
from dentwatch.serving.token_bucket import TokenBucket
from dentwatch.web.pages import show

_TRIES_PER_SECOND, _TRIES = 0.1, 10
_MOST_NAMES = 10_000  # names whose tries are remembered
_MOST_BODY = 4000


class Tries:
    """How often each name was tried: after a few wrong passwords, one try in ten seconds."""

    def __init__(self) -> None:
        self._buckets: dict[str, TokenBucket] = {}

    def wait(self, name: str) -> float:
        """Count a try for ``name``: 0, or the seconds until the next is allowed."""
        now = time.monotonic()
        if len(self._buckets) > _MOST_NAMES:
            self._buckets.clear()
        bucket = self._buckets.setdefault(name, TokenBucket(_TRIES_PER_SECOND, _TRIES, at=now, tokens=_TRIES))
        return bucket.take(now)


def router(runtime: Runtime) -> APIRouter:
    """The routes over ``runtime``; signing in needs no key."""
    routes = APIRouter(include_in_schema=False)
    tries = Tries()

    @routes.get(SIGN_IN, response_model=None)
    async def form(request: Request, next: str = "/") -> Response:
        if runtime.access.is_open:
            return RedirectResponse(_within(next), HTTPStatus.SEE_OTHER)
        return show(request, "sign-in.html", {"next": _within(next), "fault": None, "name": ""})

    @routes.post(SIGN_IN, response_model=None)
    async def sign_in(request: Request) -> Response:
        refuse_forged(request.method, request.headers)
        given = await _fields(request)
        found = await _recognised(runtime, given, tries)
        if isinstance(found, str):
            view = {"next": _within(given.get("next", "/")), "fault": found, "name": given.get("name", "")}
            return show(request, "sign-in.html", view, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        key = found
        token = await runtime.intake.write(lambda connection: sessions.open_session(connection, key, f"key:{key.name}"))
        target = _within(given.get("next", "/"))
        if target == "/" and Permission.SEE_MONITORING not in PERMISSIONS[key.role]:
            target = "/inspect"
        answer = RedirectResponse(target, HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            SESSION_COOKIE,
            token,
            max_age=int(sessions.LIFETIME.total_seconds()),
            httponly=True,
            secure=request.url.scheme == "https",
            samesite="lax",
        )
        return answer

    @routes.post("/sign-out", response_model=None)
    async def sign_out(request: Request) -> Response:
        token = request.cookies.get(SESSION_COOKIE)
        if token is not None:
            await runtime.intake.write(lambda connection: sessions.close_session(connection, token))
        answer = RedirectResponse(SIGN_IN, HTTPStatus.SEE_OTHER)
        answer.delete_cookie(SESSION_COOKIE)
        return answer

    return routes


async def _fields(request: Request) -> dict[str, str]:
    declared = request.headers.get("content-length", "")
    if not declared.isdecimal() or int(declared) > _MOST_BODY:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "form-too-large", "This form has a few short fields.")
    async with request.form(max_files=0, max_fields=8) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


async def _recognised(runtime: Runtime, given: dict[str, str], tries: Tries) -> ApiKey | str:
    """Whose key or password was given, or what to tell the person."""
    key, name, password = (given.get(field, "").strip() for field in ("key", "name", "password"))
    if key:
        found = await runtime.intake.read(lambda connection: api_keys.authenticate(connection, key))
        return found or "This key is unknown or was revoked. Ask whoever runs Dentwatch for another."
    if not name or not password:
        return "Give your name and password, or a key."
    if wait := tries.wait(name):
        return f"That name was tried too often. Try again in {wait:.0f} seconds."

    def check(connection: Connection) -> Any:
        return passwords.check(connection, name, given.get("password", ""))

    return await runtime.intake.read(check) or "The name or the password is not right."


def _within(target: str) -> str:
    """Where to go after signing in: never another site."""
    local = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if local and target.isprintable() else "/"
