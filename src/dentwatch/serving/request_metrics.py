"""Requests are counted and timed, by the template of their route."""

import time

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dentwatch.serving import metrics

NO_ROUTE = "none"
"""The route of a request that was refused before its route was looked for, or that has none."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
    """ASGI middleware that counts every request and its answer in :mod:`.metrics`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a ``send`` that sees the status."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # what Starlette answers outside of here when an error comes through

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        start = time.perf_counter()
        metrics.UNDER_WAY.inc()
        try:
            await self._app(scope, receive, sending)
        finally:
            metrics.UNDER_WAY.dec()
            route = getattr(scope.get("route"), "path_format", NO_ROUTE)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            metrics.REQUESTS.labels(route, method, status).inc()
            metrics.REQUEST_SECONDS.labels(route).observe(time.perf_counter() - start)


def install(app: FastAPI) -> None:
    """Count what ``app`` answers."""
    app.add_middleware(RequestMetrics)
