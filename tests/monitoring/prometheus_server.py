"""A real Prometheus with a real Alertmanager, on free ports of 127.0.0.1."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import yaml
from receiver import until


def program(*names: str) -> str:
    """The path of the first of ``names`` that is installed; else the test skips."""
    for name in names:
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip(f"{names[0]} is not installed: apt-get install prometheus prometheus-alertmanager runs this test")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Prometheus:
    """A running server, asked over its API."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(base_url=f"http://{address}", timeout=30)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that ``expression`` gives now; fails where it cannot be parsed."""
        answer = self._client.get("/api/v1/query", params={"query": expression})
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def is_ready(self) -> bool:
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self._client.close()


@contextmanager
def prometheus(
    folder: Path, targets: list[str], *, rules: Path | None = None, alertmanager: str | None = None
) -> Iterator[Prometheus]:
    """A server that scrapes ``targets`` (host:port) every second as the job "dentwatch"."""
    config: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [{"job_name": "dentwatch", "static_configs": [{"targets": targets}]}],
    }
    if rules is not None and alertmanager is not None:
        config["rule_files"] = [str(rules)]
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    address = f"127.0.0.1:{free_port()}"
    arguments = [f"--storage.tsdb.path={folder / 'prometheus'}", f"--web.listen-address={address}"]
    with _running(program("prometheus"), folder / "prometheus.yml", config, arguments):
        server = Prometheus(address)
        until(server.is_ready, 60)
        yield server
        server.close()


@contextmanager
def alertmanager(folder: Path, receiver: str) -> Iterator[str]:
    """An Alertmanager that posts every alert to the URL ``receiver`` at once; gives its host:port."""
    route = {"receiver": "test", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    hooks = [{"name": "test", "webhook_configs": [{"url": receiver}]}]
    address = f"127.0.0.1:{free_port()}"
    arguments = [
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    binary = program("prometheus-alertmanager", "alertmanager")
    with _running(binary, folder / "alertmanager.yml", {"route": route, "receivers": hooks}, arguments):
        yield address


@contextmanager
def page(text: Callable[[], str]) -> Iterator[str]:
    """A page of metrics, made anew at each look; gives its host:port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _running(binary: str, file: Path, config: dict[str, Any], arguments: list[str]) -> Iterator[None]:
    file.write_text(yaml.safe_dump(config))
    with (
        file.with_suffix(".log").open("w") as log,
        subprocess.Popen([binary, f"--config.file={file}", *arguments], stdout=log, stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)
