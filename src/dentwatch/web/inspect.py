"""``/inspect``: taking the photos of a car one view after the other, and sending them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from dentwatch.serving.access import require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.runtime import Runtime
from dentwatch.web.pages import page, show

CHANNEL = "pages"
"""What inspections that are made here name as their channel."""


@dataclass(frozen=True, slots=True)
class View:
    """A side of the car: its name, where to stand for it, and from which direction it is seen, degrees clockwise."""

    name: str
    hint: str
    degrees: int


VIEWS = (
    View("Front", "Stand 3 m in front of the car.", 0),
    View("Front right", "Stand off the front corner, so that the side and the front show.", 45),
    View("Right side", "Stand back until the whole side is in the picture.", 90),
    View("Rear right", "Stand off the rear corner.", 135),
    View("Rear", "Stand 3 m behind the car.", 180),
    View("Rear left", "Stand off the rear corner.", 225),
    View("Left side", "Stand back until the whole side is in the picture.", 270),
    View("Front left", "Stand off the front corner, so that the side and the front show.", 315),
)
"""What shows a car from all around; neighbours overlap, so that a damage in two of them counts once."""


Submitter = Annotated[Caller, Depends(require(Permission.SUBMIT_INSPECTIONS))]


def router(runtime: Runtime) -> APIRouter:
    """The page over ``runtime``."""
    routes = APIRouter(include_in_schema=False)

    @page(routes, "/inspect")
    async def inspect(request: Request, _caller: Submitter) -> Response:
        limits = runtime.settings.serving
        view = {
            "views": VIEWS,
            "channel": CHANNEL,
            "vehicle_classes": list(runtime.prices.vehicle_classes),
            "default_class": runtime.prices.default_class,
            "max_photos": limits.max_photos,
            "max_photo_bytes": limits.max_photo_bytes,
        }
        return show(request, "inspect.html", view)

    return routes
