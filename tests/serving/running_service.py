"""``dentwatch serve`` as a process of its own, asked over HTTP."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from command import command

from dentwatch.records.model_bundle import ModelBundle

Upload = tuple[str, tuple[str, bytes, str]]


def upload(name: str, data: bytes) -> Upload:
    """A file of the form that submits photos."""
    return "photos", (name, data, "application/octet-stream")


class Service:
    """A running server: its address, its process, and a client."""

    def __init__(self, process: subprocess.Popen[str], document: dict[str, Any], home: Path, log: Path) -> None:
        self.process = process
        self.document = document
        self.home = home
        self.log = log
        self.client = httpx.Client(base_url=document["address"], timeout=60)

    def inspect(self, *uploads: Upload, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        return self.client.post("/v1/inspections", files=list(uploads), data=fields, headers=headers)


@contextmanager
def serving(model: ModelBundle | str | None, home: Path, log: Path, **variables: object) -> Iterator[Service]:
    """A service over ``model`` (None: the champion); ``variables`` are settings of serving."""
    environment = {**os.environ, "DENTWATCH_HOME": str(home)}
    environment |= {f"DENTWATCH_SERVING__{name.upper()}": str(value) for name, value in variables.items()}
    environment.setdefault("DENTWATCH_SERVING__WORKERS", "1")  # one starts sooner
    environment.setdefault("DENTWATCH_SERVING__ENGINE", "onnxruntime")  # and sooner where it compares none
    environment.setdefault("DENTWATCH_MONITORING__ENABLED", "false")  # tests of monitoring say otherwise
    named = [] if model is None else ["--model", model.folder if isinstance(model, ModelBundle) else model]
    arguments = command("serve", "--port", "0", *named, "--json")
    with (
        log.open("a") as stderr,
        subprocess.Popen(
            arguments, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True, process_group=0
        ) as process,
    ):
        assert process.stdout is not None
        try:
            document = json.loads("".join(process.stdout.readline() for _ in range(5)) or "{}")
            assert document, log.read_text()
            service = Service(process, document, home, log)
            with service.client:
                yield service
        finally:
            process.terminate()
            process.wait(40)


def assert_problem(response: httpx.Response, status: int, kind: str | None = None) -> dict[str, Any]:
    """The problem document of a refused request."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["type"] == (f"urn:dentwatch:problem:{kind}" if kind else problem["type"])
    assert problem["detail"]
    return problem
