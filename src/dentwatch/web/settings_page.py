"""``/settings``: keys and roles, how everything is set, and whether alerts arrive."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, SecretStr
from pydantic_core import PydanticUndefined
from starlette.responses import Response

from dentwatch.errors import AlertError
from dentwatch.monitoring.alerts import receivers
from dentwatch.monitoring.alerts.alert import Alert
from dentwatch.records import api_keys, audit
from dentwatch.records.roles import Role
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.runtime import Runtime
from dentwatch.settings import Group, Settings, variable
from dentwatch.web.pages import page, show

_MASK = "••••••"
_PASSWORD = re.compile(r"(?<=://)[^@/]+(?=@)")

_NAMES = {"kpis": "KPIs", "up": "`dentwatch up`"}

Keeper = Annotated[Caller, Depends(require(Permission.MANAGE))]


class AlertTest(BaseModel):
    """What became of a test alert at each receiver."""

    receivers: dict[str, str] = Field(description="`delivered`, or why not, by the receiver's name.")


def router(runtime: Runtime) -> APIRouter:
    """The page, and the test of the alerts, over ``runtime``."""
    routes = APIRouter(tags=["alerts"], responses=REFUSALS)

    @page(routes, "/settings")
    async def settings(request: Request, _caller: Keeper) -> Response:
        keys = await runtime.intake.read(api_keys.list_keys)
        view = {
            "keys": keys,
            "roles": list(Role),
            "is_open": runtime.access.is_open,
            "receivers": [one.name for one in receivers.of(runtime.settings)],
            "groups": _groups(runtime.settings),
        }
        return show(request, "settings.html", view)

    @routes.post("/v1/alerts/test", summary="Tell every receiver of alerts that this is a test")
    async def test(caller: Keeper) -> AlertTest:
        """Lasts as long as the slowest of them takes to answer."""
        outcomes = {one.name: await runtime.intake.in_thread(_told, one) for one in receivers.of(runtime.settings)}
        await runtime.intake.write(
            lambda connection: audit.append(connection, caller.actor, "alert.test", "receivers", outcomes)
        )
        return AlertTest(receivers=outcomes)

    return routes


def _told(receiver: receivers.Receiver) -> str:
    try:
        receiver.tell(Alert("test", "noticed", "A test of Dentwatch's alerts", "Alerts will arrive here."))
    except AlertError as error:
        return error.message
    return "delivered"


def _groups(settings: Settings) -> list[dict[str, Any]]:
    """Every setting with its value, by group; the group's first line says what it is about."""
    places: list[dict[str, Any]] = []
    groups: list[dict[str, Any]] = [{"name": "Places", "about": "Where things are kept.", "settings": places}]
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, Group):
            members = [
                _setting(variable(name, member), inner, getattr(value, member))
                for member, inner in type(value).model_fields.items()
            ]
            about = (type(value).__doc__ or "").split("\n")[0]
            groups.append(
                {"name": _NAMES.get(name, name.replace("_", " ").capitalize()), "about": about, "settings": members}
            )
        else:
            places.append(_setting(variable(name), field, value))
    return groups


def _setting(name: str, field: Any, value: Any) -> dict[str, Any]:
    default = field.get_default(call_default_factory=True, validated_data={})
    return {
        "name": name,
        "value": _shown(value),
        "is_default": default is not PydanticUndefined and value == default,
        "about": field.description or "",
    }


def _shown(value: Any) -> str:
    """A value without the secrets in it."""
    if isinstance(value, SecretStr):
        return _MASK if value.get_secret_value() else ""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {inner}" for key, inner in value.items())
    return "" if value is None else _PASSWORD.sub(_MASK, str(value))
