"""Large bodies arrive whole and in one piece, whatever they are cut into, and what follows them is read, too."""

import asyncio
import hashlib
import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from dentwatch.serving.connection import MOST_BYTES, Connection

LARGE_BYTES = 1 << 16


@dataclass
class Running:
    """A server, and what it noticed of requests that were broken off."""

    address: tuple[str, int]
    broken: list[int] = field(default_factory=list)


def application(running: list[Running]) -> Any:
    """Tells a body's digest and the sizes of its pieces.

    Refuses what goes to /refused before it reads it, and to /refused-later when it has read the first piece.
    """

    async def answer(request: Request) -> Response:
        if request.url.path == "/refused":
            return Response(status_code=413)
        digest, pieces = hashlib.sha256(), []
        try:
            async for piece in request.stream():
                if request.url.path == "/refused-later":
                    return Response(status_code=413)
                digest.update(piece)
                pieces.append(len(piece))
        except ClientDisconnect:
            running[0].broken.append(sum(pieces))
            raise
        return JSONResponse({"sha256": digest.hexdigest(), "pieces": pieces})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            with suppress(ClientDisconnect):
                await (await answer(Request(scope, receive)))(scope, receive, send)

    return app


@contextmanager
def served(loop: str) -> Iterator[Running]:
    """A uvicorn server with the protocol, in a thread."""
    known: list[Running] = []
    listener = socket.create_server(("127.0.0.1", 0))
    known.append(Running(listener.getsockname()[:2]))
    config = uvicorn.Config(application(known), http=Connection, loop=loop, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    factory = config.get_loop_factory()

    def run() -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(server.serve(sockets=[listener]))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield known[0]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not to be had on this system")
    with served(request.param) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[socket.socket]:
    with socket.create_connection(server.address, timeout=20) as connection:
        yield connection


def head_of(length: int, path: str = "/", *further: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {length}", *further, "", ""]
    return "\r\n".join(lines).encode()


def body_of(length: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(length)


def answer_on(client: socket.socket) -> tuple[int, dict[str, Any]]:
    """The status and the document of the next answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        came = client.recv(1)
        assert came, f"the connection ended: {data!r}"
        data += came
    head = data.decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
    body = b""
    while len(body) < length:
        body += client.recv(length - len(body))
    return int(head.split()[1]), json.loads(body) if body else {}


def is_about(answer: tuple[int, dict[str, Any]], body: bytes) -> bool:
    return answer[0] == 200 and answer[1]["sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    "length", [0, 1, LARGE_BYTES, LARGE_BYTES + 1, 3 * LARGE_BYTES, 1_000_000, MOST_BYTES, MOST_BYTES + 1, 40_000_000]
)
def test_a_body_of_any_length_arrives_whole_again_and_again(client: socket.socket, length: int) -> None:
    for seed in range(3):
        body = body_of(length, seed)
        client.sendall(head_of(length) + body)
        assert is_about(answer_on(client), body)


def test_a_photo_is_one_piece(client: socket.socket) -> None:
    body = body_of(3_500_000)
    client.sendall(head_of(len(body)) + body)
    _status, told = answer_on(client)
    assert [size for size in told["pieces"] if size] == [len(body)]


def test_a_photo_takes_its_memory_once(client: socket.socket) -> None:
    body = body_of(15_000_000)
    tracemalloc.start()
    try:
        client.sendall(head_of(len(body)) + body[:50_000])
        client.sendall(memoryview(body)[50_000:])
        assert is_about(answer_on(client), body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(body) < peak < 1.2 * len(body)


def test_head_and_body_of_an_answer_come_together(client: socket.socket) -> None:
    for _ in range(5):
        client.sendall(head_of(3) + b"abc")
        head, _, body = client.recv(1 << 16).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert json.loads(body)["pieces"][0] == 3


@pytest.mark.parametrize("cut", [1, 100, LARGE_BYTES, LARGE_BYTES + 7, 200_000])
def test_a_body_that_comes_bit_by_bit_arrives_whole(client: socket.socket, cut: int) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = body_of(300_000)
    head = head_of(len(body))
    client.sendall(head[:-3])
    threading.Event().wait(0.05)
    client.sendall(head[-3:] + body[:cut])
    threading.Event().wait(0.05)
    client.sendall(body[cut:-1])
    threading.Event().wait(0.05)
    client.sendall(body[-1:])
    assert is_about(answer_on(client), body)


def test_who_waits_to_be_told_to_go_on_is_told(client: socket.socket) -> None:
    body = body_of(200_000)
    client.sendall(head_of(len(body), "/", "Expect: 100-continue"))
    assert answer_on(client) == (100, {})
    client.sendall(body)
    assert is_about(answer_on(client), body)


def test_a_body_of_unknown_length_arrives_whole(client: socket.socket) -> None:
    body = body_of(400_000)
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(body), 90_000):
        piece = body[start : start + 90_000]
        client.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
    client.sendall(b"0\r\n\r\n")
    assert is_about(answer_on(client), body)


@pytest.mark.parametrize("path", ["/refused", "/refused-later"])
@pytest.mark.parametrize("length", [100, 100_000, 5_000_000, 2 * MOST_BYTES + 100])
def test_what_is_refused_unread_leaves_the_connection_usable(client: socket.socket, length: int, path: str) -> None:
    for _ in range(2):
        client.sendall(head_of(length, path) + body_of(length))
        assert answer_on(client)[0] == 413
    body = body_of(150_000, 9)
    client.sendall(head_of(len(body)) + body)
    assert is_about(answer_on(client), body)


def test_requests_that_do_not_wait_for_answers_are_answered_in_turn(client: socket.socket) -> None:
    bodies = [body_of(length, length) for length in (10, 100_000, 70_000, 0, 900_000, 66_000, 5)]
    sending = threading.Thread(target=client.sendall, args=(b"".join(head_of(len(body)) + body for body in bodies),))
    sending.start()
    for body in bodies:
        assert is_about(answer_on(client), body)
    sending.join()


@pytest.mark.parametrize("sent", [0, 100, 100_000, 900_000])
def test_a_body_that_ends_early_is_noticed(server: Running, sent: int) -> None:
    known = len(server.broken)
    with socket.create_connection(server.address, timeout=20) as client:
        client.sendall(head_of(1_000_000) + body_of(sent))
    for _ in range(200):
        if len(server.broken) > known:
            return
        threading.Event().wait(0.05)
    pytest.fail("the server still waits for the body")


def test_what_is_no_http_is_answered_400_after_a_large_body_too(client: socket.socket) -> None:
    body = body_of(500_000)
    client.sendall(head_of(len(body)) + body)
    assert is_about(answer_on(client), body)
    client.sendall(b"no http\r\n\r\n")
    assert client.recv(12) == b"HTTP/1.1 400"
