"""A real database for the parts of the loop."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dentwatch.records.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path / 'dentwatch.db'}")) as opened:
        yield opened
