"""Who may come in: API keys are checked, counted and held to their role before a request's body is read.

:func:`install` closes a whole application: every path but those in :data:`PUBLIC` needs a key, also a path that does
not exist. :func:`require` then says per route what the key's role must allow.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import FastAPI, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from sqlalchemy import Connection
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dentwatch.errors import DatabaseError
from dentwatch.records import api_keys, sessions
from dentwatch.records.api_keys import ApiKey
from dentwatch.records.database import Database
from dentwatch.serving import problems
from dentwatch.serving.key_use import KeyUse
from dentwatch.serving.permissions import ANONYMOUS, Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.server import is_loopback
from dentwatch.settings import ServingSettings

PUBLIC = frozenset({"/healthz", "/readyz", "/ping", "/v2/health/live", "/v2/health/ready"})
"""Paths that need no key: whoever watches over the service asks there whether it is well."""

SIGN_IN = "/sign-in"
"""Where people sign in to the pages; it and what lies below :data:`ASSETS` needs no key either."""

ASSETS = "/assets/"
"""Below here lie the style sheets and scripts of the pages."""

SESSION_COOKIE = "dentwatch_session"
"""The cookie with the session's token (``records.sessions``) of somebody who has signed in."""

REFUSALS = problems.documented(
    HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE
)
"""The ``responses`` of every route that :func:`require` guards, for OpenAPI."""

CONFIRM_SECONDS = 3.0
"""How long a key is trusted before the database is asked again: a revoked one is out after about that long."""

GRACE_SECONDS = 600.0
"""How long a known key is trusted while the database cannot be asked: it cannot be revoked in that time either."""

_PATIENCE_SECONDS = 2.0  # for an answer of the database
_REALM = 'Bearer realm="dentwatch"'
_bearer = HTTPBearer(auto_error=False, scheme_name="Bearer", description="`Authorization: Bearer dw_…`")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="X-API-Key", description="`X-API-Key: dw_…`")


@dataclass
class _Holder:
    """A key that was found valid, and what it is used for; times are in seconds of the clock."""

    caller: Caller
    use: KeyUse
    asked_at: float
    confirmed_at: float

    @contextmanager
    def visit(self, place: int) -> Iterator[Caller]:
        """One request at its place, from its headers to the end of its answer."""
        try:
            yield self.caller
        finally:
            self.use.leave(place)


class Access:
    """The door of one process: knows the keys that were shown lately and what their holders are doing.

    ``is_open`` lets everybody of this machine in as :data:`~dentwatch.serving.permissions.ANONYMOUS`; it is for a
    service that is bound to a loopback address and has no keys. A key that is shown counts all the same. ``clock``
    gives seconds, the same in all processes. Limits hold over all processes that count in ``counts``, a folder; None
    counts for this one alone. Used from one event loop.
    """

    def __init__(
        self,
        database: Database,
        settings: ServingSettings,
        *,
        is_open: bool = False,
        counts: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_open = is_open
        self._database = database
        self._settings = settings
        self._clock = clock
        if counts is not None:
            counts.mkdir(exist_ok=True)
        self._counts = counts
        self._uses: dict[str, KeyUse] = {}  # by the key's id
        self._holders: dict[bytes, _Holder] = {}  # by the key's digest; only keys that exist, so it stays small
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="access")

    def close(self) -> None:
        """End the threads that ask the database, and the counting."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for use in self._uses.values():
            use.close()

    async def admit(self, headers: Headers, method: str = "GET") -> AbstractContextManager[Caller]:
        """What a request with ``headers`` is to be answered within; entering it gives the caller.

        Raises :class:`RefusedError`: 401 without a valid key or session, 403 for a web page of elsewhere that reaches
        for an open service or changes something in a session's name, 429 for a key that asks too often or too much at
        once, 503 when the database cannot say whether a key is valid.
        """
        key = _shown(headers)
        if key is not None:
            holder = await self._find(key, api_keys.authenticate)
            if holder is None:
                raise _unauthorised(
                    "key-refused", "The API key is unknown or was revoked.", f'{_REALM}, error="invalid_token"'
                )
        else:
            token = _session(headers)
            holder = None if token is None else await self._find(token, sessions.holder)
            if holder is not None:
                refuse_forged(method, headers)
        if holder is None:
            if not self.is_open:
                raise _unauthorised("key-missing", "This needs an API key.", _REALM)
            _refuse_other_sites(headers)
            return nullcontext(ANONYMOUS)
        place = holder.use.take_place()
        if place is None:
            most = self._settings.key_concurrency
            raise _too_many("too-many-at-once", f"{most} requests of this key are under way already.", 1)
        if wait := holder.use.take_token(self._clock()):
            holder.use.leave(place)
            raise _too_many(
                "too-often", f"This key may make {self._settings.rate:g} requests per second.", math.ceil(wait)
            )
        return holder.visit(place)

    async def _find(self, secret: str, look_up: Callable[[Connection, str], ApiKey | None]) -> _Holder | None:
        """The holder of ``secret``, confirmed lately by the database; None for one that is not valid."""
        digest = sha256(secret.encode("utf-8", "surrogateescape")).digest()
        holder = self._holders.get(digest)
        now = self._clock()
        if holder is not None:
            if now - holder.asked_at < CONFIRM_SECONDS:
                return holder
            holder.asked_at = now  # one question at a time: other requests of this key do not wait for the answer
        try:
            asking = asyncio.get_running_loop().run_in_executor(self._threads, self._asked, look_up, secret)
            found = await asyncio.wait_for(asking, _PATIENCE_SECONDS)
        except (DatabaseError, TimeoutError) as error:
            if holder is not None and now - holder.confirmed_at < GRACE_SECONDS:
                return holder
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "keys-unavailable",
                "The database that knows the API keys cannot be asked. Try again in a moment.",
                {"Retry-After": str(math.ceil(CONFIRM_SECONDS))},
            ) from error
        if found is None:
            self._holders.pop(digest, None)
            return None
        if holder is None:
            holder = self._holders.setdefault(digest, self._new_holder(found, now))
        holder.confirmed_at = now
        return holder

    def _asked(self, look_up: Callable[[Connection, str], ApiKey | None], secret: str) -> ApiKey | None:
        with self._database.reading() as connection:
            return look_up(connection, secret)

    def _new_holder(self, key: ApiKey, now: float) -> _Holder:
        if (use := self._uses.get(key.id)) is None:
            use = self._uses[key.id] = KeyUse(key.id, self._settings, self._counts)
        return _Holder(Caller(key.id, key.name, key.role), use, now, now)


class Gate:
    """ASGI middleware: lets in whom ``app.state.access`` admits, and answers the others without reading their body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its caller, or refuse it."""
        if scope["type"] != "http" or _is_public(scope["path"]):
            await self._app(scope, receive, send)
            return
        access: Access = scope["app"].state.access
        headers = Headers(scope=scope)
        try:
            visit = await access.admit(headers, scope["method"])
        except RefusedError as refusal:
            if refusal.status_code == HTTPStatus.UNAUTHORIZED and is_visit(scope["method"], headers):
                problems.count(refusal)
                await RedirectResponse(_sign_in_before(scope), HTTPStatus.SEE_OTHER)(scope, receive, send)
            else:
                await problems.respond(Request(scope), refusal)(scope, receive, send)
            return
        with visit as caller:
            scope.setdefault("state", {})["caller"] = caller
            await self._app(scope, receive, send)


def install(app: FastAPI, access: Access) -> None:
    """Close ``app``: ``access`` decides who comes in, and lies at ``app.state.access``."""
    app.state.access = access
    app.add_middleware(Gate)


def require(permission: Permission) -> Callable[..., Awaitable[Caller]]:
    """A dependency that gives the :class:`Caller` and refuses (403) one whose role lacks ``permission``.

    ``caller: Annotated[Caller, Depends(require(Permission.SEE_PHOTOS))]``; the application must be closed by
    :func:`install`.
    """

    async def caller(
        request: Request,
        _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],  # for OpenAPI; the gate has looked
        _header: Annotated[str | None, Security(_header)],
    ) -> Caller:
        return permitted(request, permission)

    return caller


def permitted(request: Request, permission: Permission) -> Caller:
    """Who makes a request that has passed the gate; raises :class:`RefusedError` (403) for a role without it."""
    caller: Caller = request.state.caller
    if not caller.may(permission):
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            "not-permitted",
            f"The role of this key, {caller.role}, may not {permission}. Use a key of another role.",
        )
    return caller


def _is_public(path: str) -> bool:
    return path in PUBLIC or path == SIGN_IN or path.startswith(ASSETS)


def is_visit(method: str, headers: Headers) -> bool:
    """Whether a person's browser wants to show a page."""
    return method == "GET" and "text/html" in headers.get("accept", "")


