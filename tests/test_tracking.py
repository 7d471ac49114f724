"""Experiments lie where the settings say, and opening them writes nowhere else, says nothing and calls nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dentwatch import settings
from dentwatch.errors import ModelError
from dentwatch.records import tracking
from dentwatch.records.tracking import ensure_experiment, git_commit, has_store, open_client

_LOGGED = """
import socket, sys
def forbidden(*_, **__):
    raise AssertionError("no network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = forbidden

from dentwatch.records.tracking import ensure_experiment, open_client
from dentwatch.settings import load
experiment = ensure_experiment(load())
client = open_client(load())
run = client.create_run(experiment)
client.log_text(run.info.run_id, "hello", "note.txt")
client.set_terminated(run.info.run_id)
print(experiment, ensure_experiment(load()))
"""


def test_everything_lies_in_home_and_nothing_is_said(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    command = [sys.executable, "-c", _LOGGED]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    first, second = done.stdout.split()
    assert first == second
    assert done.stderr == ""
    assert list(folder.iterdir()) == []
    assert {path.name for path in home.iterdir()} == {"mlflow.db", "mlflow.lock", "artifacts"}
    assert [path.read_text() for path in home.rglob("note.txt")] == ["hello"]


def test_store_is_missed_without_mlflow(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_store(settings.load())
    home.mkdir()
    (home / "mlflow.db").touch()
    assert has_store(settings.load())
    monkeypatch.setenv("DENTWATCH_TRACKING__URI", "https://mlflow.internal")
    settings.load.cache_clear()
    assert has_store(settings.load())


def test_files_go_where_the_settings_say(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().tracking_artifacts == (home / "artifacts").as_uri()
    for uri, artifacts, expected in (
        ("https://mlflow.internal", None, None),
        ("https://mlflow.internal", "s3://models/dentwatch", "s3://models/dentwatch"),
        ("postgresql://db/mlflow", None, (home / "artifacts").as_uri()),
        ("postgresql://db/mlflow", "s3://models/dentwatch", "s3://models/dentwatch"),
    ):
        tracked = settings.TrackingSettings(uri=uri, artifacts=artifacts)
        assert settings.Settings(home=home, tracking=tracked).tracking_artifacts == expected


def test_deleted_experiment_comes_back(home: Path) -> None:
    client = open_client(settings.load())
    experiment = ensure_experiment(settings.load(), client)
    client.delete_experiment(experiment)
    assert ensure_experiment(settings.load(), client) == experiment
    assert client.get_experiment(experiment).lifecycle_stage == "active"


def test_store_that_cannot_be_opened_is_named_without_its_password(home: Path) -> None:
    home.mkdir()
    (home / "mlflow.db").write_bytes(b"not a database, but long enough to have a header" * 100)
    with pytest.raises(ModelError, match=r"mlflow\.db cannot be opened: .*not a database\. Check DENTWATCH_TRACKING"):
        open_client(settings.load())

    tracked = settings.TrackingSettings(uri="postgresql+nodriver://me:secret@db.internal:5432/mlflow?sslmode=require")
    with pytest.raises(ModelError, match=r"postgresql\+nodriver://db\.internal:5432/mlflow cannot") as caught:
        open_client(settings.Settings(home=home, tracking=tracked))
    assert "secret" not in str(caught.value)


def _git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, "-C", folder, *arguments], check=True, capture_output=True)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for the code that is running."""
    file = tmp_path / "code" / "tracking.py"
    file.parent.mkdir()
    file.write_text("one = 1\n")
    monkeypatch.setattr(tracking, "__file__", str(file))
    return file


def test_commit_is_that_of_the_code(code: Path) -> None:
    _git(code.parent, "init", "-q")
    _git(code.parent, "add", ".")
    _git(code.parent, "commit", "-qm", "one")
    clean = git_commit()
    assert len(clean) == 40
    (code.parent / "notes.txt").write_text("untracked files do not change the code")
    assert git_commit() == clean
    code.write_text("two = 2\n")
    assert git_commit() == f"{clean}-dirty"


def test_code_outside_a_checkout_has_no_commit(code: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert git_commit() == ""
    assert "not in a git checkout" in caplog.text


def test_installed_code_does_not_borrow_the_commit_around_it(code: Path) -> None:
    (code.parent / "own.py").touch()
    _git(code.parent, "init", "-q")
    _git(code.parent, "add", "own.py")
    _git(code.parent, "commit", "-qm", "somebody else's")
    assert git_commit() == ""


def test_mlflow_neither_chats_nor_reports(home: Path) -> None:
    open_client(settings.load())
    code = """
from dentwatch.records.registry import Registry
from dentwatch.settings import load
assert Registry(load()).versions() == []
import logging, mlflow.telemetry
assert logging.getLogger("mlflow").level == logging.WARNING
assert mlflow.telemetry.get_telemetry_client() is None
"""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DO_NOT_TRACK", "CI"))
    }
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
