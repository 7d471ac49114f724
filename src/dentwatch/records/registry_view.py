"""The registry as a page shows it: every model version and every change of the champion, without waiting for MLflow.

Where the registry is SQLite, its tables are read (``records.registry_peek`` says why); else MLflow is asked.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from dentwatch.records.model_versions import CHAMPION, DISMISSED_TAG, ModelVersion
from dentwatch.records.promotions import Promotion, history_of
from dentwatch.records.tracking import sqlite_path
from dentwatch.settings import Settings

_VERSIONS = "SELECT version, creation_time, run_id, source FROM model_versions WHERE name = ?"
_VERSION_TAGS = "SELECT version, key, value FROM model_version_tags WHERE name = ?"
_MODEL_TAGS = "SELECT key, value FROM registered_model_tags WHERE name = ?"
_ALIASES = "SELECT alias, version FROM registered_model_aliases WHERE name = ?"


@dataclass(frozen=True, slots=True)
class RegistryView:
    """Model versions by number, changes of the champion, both oldest first, and why versions were dismissed."""

    versions: tuple[ModelVersion, ...] = ()
    history: tuple[Promotion, ...] = ()
    dismissed: dict[int, str] | None = None  # the tag's JSON by number; None where it is not known


def view(settings: Settings) -> RegistryView:
    """The registry as it is now; empty while there is none. Raises what MLflow raises where that has to be asked."""
    path = sqlite_path(settings)
    if path is not None:
        if not path.is_file():
            return RegistryView()
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                return _read(connection, settings.tracking.model_name)
        except sqlite3.Error:  # another version of MLflow's tables, or a database that is being made
            pass
    from dentwatch.records.registry import Registry

    registry = Registry(settings)
    return RegistryView(tuple(registry.versions()), tuple(registry.history()))


def _read(connection: sqlite3.Connection, name: str) -> RegistryView:
    tags: dict[int, dict[str, str]] = {}
    for number, key, value in connection.execute(_VERSION_TAGS, (name,)):
        tags.setdefault(int(number), {})[key] = value
    aliases = {alias: int(number) for alias, number in connection.execute(_ALIASES, (name,))}
    versions = [
        _version(name, row, tags.get(int(row[0]), {}), aliases)
        for row in connection.execute(f"{_VERSIONS} ORDER BY version", (name,))
    ]
    model_tags = dict(connection.execute(_MODEL_TAGS, (name,)).fetchall())
    return RegistryView(
        tuple(version for version in versions if version is not None),
        tuple(history_of(model_tags, aliases.get(CHAMPION))),
        {number: found[DISMISSED_TAG] for number, found in tags.items() if DISMISSED_TAG in found},
    )


def _version(name: str, row: tuple[Any, ...], tags: dict[str, str], aliases: dict[str, int]) -> ModelVersion | None:
    number, created, run, source = row
    entity = SimpleNamespace(
        name=name, version=number, tags=tags, run_id=run, creation_timestamp=created, source=source
    )
    named = tuple(sorted(alias for alias, bearer in aliases.items() if bearer == int(number)))
    return ModelVersion.from_mlflow(entity, named)
