"""A look into the default registry without MLflow, whose import takes seconds that every ``inspect`` would wait.

Only for SQLite, only reading, and only a shortcut: where it cannot tell, MLflow is asked. The tables are MLflow's own
(``registered_model_aliases``, ``model_version_tags``), so a test compares both answers.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass

from dentwatch.records.model_versions import DIGEST_TAG
from dentwatch.records.tracking import sqlite_path
from dentwatch.settings import Settings

_QUERY = """
    SELECT tags.version, tags.value FROM registered_model_aliases AS aliases
    JOIN model_version_tags AS tags ON tags.name = aliases.name AND tags.version = aliases.version
    WHERE aliases.name = ? AND aliases.alias = ? AND tags.key = ?
"""


@dataclass(frozen=True, slots=True)
class Glimpse:
    """The number and unique id of a model version."""

    number: int
    digest: str


def peek(alias: str, settings: Settings) -> list[Glimpse] | None:
    """The version that bears ``alias``, or an empty list when none does; None where that cannot be told here."""
    path = sqlite_path(settings)
    if path is None or not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(_QUERY, (settings.tracking.model_name, alias, DIGEST_TAG)).fetchall()
    except sqlite3.Error:  # another version of MLflow's tables, or a database that is being made
        return None
    return [Glimpse(int(number), str(digest)) for number, digest in rows] if len(rows) < 2 else None
