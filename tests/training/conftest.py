"""What the tests of training share."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import command_here
import pytest
import torch
from tiny_cars import write_source
from training_command import SMALL, Finished, dentwatch

from dentwatch import settings
from dentwatch.data.ingest import Ingest
from dentwatch.data.sources import open_source
from dentwatch.settings import Settings


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)  # small networks gain nothing from more


@pytest.fixture(scope="session")
def _ingested(tmp_path_factory: pytest.TempPathFactory, empty_tracking_database: Path) -> Path:
    folder = tmp_path_factory.mktemp("stock")
    source = write_source(folder / "source")
    Ingest(Settings(home=folder / "home")).run(open_source(source).photos())
    shutil.copy(empty_tracking_database, folder / "home")
    return folder / "home"


@pytest.fixture
def stocked(home: Path, _ingested: Path) -> Path:
    """A DENTWATCH_HOME with a dataset version of 22 small photos: 16 to train on, 6 for val."""
    shutil.copytree(_ingested, home)
    return home


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, _ingested: Path) -> Finished:
    """Two trainings of seconds: ``first`` with seed 0 for people, ``second`` in two processes for programs."""
    home = tmp_path_factory.mktemp("finished") / "home"
    shutil.copytree(_ingested, home)
    first = dentwatch("train", "--name", "first", *SMALL, home=home)
    assert first.returncode == 0, first.stderr
    two = ("--devices", "2", "--seed", "1", "--json")
    second = dentwatch("train", "--name", "second", *SMALL, "--batch-size", "2", "--epochs", "2", *two, home=home)
    assert second.returncode == 0, second.stderr
    return Finished(home, first, second)


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    """Runs a command that is to end with 1 and one paragraph, and gives that on one line."""

    def run(*arguments: str | Path, home: Path) -> str:
        monkeypatch.setenv("DENTWATCH_HOME", str(home))
        monkeypatch.setenv("COLUMNS", "200")
        code = command_here.call(monkeypatch, map(str, arguments))
        out, err = capsys.readouterr()
        said = " ".join(err.split())
        assert code == 1 and out == "", err
        assert "Error:" in said and "Traceback" not in said and "did not expect" not in said, err
        return said

    yield run
    settings.load.cache_clear()
