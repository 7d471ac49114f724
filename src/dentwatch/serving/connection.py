"""HTTP connections on which a photo of megabytes reaches the application in one piece.

uvicorn hands a body on in pieces of at most 256 KB, stops reading after each, and copies it once more: with a photo of
12 megapixels that takes a good part of the time that decoding it takes.
"""

from dataclasses import dataclass, field

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_BYTES = 1 << 24
"""What is handed on at a time; hardly a photo has more."""


@dataclass
class _Body:
    """What has come of the body of the request of ``cycle``, and whether the application waits for it."""

    cycle: RequestResponseCycle
    is_awaited: bool = False
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0

    def hand_on(self) -> None:
        """Let the application have what has come."""
        # The cycle makes bytes of its body when it is asked for it, and bytes of bytes are no copy.
        untaken = [bytes(self.cycle.body)] if self.cycle.body else []
        self.cycle.body = b"".join([*untaken, *self.pieces])  # type: ignore[assignment]
        self.pieces, self.size, self.is_awaited = [], 0, False
        self.cycle.message_event.set()


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, except that a body whose length is known is handed on whole, or in pieces of 16 MB.

    As with uvicorn, little is received before the application asks for it, so a request that is refused for its headers
    takes no memory.
    """

    _body: _Body | None = None  # of the request that is coming in, unless it is small or of an unknown length

    def on_headers_complete(self) -> None:
        """Begin a request."""
        super().on_headers_complete()
        sizes = [int(value) for name, value in self.headers if name == b"content-length"]
        self._body = self._awaiting(self.cycle) if sizes and sizes[0] > HIGH_WATER_LIMIT else None

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        coming = self._body
        if coming is None or coming.cycle.response_complete:  # nobody waits for it any more
            super().on_body(body)
            return
        coming.pieces.append(body)
        coming.size += len(body)
        if coming.is_awaited and coming.size >= MOST_BYTES:
            coming.hand_on()
        if not coming.is_awaited and coming.size > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """End the request's body."""
        if self._body is not None:
            self._body.hand_on()
            self._body = None
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
        self._body = None
        super().connection_lost(exc)

    def _awaiting(self, cycle: RequestResponseCycle) -> _Body:
        body = _Body(cycle)
        receive = cycle.receive

        async def awaited() -> ASGIReceiveEvent:
            body.is_awaited = True
            return await receive()

        cycle.receive = awaited  # type: ignore[method-assign]
        return body
