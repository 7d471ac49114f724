"""The same registry on a tracking server, and with its files in a bucket."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_model

from dentwatch import settings
from dentwatch.records import registry as registry_module
from dentwatch.records.registry import Registry
from dentwatch.records.tracking import ensure_experiment, open_client


@pytest.fixture
def server(tmp_path: Path, empty_tracking_database: Path) -> Iterator[str]:
    """The address of a real MLflow server that keeps the files itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path / "server"
    folder.mkdir()
    database = (folder / "mlflow.db").absolute()
    database.write_bytes(empty_tracking_database.read_bytes())
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{database}", "--artifacts-destination", str(folder / "files")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _live(registry: Registry, tmp_path: Path, run: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register, promote, fetch, roll back, die halfway, clean up."""
    for number, overlap in ((1, 0.5), (2, 0.6)):
        bundle = tiny_model.write_bundle(tmp_path / str(number), nms_iou=overlap)
        version = registry.register(bundle, run_id=run)
        assert (version.number, version.aliases, version.run_id) == (number, ("challenger",), run or "")
        registry.promote("challenger", "why", "ada")
    assert registry.rollback("worse", "ada").version == 1
    assert registry.bundle("champion").spec.nms_iou == 0.5
    assert [change.version for change in registry.history()] == [1, 2, 1]

    def fail(*_: Any, **__: Any) -> None:
        raise InterruptedError

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr("mlflow.MlflowClient.create_model_version", fail)
        registry.register(tiny_model.write_bundle(tmp_path / "3", nms_iou=0.7))
    monkeypatch.setattr(registry_module, "_ABANDONED_AFTER_MS", -1)
    assert (registry.sweep(), registry.sweep()) == (1, 0)
    assert [version.number for version in registry.versions()] == [1, 2]


@pytest.mark.slow
def test_registry_lives_on_a_tracking_server(
    server: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DENTWATCH_TRACKING__URI", server)
    settings.load.cache_clear()
    run = open_client(settings.load()).create_run(ensure_experiment(settings.load())).info.run_id
    registry = Registry(settings.load())
    _live(registry, tmp_path, run, monkeypatch)
    assert not (home / "artifacts").exists()
    assert len(list((tmp_path / "server" / "files").rglob("model.onnx"))) == 2


def test_files_live_in_a_bucket(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3 = pytest.importorskip("boto3")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        for name, value in {
            "DENTWATCH_TRACKING__ARTIFACTS": "s3://models/dentwatch",
            "MLFLOW_S3_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        settings.load.cache_clear()
        bucket = boto3.client("s3", endpoint_url=endpoint)
        bucket.create_bucket(Bucket="models")
        _live(Registry(settings.load()), tmp_path, None, monkeypatch)
        keys = [item["Key"] for item in bucket.list_objects_v2(Bucket="models")["Contents"]]
        assert sum(key.startswith("dentwatch/models/") and key.endswith("/model.onnx") for key in keys) == 2
        assert not (home / "artifacts").exists()
    finally:
        server.stop()
