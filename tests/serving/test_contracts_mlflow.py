"""``mlflow models serve`` on the registered champion: MLflow's own server in a process of its own."""

import base64
import io
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import tiny_model
from contract_server import inspected
from PIL import Image

from dentwatch import settings
from dentwatch.records.registry import Registry

PATIENCE = 120  # seconds; it takes ten where nothing else runs


def _plain_photo(colour: tuple[int, int, int]) -> bytes:
    """A photo in which the tiny model finds a damage when it is red or green enough."""
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), colour).save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def _mlflow_serving(model: str, folder: Path) -> Iterator[httpx.Client]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        # MLflow starts uvicorn by its name.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "MLFLOW_TRACKING_URI": settings.load().tracking_uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    log = folder / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            [*command, "--port", str(port)], env=environment, cwd=folder, stdout=output, stderr=output
        ) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        try:
            until = time.monotonic() + PATIENCE
            while not _answers(client):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.2)
            yield client
        finally:
            # Its server dies with it (PR_SET_PDEATHSIG).
            process.terminate()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MLflow leaves its server running when it ends")
def test_mlflow_serves_the_champion_and_says_what_inspect_says(
    home: Path, tmp_path: Path, empty_tracking_database: Path
) -> None:
    home.mkdir(parents=True)
    shutil.copy(empty_tracking_database, home / "mlflow.db")
    bundle = tiny_model.write_bundle(tmp_path / "model")
    files = [_plain_photo((230, 10, 20)), _plain_photo((10, 10, 10)), b"notes"]
    registry = Registry(settings.load())
    registry.register(bundle)
    registry.promote(1, "why", "ada")
    lines = inspected(files, bundle, tmp_path / "photos")
    assert [len(line.get("detections", "")) for line in lines] == [1, 0, 0]
    texts = [base64.b64encode(photo).decode() for photo in files]

    with _mlflow_serving("models:/dentwatch@champion", tmp_path) as client:
        for body in (
            {"inputs": texts},
            {"dataframe_split": {"columns": ["photo"], "data": [[text] for text in texts]}},
        ):
            response = client.post("/invocations", json=body)
            assert response.status_code == 200, response.text
            answers = response.json()["predictions"]
            assert [answer.get("detections") for answer in answers] == [line.get("detections") for line in lines]
            assert answers[2]["error"] == lines[2]["error"]
        body = {"inputs": texts[:1], "params": {"min_score": 0.001}}
        [low] = client.post("/invocations", json=body).json()["predictions"]
    [line] = inspected(files[:1], bundle, tmp_path / "photos", "--min-score", "0.001")
    assert low["detections"] == line["detections"]
