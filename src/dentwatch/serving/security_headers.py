"""Headers that keep a browser from doing with an answer what it is not meant for."""

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",  # a photo is a photo, whatever its bytes look like
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # answers are data: nothing in them runs
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",  # answers depend on the key, and photos are nobody else's business
}
"""What every answer carries, unless its route says otherwise (OWASP, "REST Security Cheat Sheet")."""


class SecurityHeaders:
    """ASGI middleware that adds :data:`HEADERS` to every answer; what a route has set itself stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a ``send`` that adds the headers."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending)


def install(app: FastAPI) -> None:
    """Make every answer of ``app`` carry the headers, also the one that says that something broke."""
    build = app.build_middleware_stack

    def outermost() -> ASGIApp:  # Starlette answers unexpected errors outside of all middleware that is added to it
        return SecurityHeaders(build())

    app.build_middleware_stack = outermost  # type: ignore[method-assign]
