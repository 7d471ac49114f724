"""HTTP connections on which a photo of megabytes reaches the application in one piece, and is copied once.

uvicorn hands a body on in pieces of at most 256 KB, stops reading after each, and copies it three times more: with a
photo of 12 megapixels that takes a good part of the time that decoding it takes.
"""

import asyncio
import ctypes
from typing import cast

import httptools
from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_BYTES = 1 << 24
"""What is handed on at a time; hardly a photo has more."""

_NO_ROOM = memoryview(b"")

_new_bytes = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t)(
    ("PyBytes_FromStringAndSize", ctypes.pythonapi)
)
_address = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(("PyBytes_AsString", ctypes.pythonapi))
_view = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)(
    ("PyMemoryView_FromMemory", ctypes.pythonapi)
)
_WRITABLE = 0x200  # PyBUF_WRITE


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, except that a body whose length is known is handed on whole, or in pieces of 16 MB.

    As with uvicorn, little is received before the application asks for it, so a request that is refused for its headers
    takes no memory. An answer's head leaves together with the first part of its body.
    """

    _body: "_Body | None" = None  # of the request that is coming in, unless it is small or of an unknown length

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(_HeadWithBody(transport, self.loop))  # type: ignore[arg-type]

    def on_headers_complete(self) -> None:
        """Begin a request."""
        super().on_headers_complete()
        sizes = [int(value) for name, value in self.headers if name == b"content-length"]
        is_large = bool(sizes) and sizes[0] > HIGH_WATER_LIMIT and not self.parser.should_upgrade()
        self._body = _Body(self, self.cycle, sizes[0]) if is_large else None

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._body is None or self.cycle.response_complete:  # nobody waits for it any more
            super().on_body(body)
        else:
            self._body.add(body)

    def on_message_complete(self) -> None:
        """End the request's body."""
        self._body = None
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
        self._body = None
        super().connection_lost(exc)

    def is_receiving(self, body: "_Body") -> bool:
        """Whether more of ``body`` is to come."""
        return self._body is body and not self.transport.is_closing()

    def data_passed_by(self, *, is_last: bool) -> None:
        """Note that a part of a body came which the parser does not know about; after the last it starts afresh."""
        self._unset_keepalive_if_required()
        if is_last:
            self.transport.set_protocol(self)
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            self.on_message_complete()


class _Body(asyncio.BufferedProtocol):
    """The body of the request of ``cycle``, of ``length`` bytes.

    It comes through the parser of ``connection`` until the application waits for it. Then this takes the connection's
    place at the transport, and the rest comes straight into the piece that the application will get.
    """

    def __init__(self, connection: Connection, cycle: RequestResponseCycle, length: int) -> None:
        self._connection = connection
        self._cycle = cycle
        self._left = length
        self._begun: list[bytes] = []  # what has come through the parser
        self._piece: bytes | None = None  # what is being filled
        self._room = _NO_ROOM  # what of it is free
        self._full: bytes | None = None
        self._receive = cycle.receive
        cycle.receive = self._awaited  # type: ignore[method-assign]

    def add(self, part: bytes) -> None:
        """Keep what has come through the parser."""
        self._begun.append(part)
        self._left -= len(part)
        if sum(map(len, self._begun)) > HIGH_WATER_LIMIT:
            self._connection.flow.pause_reading()

    async def _awaited(self) -> ASGIReceiveEvent:
        """What ASGI calls ``receive``."""
        if self._piece is None and self._full is None and self._left and self._connection.is_receiving(self):
            self._begin_piece(self._taken())
            self._connection.transport.set_protocol(self)
        message = await self._receive()
        if message["type"] == "http.request":
            message["body"] = self._taken()
        return message

    def _begin_piece(self, begun: bytes) -> None:
        self._piece, whole = _unwritten(min(len(begun) + self._left, MOST_BYTES))
        whole[: len(begun)] = begun
        self._room = whole[len(begun) :]

    def _taken(self) -> bytes:
        if self._full is None:
            begun, self._begun = self._begun, []
            return b"".join(begun)
        full, self._full = self._full, None
        return full

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Where the event loop is to put what comes next."""
        if self._piece is None:  # nobody waited for this piece, and the rest only has to be read
            self._begin_piece(b"")
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """``nbytes`` have come."""
        self._left -= nbytes
        self._room = self._room[nbytes:]
        if self._piece is not None and not self._room:
            self._end(self._piece)
        self._connection.data_passed_by(is_last=not self._left)

    def _end(self, piece: bytes) -> None:
        if self._cycle.response_complete:  # nobody waits for it any more
            self._room = _room_in(piece)[: self._left]
            return
        self._full, self._piece, self._room = piece, None, _NO_ROOM
        self._cycle.message_event.set()
        if self._left:
            self._connection.flow.pause_reading()

    def eof_received(self) -> None:
        """The peer sends no more."""
        self._connection.eof_received()

    def pause_writing(self) -> None:
        """The peer does not take what was sent."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self._connection.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
        self._connection.connection_lost(exc)


def _unwritten(length: int) -> tuple[bytes, memoryview]:
    """New ``bytes`` that hold nothing yet, and where to write it.

    They must be kept as long as the view, and not be shown to anybody before they are full. This is how C creates them
    (Python/C API, ``PyBytes_FromStringAndSize``); every other way writes zeros first, 4 MB of them for a photo.
    """
    made: bytes = _new_bytes(None, length)
    return made, _room_in(made)


def _room_in(made: bytes) -> memoryview:
    return cast(memoryview, _view(_address(made), len(made), _WRITABLE))


class _HeadWithBody:
    """A transport that sends what is written first together with what follows at once: one system call, one packet."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._alone: asyncio.Handle | None = None  # sends the head where nothing follows

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._alone is None:
            self._head, self._alone = data, self._loop.call_soon(self._send)
        else:
            self._send(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self, data: bytes = b"") -> None:
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None
        parts, self._head = [part for part in (self._head, data) if part], b""
        if parts and not self._transport.is_closing():  # else nobody is there any more
            self._transport.writelines(parts)
