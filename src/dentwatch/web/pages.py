"""What all pages share: templates, navigation, the JSON twin, and errors in plain words."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.encoders import jsonable_encoder
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, model_validator
from starlette.responses import HTMLResponse, JSONResponse, Response

from dentwatch.serving import access
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import Problem
from dentwatch.web import icons, wording

FOLDER = Path(str(resources.files("dentwatch.web")))
ASSETS = FOLDER / "assets"

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""What a page may load: its own scripts and styles, and nothing from elsewhere."""

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class PageQuery(BaseModel):
    """The query of a page: forms name empty fields, too, and they are left out."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty_fields(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given


@dataclass(frozen=True, slots=True)
class Place:
    """A page in the navigation, for those with ``permission``; ``icon`` names one of :mod:`.icons`.

    Pages below ``path`` and below ``also`` belong to it.
    """

    path: str
    name: str
    icon: str
    permission: Permission
    group: str
    also: str = ""


PLACES = (
    Place("/", "Overview", "home", Permission.SEE_MONITORING, "Work"),
    Place("/inspect", "New inspection", "camera", Permission.SUBMIT_INSPECTIONS, "Work"),
    Place("/inspections", "Inspections", "list", Permission.SEE_INSPECTIONS, "Work"),
    Place("/review", "Review", "check", Permission.GIVE_VERDICTS, "Work"),
    Place("/data", "Data", "data", Permission.SEE_MODELS, "Models"),
    Place("/models", "Models", "model", Permission.SEE_MODELS, "Models"),
    Place("/health", "Health", "pulse", Permission.SEE_MONITORING, "Running", also="/incidents"),
    Place("/kpis", "KPIs", "chart", Permission.SEE_MONITORING, "Running"),
    Place("/audit", "Audit", "book", Permission.SEE_AUDIT, "Running"),
    Place("/settings", "Settings", "gear", Permission.MANAGE, "Running"),
)
"""The pages of the navigation, in its order."""


def page(routes: APIRouter, path: str) -> Callable[[Endpoint], Endpoint]:
    """Make a function the page at ``path`` and its JSON twin at ``path`` with ``.json`` behind.

    The function returns what :func:`show` makes. The overview's twin is ``/overview.json``.
    """

    def register(function: Endpoint) -> Endpoint:
        twin = f"{path}.json" if path != "/" else "/overview.json"
        for one in (twin, path):  # the twin first: a parameter at the end of the path would take it in
            routes.add_api_route(one, function, methods=["GET"], include_in_schema=False, response_model=None)
        return function

    return register


def show(request: Request, template: str, view: Any, *, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """``view`` as the page that ``request`` is for: through ``template``, or as JSON for the twin.

    ``view`` is a mapping of names to what :func:`fastapi.encoders.jsonable_encoder` takes; the template sees the same.
    """
    if request.url.path.endswith(".json"):
        return JSONResponse(jsonable_encoder(view), status)
    return _html(request, template, view, status)


def error_page(request: Request, problem: Problem) -> Response | None:
    """A problem as a page, where a person's browser asked for one; None for programs."""
    if not access.is_visit(request.method, request.headers):
        return None
    return _html(request, "error.html", {"problem": problem}, HTTPStatus(problem.status))


def asset(name: str) -> str:
    """The address of a file in ``assets/``; it changes when any of them does, so browsers may keep it for good."""
    return f"{access.ASSETS}{assets_digest()}/{name}"


@cache
def assets_digest() -> str:
    """Names the content of ``assets/``; scripts find each other below it."""
    digest = hashlib.sha256()
    for file in sorted(ASSETS.iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _html(request: Request, template: str, view: Any, status: HTTPStatus) -> Response:
    caller: Caller | None = getattr(request.state, "caller", None)
    path = request.url.path
    here = next((one.path for one in PLACES if _is_within(path, one.path) or _is_within(path, one.also)), "")
    text = (
        _environment()
        .get_template(template)
        .render(
            view,
            request=request,
            caller=caller,
            places=[one for one in PLACES if caller and caller.may(one.permission)],
            here=here,
            now=datetime.now(UTC),
            may=lambda name: caller is not None and caller.may(Permission[name]),
        )
    )
    return HTMLResponse(text, status, {"Content-Security-Policy": CONTENT_SECURITY_POLICY})


def _is_within(path: str, place: str) -> bool:
    return path == place or (place not in ("", "/") and path.startswith(place + "/"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"asset": asset, "icon": icons.icon}
    environment.filters |= wording.FILTERS
    environment.filters["as_json"] = lambda value: json.dumps(jsonable_encoder(value), ensure_ascii=False)
    return environment
