"""Operations of a contract and their endpoints: method → guard → answer, with errors in the contract's own form."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dentwatch.serving import problems

Answer = Callable[[Request], Awaitable[Response]]
Guard = Callable[[Request], Awaitable[None]]
ErrorForm = Callable[[HTTPException], Response]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Operation:
    """What a contract asks of a server.

    ``answer`` is called for ``method`` on any of ``paths``. ``error_form`` makes the response of a refusal; None leaves
    it to the application, whose form is the problem document. ``health`` is asked without permission. ``document`` is
    the operation's object in OpenAPI, without its errors.
    """

    name: str
    method: str
    paths: tuple[str, ...]
    answer: Answer
    document: dict[str, Any]
    error_form: ErrorForm | None = None
    health: bool = False


class Endpoint:
    """The ASGI application of one operation.

    It stands directly below the router, without the layers that FastAPI puts around a function: they cost more than
    everything else here.
    """

    def __init__(self, operation: Operation, guard: Guard | None) -> None:
        self._operation = operation
        self._guard = None if operation.health else guard
        self._methods = ("GET", "HEAD") if operation.method == "GET" else (operation.method,)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        form = self._operation.error_form
        try:
            if request.method not in self._methods:
                raise self._wrong_method(request)
            if self._guard:
                await self._guard(request)
            return await self._operation.answer(request)
        except HTTPException as error:
            if form is None:
                raise
            problems.count(error)
            return form(error)
        except Exception:
            if form is None:
                raise
            # Its text may name paths and must not leave the house.
            _log.exception("%s %s failed", request.method, request.url.path)
            detail = "Something went wrong here, not with your request. It is in the service's log."
            return form(HTTPException(HTTPStatus.INTERNAL_SERVER_ERROR, detail))

    def _wrong_method(self, request: Request) -> HTTPException:
        allowed = ", ".join(self._methods)
        detail = f"{request.url.path} does not take {request.method}, but {allowed}."
        return HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": allowed})


def json_response(content: Any, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    """``content`` (dictionaries, lists, numbers, text, pydantic models) as a JSON response."""
    return Response(to_json(content), status, headers, "application/json")


def error_object(error: HTTPException) -> Response:
    """``{"error": "…"}``: how Open Inference and TensorFlow Serving say that something is wrong."""
    return json_response({"error": error.detail}, error.status_code, dict(error.headers or {}))
