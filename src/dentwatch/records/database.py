"""The database: SQLite in the home by default, PostgreSQL by one setting.

What is committed here is on the disk: SQLite runs with a write-ahead log that is synced at every commit, and
transactions that write take the write lock at their start, so that none fails half-way because another came first.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic_core import to_json
from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from dentwatch.errors import DatabaseError
from dentwatch.settings import Settings

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 20  # how long a writer waits for another
_MIGRATION_LOCK = 0x64656E7477617463  # "dentwatc": an advisory lock of PostgreSQL is a number that nobody else takes


class Database:
    """A database of Dentwatch at ``url``, brought to this version's tables when it is first used.

    Every process makes its own; threads may share it. Everything raises :class:`DatabaseError` when the database cannot
    be reached, read or written.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._opening = threading.Lock()

    @classmethod
    def of(cls, settings: Settings) -> "Database":
        """The database that the settings name."""
        return cls(settings.database_location)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of this machine."""
        return self.url.startswith("sqlite:")

    @property
    def exists(self) -> bool:
        """False for a file that has not been made yet: there is nothing in it to look for."""
        path = make_url(self.url).database if self.is_sqlite else None
        return path is None or Path(path).exists()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with: one consistent look, however long it lasts."""
        with self.explained(), self._opened().connect() as connection:
            if not self.is_sqlite:  # where a transaction looks at one moment by itself
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed, and on the disk, when the block ends; on an error nothing of it stays."""
        with self.explained(), self._opened().connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    def check(self) -> None:
        """Raise :class:`DatabaseError` unless the database answers and can be written to."""
        with self.writing() as connection:
            MigrationContext.configure(connection).get_current_revision()

    def close(self) -> None:
        """Close the connections."""
        if "_engine" in self.__dict__:
            self._engine.dispose()

    def _opened(self) -> Engine:
        with self._opening:  # a second thread waits until the tables are there
            return self._engine

    @cached_property
    def _engine(self) -> Engine:
        try:
            url = make_url(self.url)
            if self.is_sqlite and url.database:
                Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(url, pool_pre_ping=not self.is_sqlite, json_serializer=_json)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise DatabaseError(
                f"The database URL cannot be used: {error}.",
                "DENTWATCH_DATABASE_URL takes sqlite:///path or postgresql+psycopg://… (`dentwatch[postgres]`).",
            ) from error
        if self.is_sqlite:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        try:
            self._upgrade(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _upgrade(self, engine: Engine) -> None:
        """Bring the tables to this version; refuses a database of a newer one."""
        config = Config()
        config.set_main_option("script_location", _MIGRATIONS.as_posix())
        scripts = ScriptDirectory.from_config(config)
        wanted = scripts.get_current_head()
        with engine.connect() as connection:
            if MigrationContext.configure(connection).get_current_revision() == wanted:
                return
        with engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():  # of several processes that start together one migrates
                self._lock_out_others(connection)
                current = MigrationContext.configure(connection).get_current_revision()
                if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
                    raise DatabaseError(
                        f"The database {self._named} was made by a newer Dentwatch (its tables are at {current}).",
                        "Install that version; an older one could damage what it does not know.",
                    )
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def _lock_out_others(self, connection: Connection) -> None:
        """Wait for others that migrate, and let others wait; SQLite does that where a writing transaction begins."""
        if not self.is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))

    @property
    def _named(self) -> str:
        return make_url(self.url).render_as_string(hide_password=True)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """What the database raises within comes out as :class:`DatabaseError`."""
        try:
            yield
        except SQLAlchemyError as error:
            cause = " ".join(str(getattr(error, "orig", None) or error).split())
            raise DatabaseError(
                f"The database {self._named} cannot be used: {cause}.",
                "Check that it runs, has room and may be written; DENTWATCH_DATABASE_URL names it.",
            ) from error


def _json(value: Any) -> str:
    return to_json(value).decode()  # in a fraction of the standard library's time


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so, not at the first change
    for pragma in (
        f"busy_timeout = {_BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
