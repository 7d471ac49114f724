"""What several tests need."""

import os
from collections.abc import Iterator
from pathlib import Path

import postgres_server
import pytest
from hypothesis import settings as hypothesis_settings

from dentwatch import settings

# What lands must not depend on luck: Hypothesis draws the same examples each time. HYPOTHESIS_PROFILE=explore looks for
# new ones, and what it finds becomes a test of its own.
hypothesis_settings.register_profile("steady", derandomize=True, database=None)
hypothesis_settings.register_profile("explore", max_examples=1000)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

ROOT = Path(__file__).resolve().parent.parent


LONGEST_FIRST = ("tests/training", "tests/loop", "tests/serving")
"""What takes minutes begins first, so that no process is left alone with it at the end."""


@pytest.hookimpl(tryfirst=True)  # before xdist, which reads the groups in its own hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file run in one process, those that look at the same two trainings, too."""

    def place(item: pytest.Item) -> int:
        return next((at for at, name in enumerate(LONGEST_FIRST) if item.nodeid.startswith(name)), len(LONGEST_FIRST))

    for item in items:
        shared = "finished" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("finished" if shared else item.nodeid.partition("::")[0]))
    items.sort(key=place)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos and starting weights; tests that need it skip where it is missing."""
    folder = Path(os.environ.get("DENTWATCH_SHARED", ROOT.parent / "shared"))
    if not (folder / "photos").is_dir():
        pytest.skip(f"real photos are not at {folder}: set DENTWATCH_SHARED to run this test")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty DENTWATCH_HOME, for this process and those it starts."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DENTWATCH_HOME", str(folder))
    settings.load.cache_clear()
    yield folder
    settings.load.cache_clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.PostgresServer]:
    """A running PostgreSQL; tests that need it skip where it is not installed."""
    pytest.importorskip(
        "psycopg", reason="the driver of PostgreSQL is not installed: pip install 'dentwatch[postgres]'"
    )
    if (programs := postgres_server.programs()) is None:
        pytest.skip("PostgreSQL (initdb) is not installed: apt-get install postgresql runs this test")
    with postgres_server.running(programs) as server:
        yield server


@pytest.fixture(scope="session")
def empty_tracking_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs; copying it into a home saves the seconds that making its tables takes."""
    from dentwatch.records.tracking import open_client

    folder = tmp_path_factory.mktemp("tracking")
    open_client(settings.Settings(home=folder))
    return folder / "mlflow.db"
