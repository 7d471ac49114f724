"""No request may be larger than the service is willing to hold."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dentwatch.serving.problems import RefusedError


class BodyLimit:
    """ASGI middleware: a body over ``most`` bytes ends in 413.

    What came too much is read and dropped, up to ``most`` bytes more, before the answer goes out: a connection that is
    closed while its peer still sends is reset, and the peer would never see the answer. A peer that declares too much
    and waits to be told to go on (``Expect: 100-continue``) is refused before it sends anything.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a ``receive`` that refuses what is too much."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        too_long = declared.isdecimal() and int(declared) > self._most
        waits = headers.get("expect", "").lower() == "100-continue"
        received = 0

        async def limited() -> Message:
            nonlocal received
            if too_long and waits:
                raise self._refusal()
            message = await receive()
            received += len(message.get("body", b""))
            if too_long or received > self._most:
                while message.get("more_body", False) and received <= 2 * self._most:
                    message = await receive()
                    received += len(message.get("body", b""))
                raise self._refusal()
            return message

        await self._app(scope, limited, send)

    def _refusal(self) -> RefusedError:
        return RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "body-too-large",
            f"The request is larger than the {self._most:,} bytes allowed. Send fewer photos at a time.",
            # What was not read would otherwise be taken for the next request.
            {"Connection": "close"},
        )
