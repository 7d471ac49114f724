"""The serving benchmark measures what it says: its client, its percentiles and its comparison of answers."""

import itertools
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks" / "serving"))

from answers import Found, agreement, read
from client import ask, closed_loop, open_loop
from connections import MARK, Address
from environments import peers
from load import percentile
from overload import refusals
from processes import MemoryWatch, ServerError, alive, free_port, last_words, running, tree, wait_until_open
from questions import questions
from soak import slope_per_minute

JPEG = b"\xff\xd8\xff\xdb" + bytes(range(256)) * 12_000 + b"\xff\xd9"
PAUSE = 0.02

Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def serving(answer: Callable[[str, Any, bytes], Answer]) -> Iterator[Address]:
    """A plain HTTP server that keeps connections and answers what ``answer(path, headers, body)`` says."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, content = answer(self.path, self.headers, body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Address("127.0.0.1", server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("form", ["raw", "multipart", "photos", "v2"])
def test_every_request_carries_the_photo_whole_and_a_number_of_its_own(form: str) -> None:
    seen: list[tuple[str, Any, bytes]] = []

    def answer(path: str, headers: Any, body: bytes) -> Answer:
        seen.append((path, headers, body))
        return 200, {}, b"{}"

    with serving(answer) as address:
        [request] = questions(form, address, "/here", [JPEG])
        assert ask(address, request, number=7).status == 200
        assert ask(address, request, number=8).body == b"{}"
        request.close()
    photos = []
    for path, headers, body in seen:
        assert path == "/here"
        photo = body[body.index(b"\xff\xd8") : body.rindex(b"\xff\xd9") + 2]
        assert photo[:6] == b"\xff\xd8\xff\xfe" + (MARK + 2).to_bytes(2, "big")
        assert photo[:2] + photo[6 + MARK :] == JPEG
        photos.append(photo[6 : 6 + MARK])
        if form == "v2":
            length = int(headers["Inference-Header-Content-Length"])
            [tensor] = json.loads(body[:length])["inputs"]
            assert tensor["parameters"]["binary_data_size"] == len(body) - length == 4 + len(photo)
            assert int.from_bytes(body[length : length + 4], "little") == len(photo)
    assert list(map(int, photos)) == [7, 8]


def test_a_closed_loop_keeps_its_connections_busy_and_times_each_answer() -> None:
    under_way, most = 0, 0
    lock = threading.Lock()

    def answer(*_: object) -> Answer:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(PAUSE)
        with lock:
            under_way -= 1
        return 200, {}, b"{}"

    with serving(answer) as address:
        requests = questions("raw", address, "/", [JPEG[:5000]])
        load = closed_loop(address, requests, connections=4, seconds=0.6)
    assert most == 4
    assert load.errors == 0
    assert 4 < len(load.answered) <= 4 * (0.6 / PAUSE + 1)
    assert load.per_second == pytest.approx(len(load.answered) / load.seconds)
    assert min(exchange.seconds for exchange in load.answered) >= PAUSE
    assert 0 < load.client_cpu_seconds < load.seconds * 2


@pytest.mark.parametrize(("status", "errors"), [(200, 0), (503, 4)])
def test_a_closed_loop_counts_from_when_the_server_has_filled_up(status: int, errors: int) -> None:
    coming = itertools.count()

    def answer(*_: object) -> Answer:
        is_early = next(coming) < 4
        time.sleep(0.3 if is_early else PAUSE)
        return (status if is_early else 200), {}, b"{}"

    with serving(answer) as address:
        requests = questions("raw", address, "/", [JPEG[:5000]])
        load = closed_loop(address, requests, connections=4, seconds=0.3)
    assert load.errors == errors
    assert 0.3 <= load.seconds < 0.6
    assert max(exchange.seconds for exchange in load.answered) < 0.3
    assert len(load.answered) > 4


def test_an_open_loop_counts_the_wait_behind_a_slow_server() -> None:
    one_at_a_time = threading.Lock()

    def answer(*_: object) -> Answer:
        with one_at_a_time:
            time.sleep(PAUSE)
        return 200, {}, b"{}"

    with serving(answer) as address:
        requests = questions("raw", address, "/", [JPEG[:5000]])
        load = open_loop(address, requests, rate=2 / PAUSE, seconds=0.5)
    assert len(load.answered) == 50
    # Twice as many come as can be answered: the last waits for about half of them.
    assert max(exchange.seconds for exchange in load.answered) > 15 * PAUSE


def test_errors_refusals_and_broken_connections_are_told_apart() -> None:
    turns = iter(range(1_000_000))

    def answer(*_: object) -> Answer:
        turn = next(turns) % 3
        if turn == 0:
            return 503, {"Retry-After": "1"}, b"busy"
        return (200, {"Connection": "close"}, b"{}") if turn == 1 else (500, {}, b"oh")

    with serving(answer) as address:
        requests = questions("raw", address, "/", [JPEG[:5000]])
        load = open_loop(address, requests, rate=100, seconds=0.3)
    assert load.statuses == {200: 10, 500: 10, 503: 10}
    assert load.errors == 20
    told = refusals(load.exchanges)
    assert told["refused"] == 10
    assert told["refused_at_once_with_retry_after"] > 0


def test_a_refusal_before_the_body_was_read_is_an_answer_and_not_a_broken_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\nno")
                while connection.recv(1 << 20):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        address = Address("127.0.0.1", listener.getsockname()[1])
        [request] = questions("raw", address, "/", [JPEG])
        exchange = ask(address, request)
        thread.join()
    assert (exchange.status, exchange.retry_after, exchange.body) == (503, True, b"no")


def test_an_answer_in_chunks_is_put_together() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                received = b""
                while not received.endswith(b"\xff\xd9"):
                    received += connection.recv(1 << 20)
                for part in (
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[1,0",
                    b"\r\n2;x=y\r\n]\n\r\n0\r\n\r\n",
                ):
                    connection.sendall(part)
                    time.sleep(0.05)

        thread = threading.Thread(target=answer)
        thread.start()
        [request] = questions("raw", Address("127.0.0.1", listener.getsockname()[1]), "/", [JPEG[:5000] + JPEG[-2:]])
        exchange = ask(Address("127.0.0.1", listener.getsockname()[1]), request)
        thread.join()
    assert (exchange.status, exchange.body) == (200, b"[1,0]\n")


def test_percentiles_are_of_the_nearest_rank() -> None:
    hundred = [float(number) for number in range(100, 0, -1)]
    assert [percentile(hundred, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([], 0.5) != percentile([], 0.5)  # NaN


def test_agreement_is_one_for_the_same_boxes_and_falls_with_every_box_that_is_wrong() -> None:
    due = [[Found("dent", 0, 0, 10, 10), Found("scratch", 50, 50, 90, 60)], []]
    assert agreement(due, due) == 1.0
    assert agreement([[], []], [[], []]) == 1.0
    shifted = [[Found("dent", 1, 0, 11, 10), Found("dent", 50, 50, 90, 60)], []]  # IoU 9/11, and a wrong label
    assert agreement(shifted, due) == pytest.approx(2 * 1 / 4)
    assert agreement([due[0], [Found("dent", 0, 0, 5, 5)]], due) == pytest.approx(2 * 2 / 5)


def test_boxes_are_read_from_every_kind_of_answer() -> None:
    box = {"label": "dent", "score": 0.5, "x": 1, "y": 2, "width": 3, "height": 4}
    due = [Found("dent", 1, 2, 4, 6)]
    assert read("json", json.dumps({"photos": [{"detections": [box]}]}).encode()) == due
    assert read("json", json.dumps({"detections": []}).encode()) == []
    tensors = [{"name": "labels", "data": ["dent"]}, {"name": "boxes", "data": [1, 2, 3, 4]}]
    assert read("v2", json.dumps({"outputs": tensors}).encode()) == due
    with pytest.raises(ValueError, match="Expecting value"):
        read("json", b"<html>")


def test_the_memory_of_a_server_is_that_of_its_whole_tree_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    size = 60_000_000
    child = f"import time; held = bytearray(b'x' * {size}); print('held', flush=True); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    log = tmp_path / "log"
    with running([sys.executable, "-c", parent], tmp_path, {}, log) as pid:
        while last_words(log) != "held":
            time.sleep(0.01)
        with MemoryWatch(pid, every=0.01) as memory:
            members = tree(pid)
            time.sleep(0.05)
        assert len(members) == 2
        assert memory.peak > size
    assert not any(alive(member) for member in members)


def test_a_server_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    log, port = tmp_path / "log", free_port()
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]
    with running(command, tmp_path, {}, log) as pid, pytest.raises(ServerError, match="no such model"):
        wait_until_open("127.0.0.1", port, pid, log, seconds=30)


def test_the_slope_of_memory_leaves_the_beginning_out() -> None:
    samples = [(0.0, 0), (1.0, 500)] + [(float(second), 1000 + 2 * second) for second in range(2, 11)]
    assert slope_per_minute(samples) == pytest.approx(120)


def test_every_peer_says_how_it_is_installed_started_and_asked() -> None:
    described = {peer.key: peer for peer in peers()}
    assert described.keys() == {
        "bentoml_pillow",
        "fastapi_opencv",
        "fastapi_opencv_full",
        "fastapi_pillow",
        "litserve_pillow",
        "ray_serve_pillow",
    }
    for peer in described.values():
        assert peer.form in ("raw", "multipart")
        assert peer.path.startswith("/")
        assert "onnxruntime" in peer.dependencies
        assert any("{port}" in word for word in peer.command)
