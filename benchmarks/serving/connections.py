"""Connections to one server, and the exchanges on them."""

import itertools
import os
import selectors
import socket
import time
from collections import deque
from dataclasses import dataclass

from load import Exchange

MARK = 16
"""Digits of the number that each request carries."""

_RECEIVE = 1 << 16


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int


class Request:
    """A prepared request: ``head`` + a number of :data:`MARK` digits + ``tail``."""

    def __init__(self, head: bytes, tail: bytes) -> None:
        self.head = head
        self.length = len(tail)
        self.file = os.memfd_create("request")
        left = memoryview(tail)
        while left:
            left = left[os.write(self.file, left) :]

    def close(self) -> None:
        """Give the memory back."""
        os.close(self.file)


class Connection:
    """A socket and the exchange that is under way on it."""

    __slots__ = ("answer", "cut", "head", "offset", "request", "socket", "started", "watched")

    def __init__(self, address: Address) -> None:
        self.socket = socket.create_connection((address.host, address.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.request: Request | None = None
        self.head = b""
        self.offset = 0
        self.started = 0.0
        self.answer = bytearray()
        self.watched = 0
        self.cut = False

    @property
    def unsent(self) -> int:
        """Bytes that are still to go."""
        return 0 if self.request is None else self.request.length - self.offset + len(self.head)


class Connections:
    """Connections to one server and what came back on them."""

    def __init__(self, address: Address, *, keep_bodies: bool = False, first_number: int = 0) -> None:
        self.exchanges: list[Exchange] = []
        self.free: deque[Connection] = deque()
        self._address = address
        self._numbers = itertools.count(first_number)
        self._keep_bodies = keep_bodies
        self._connections: set[Connection] = set()
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> "Connections":
        return self

    def __exit__(self, *_: object) -> None:
        for connection in list(self._connections):
            self._drop(connection)
        self._selector.close()

    @property
    def open(self) -> int:
        """Connections that are open."""
        return len(self._connections)

    @property
    def busy(self) -> int:
        """Connections whose answer is awaited."""
        return len(self._connections) - len(self.free)

    def connect(self) -> Connection:
        """A new connection."""
        connection = Connection(self._address)
        self._connections.add(connection)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.watched = selectors.EVENT_READ
        return connection

    def start(self, connection: Connection, request: Request, started: float) -> None:
        """Send ``request`` on a free connection."""
        connection.request, connection.started, connection.offset = request, started, 0
        connection.head = request.head + f"{next(self._numbers):0{MARK}d}".encode()
        connection.answer.clear()
        self._send(connection)

    def turn(self, timeout: float) -> None:
        """Send and receive whatever can be, waiting up to ``timeout`` seconds for something."""
        for key, events in self._selector.select(timeout):
            connection: Connection = key.data
            if events & selectors.EVENT_READ:
                self._receive(connection)
            if events & selectors.EVENT_WRITE and connection in self._connections:
                self._send(connection)

    def give_up(self) -> None:
        """Count what is still awaited as broken."""
        for connection in list(self._connections):
            if connection.request is not None:
                self._broken(connection)

    def _send(self, connection: Connection) -> None:
        request = connection.request
        if request is None:
            return
        try:
            if connection.head:
                connection.head = connection.head[connection.socket.send(connection.head, socket.MSG_MORE) :]
            while not connection.head and connection.offset < request.length:
                left = request.length - connection.offset
                connection.offset += os.sendfile(connection.socket.fileno(), request.file, connection.offset, left)
        except BlockingIOError:
            pass
        except OSError:
            # The server may have answered and closed before it read everything: what it said is still to be read.
            connection.offset, connection.head, connection.cut = request.length, b"", True
        self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        if events != connection.watched:
            self._selector.modify(connection.socket, events, connection)
            connection.watched = events

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if connection.request is None:  # a server that closes an idle connection
            self.free.remove(connection)
            self._drop(connection)
            return
        connection.answer += data
        answer = _parse(connection.answer, ended=not data)
        if answer is not None:
            self._answered(connection, answer)
        elif not data:
            self._broken(connection)

    def _answered(self, connection: Connection, answer: "_Answer") -> None:
        self._record(connection, answer.status, answer.retry_after, answer.body)
        if (
            answer.closes or connection.cut or connection.unsent
        ):  # an answer before the whole question ends the conversation
            self._drop(connection)
        else:
            connection.request = None
            self.free.append(connection)

    def _broken(self, connection: Connection) -> None:
        self._record(connection, 0, False, b"")
        self._drop(connection)

    def _record(self, connection: Connection, status: int, retry_after: bool, body: bytes) -> None:
        took = time.perf_counter() - connection.started
        kept = body if self._keep_bodies else b""
        self.exchanges.append(Exchange(connection.started, took, status, retry_after, kept))

    def _drop(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: bool
    closes: bool
    body: bytes


def _parse(received: bytearray, *, ended: bool) -> _Answer | None:
    """The answer in ``received``, once it is whole; ``ended`` says that nothing more will come."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    lines = bytes(received[:end]).split(b"\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    rest = bytes(received[end + 4 :])
    body: bytes | None
    if b"content-length" in headers:
        length = int(headers[b"content-length"])
        body = rest[:length] if len(rest) >= length else None
    elif headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = _unchunked(rest)
    else:
        body = rest if ended else None
    if body is None:
        return None
    closes = ended or headers.get(b"connection", b"").lower() == b"close"
    return _Answer(int(lines[0].split()[1]), b"retry-after" in headers, closes, body)


def _unchunked(rest: bytes) -> bytes | None:
    """The content of a chunked body (RFC 9112, section 7.1), once its last chunk is there."""
    content, start = b"", 0
    while (line_end := rest.find(b"\r\n", start)) >= 0:
        size = int(rest[start:line_end].partition(b";")[0], 16)
        chunk_end = line_end + 2 + size
        if len(rest) < chunk_end + 2:
            return None
        if size == 0:
            return content
        content += rest[line_end + 2 : chunk_end]
        start = chunk_end + 2
    return None