def _sign_in_before(scope: Scope) -> str:
    """Where to sign in, and come back from."""
    query = scope["query_string"].decode("latin-1")
    return f"{SIGN_IN}?{urlencode({'next': scope['path'] + (f'?{query}' if query else '')})}"


def _session(headers: Headers) -> str | None:
    """The token of the session in whose name a browser asks."""
    return cookie_parser(headers.get("cookie", "")).get(SESSION_COOKIE)


def refuse_forged(method: str, headers: Headers) -> None:
    """Keep pages of other sites from changing anything in the name of somebody who is signed in here.

    Browsers say where a request comes from (OWASP, "Cross-Site Request Forgery Prevention": Fetch Metadata, with the
    origin for those that do not send it).
    """
    if method in ("GET", "HEAD", "OPTIONS"):
        return
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    from_here = (
        site == "same-origin" if site else bool(origin) and (origin or "").partition("://")[2] == headers.get("host")
    )
    if not from_here:
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            "not-from-here",
            "This was not sent by a page of this service. Open the page anew; programs show an API key.",
        )


def _shown(headers: Headers) -> str | None:
    """The key that a request shows, in either header."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    return headers.get("x-api-key")


def _refuse_other_sites(headers: Headers) -> None:
    """Keep web pages of other sites, open in a browser of this machine, away from a service that runs open.

    Their requests name their own site as ``Origin``, or, with a name that was made to lead here, as ``Host``.
    """
    named = [f"//{headers.get('host', '')}", *headers.getlist("origin")]
    if not all(is_loopback(_host(place)) for place in named):
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            "not-from-here",
            "This service runs open for programs of its own machine, under the name localhost or a loopback address. "
            "Make a key with `dentwatch keys create` and start the service again to use it from elsewhere.",
        )


def _host(place: str) -> str:
    try:
        return urlsplit(place).hostname or ""
    except ValueError:
        return ""


def _unauthorised(kind: str, what: str, challenge: str) -> RefusedError:
    return RefusedError(
        HTTPStatus.UNAUTHORIZED,
        kind,
        f"{what} Send one as `Authorization: Bearer dw_…` or `X-API-Key: dw_…`; an admin makes it with `dentwatch keys "
        f"create`.",
        {"WWW-Authenticate": challenge},
    )


def _too_many(kind: str, what: str, wait: int) -> RefusedError:
    return RefusedError(
        HTTPStatus.TOO_MANY_REQUESTS, kind, f"{what} Wait {wait} s and try again.", {"Retry-After": str(wait)}
    )
