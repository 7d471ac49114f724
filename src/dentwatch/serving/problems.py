"""Problem documents: how the service says that something is wrong (RFC 9457, ``application/problem+json``)."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from dentwatch.serving import metrics

MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger(__name__)


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457, section 3.1)."""

    type: str = Field(default="about:blank", description="Names the kind of problem, for a program.")
    title: str = Field(description="The kind of problem, for a person.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened in this request, and the way out.")
    errors: list[FieldProblem] | None = Field(default=None, description="The fields at fault, where there are any.")


class RefusedError(HTTPException):
    """A request that the service refuses for a reason of its own, ``kind`` (``too-many-photos`` …)."""

    def __init__(self, status: HTTPStatus, kind: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.kind = kind


ErrorPage = Callable[[Request, Problem], Response | None]
"""Shows a problem to a person; None where it is no person who asks."""


def install(app: FastAPI, page: ErrorPage | None = None) -> None:
    """Make ``app`` answer every error with a problem document, and its OpenAPI description say what that is.

    ``page`` shows it instead to those who look at pages.
    """
    app.state.error_page = page
    app.add_exception_handler(StarletteHTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(Exception, _on_unexpected_error)
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        description = describe()
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = description.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(problem.pop("$defs"), Problem=problem)
        _describe_invalid_requests(description)
        return description

    app.openapi = openapi  # type: ignore[method-assign]


def respond(request: Request, refusal: RefusedError) -> Response:
    """The answer to a request that is refused before it reaches the application's own handlers."""
    return _on_http_error(request, refusal)


def count(error: Exception) -> None:
    """Count a refusal among the service's metrics; for those that are answered in another form than here."""
    if isinstance(error, RefusedError):
        metrics.REFUSALS.labels(error.status_code, error.kind).inc()


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer with problems of these statuses, for OpenAPI."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status.value: {"description": status.phrase, "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses
    }


def _describe_invalid_requests(description: dict[str, Any]) -> None:
    """Replace what FastAPI says about 422 of its own accord, which is not what is answered here."""
    schemas = description["components"]["schemas"]
    if schemas.pop("HTTPValidationError", None) is None:
        return
    schemas.pop("ValidationError")
    for operation in (one for path in description["paths"].values() for one in path.values()):
        responses = operation["responses"]
        if "application/json" in responses.get("422", {}).get("content", {}):
            responses["422"] = documented(HTTPStatus.UNPROCESSABLE_ENTITY)[422]


def _methods(request: Request) -> str:
    """Every method that the path of ``request`` takes; Starlette names those of its first route only."""

    def takes(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return ", ".join(method for method in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT") if takes(method))


def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, StarletteHTTPException):  # registered for these alone; the signature is Starlette's
        raise error
    count(error)
    status = HTTPStatus(error.status_code)
    kind = f"urn:dentwatch:problem:{error.kind}" if isinstance(error, RefusedError) else "about:blank"
    detail, headers = error.detail, error.headers
    if status is HTTPStatus.NOT_FOUND and detail == status.phrase:
        detail = f"There is nothing at {request.url.path}."
    elif status is HTTPStatus.METHOD_NOT_ALLOWED and detail == status.phrase:
        headers = {**(headers or {}), "Allow": (allowed := _methods(request))}
        detail = f"{request.url.path} does not take {request.method}, but {allowed}."
    return _respond(request, Problem(type=kind, title=status.phrase, status=status, detail=detail), headers)


def _on_invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    fields = [
        FieldProblem(field=".".join(str(part) for part in found["loc"][1:]) or "body", detail=found["msg"])
        for found in error.errors()
    ]
    named = "; ".join(f"{field.field}: {field.detail}" for field in fields)
    problem = Problem(
        title="The request cannot be understood",
        status=status,
        detail=f"{named}. See /openapi.json for what is due.",
        errors=fields,
    )
    return _respond(request, problem)


def _on_unexpected_error(request: Request, error: Exception) -> Response:
    # The traceback is logged by the server; its text may name paths and must not leave the house.
    _log.error("%s %s failed: %s: %s", request.method, request.url.path, type(error).__name__, error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    detail = "Something went wrong here, not with your request. It is in the service's log."
    # The server closes the connection after this; a client that is not told loses its next request.
    return _respond(request, Problem(title=status.phrase, status=status, detail=detail), {"Connection": "close"})


def _respond(request: Request, problem: Problem, headers: Any = None) -> Response:
    app = request.scope.get("app")  # none where middleware answers by itself
    page: ErrorPage | None = getattr(getattr(app, "state", None), "error_page", None)
    if page is not None and (shown := page(request, problem)) is not None:
        shown.headers.update(headers or {})
        return shown
    return JSONResponse(
        problem.model_dump(exclude_none=True), problem.status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )
