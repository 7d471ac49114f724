"""How much a worker process takes on: requests beyond that are told to come back at once, before they are read."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dentwatch.serving import metrics, problems
from dentwatch.serving.problems import RefusedError


class Room:
    """ASGI middleware: at most ``most`` requests with a body are under way, and hold at most ``most_bytes`` together.

    Further ones are answered 503 with ``Retry-After``. A lone request may be as large as it likes: whether it is too
    large at all is for others to say (:class:`~dentwatch.serving.body_limit.BodyLimit`).
    """

    def __init__(self, app: ASGIApp, most: int, most_bytes: int) -> None:
        self._app = app
        self._most, self._most_bytes = most, most_bytes
        self._present = 0
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS", "DELETE"):
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        expected = int(declared) if declared.isdecimal() else 0
        if self._present >= self._most or not self._fits(expected):
            await problems.respond(Request(scope), _busy())(scope, receive, send)
            return
        held = expected
        received = 0
        self._present += 1
        self._held += expected
        metrics.HELD_BYTES.inc(expected)

        async def counted() -> Message:
            nonlocal held, received
            message = await receive()
            received += len(message.get("body", b""))
            if received > held:  # it had not said how much would come
                more = received - held
                if not self._fits(more):
                    raise _busy()
                self._held += more
                metrics.HELD_BYTES.inc(more)
                held = received
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._present -= 1
            self._held -= held
            metrics.HELD_BYTES.dec(held)

    def _fits(self, more: int) -> bool:
        return not self._held or self._held + more <= self._most_bytes


def _busy() -> RefusedError:
    return RefusedError(
        HTTPStatus.SERVICE_UNAVAILABLE, "busy", "All places are taken. Try again in a moment.", {"Retry-After": "1"}
    )
