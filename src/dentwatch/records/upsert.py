"""Inserts that may say what happens to a row that is there: SQLAlchemy has them for each dialect only."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(connection: Connection, table: Table) -> Any:
    """An insert into ``table`` that has ``on_conflict_do_update`` and ``on_conflict_do_nothing``."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
