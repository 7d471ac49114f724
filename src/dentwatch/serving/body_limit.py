"""No request may be larger than the service is willing to hold."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dentwatch.serving.problems import RefusedError


class BodyLimit:
    """ASGI middleware: a body over ``most`` bytes ends in 413, as soon as that is known.

    A declared length is believed, so that not a byte of such a body is read; an undeclared one is counted.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a ``receive`` that refuses what is too much."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        too_long = declared.isdecimal() and int(declared) > self._most
        received = 0

        async def limited() -> Message:
            nonlocal received
            if too_long:
                raise self._refusal()
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most:
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
