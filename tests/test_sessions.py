"""Passwords and sessions: who is recognised, for how long, and what is left in the database of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update
from typer.testing import CliRunner

from dentwatch.cli.app import app
from dentwatch.errors import KeyRefusedError
from dentwatch.records import api_keys, audit, passwords, sessions, tables
from dentwatch.records.database import Database
from dentwatch.records.roles import Role
from dentwatch.settings import Settings

GOOD = "correct horse battery"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = Database.of(Settings(home=tmp_path))
    with database.writing() as connection:
        api_keys.create(connection, "ada", Role.INSPECTOR, "test")
        yield connection
    database.close()


def test_a_password_recognises_its_holder_alone(connection: Connection) -> None:
    assert passwords.check(connection, "ada", GOOD) is None  # has none yet
    passwords.set_password(connection, "ada", GOOD, "root")
    found = passwords.check(connection, "ada", GOOD)
    assert found is not None
    assert (found.name, found.role) == ("ada", Role.INSPECTOR)
    for name, password in (("ada", GOOD.upper()), ("ada", ""), ("eve", GOOD)):
        assert passwords.check(connection, name, password) is None


def test_what_is_kept_of_a_password_tells_nothing(connection: Connection) -> None:
    api_keys.create(connection, "bob", Role.SELLER, "test")
    for name in ("ada", "bob"):
        passwords.set_password(connection, name, GOOD, "root")
    kept = connection.scalars(select(tables.api_keys.c.password)).all()
    assert len(set(kept)) == 2  # salted
    assert all(one.startswith("$argon2id$") and GOOD not in one for one in kept)
    assert GOOD not in str([entry.as_document() for entry in audit.entries(connection)])


def test_bad_passwords_and_unknown_names_are_refused_with_the_way_out(connection: Connection) -> None:
    for password in ("short", "x" * 201):
        with pytest.raises(KeyRefusedError, match=f"{len(password)} characters"):
            passwords.set_password(connection, "ada", password, "root")
    with pytest.raises(KeyRefusedError, match="no valid key named eve"):
        passwords.set_password(connection, "eve", GOOD, "root")
    api_keys.revoke(connection, "ada", "root")
    with pytest.raises(KeyRefusedError, match="no valid key named ada"):
        passwords.set_password(connection, "ada", GOOD, "root")


def test_a_revoked_key_opens_nothing(connection: Connection) -> None:
    key = passwords.set_password(connection, "ada", GOOD, "root")
    token = sessions.open_session(connection, key, "key:ada")
    assert sessions.holder(connection, token) == key
    api_keys.revoke(connection, "ada", "root")
    assert sessions.holder(connection, token) is None
    assert passwords.check(connection, "ada", GOOD) is None


def test_a_session_ends_by_signing_out_by_a_new_password_and_with_time(connection: Connection) -> None:
    key = api_keys.named(connection, "ada")
    assert key is not None
    first, second = (sessions.open_session(connection, key, "key:ada") for _ in range(2))
    assert first != second
    sessions.close_session(connection, first)
    assert sessions.holder(connection, first) is None
    assert sessions.holder(connection, second) == key
    passwords.set_password(connection, "ada", GOOD, "root")
    assert sessions.holder(connection, second) is None

    third = sessions.open_session(connection, key, "key:ada")
    over = datetime.now(UTC) - timedelta(seconds=1)
    connection.execute(update(tables.sessions).values(expires_at=over))
    assert sessions.holder(connection, third) is None
    sessions.open_session(connection, key, "key:ada")  # forgets those that are over
    assert len(connection.execute(select(tables.sessions)).all()) == 1


def test_tokens_are_kept_as_digests_and_openings_are_on_record(connection: Connection) -> None:
    key = api_keys.named(connection, "ada")
    assert key is not None
    token = sessions.open_session(connection, key, "key:ada")
    [row] = connection.execute(select(tables.sessions)).all()
    assert token.encode() not in row.digest
    assert [entry.actor for entry in audit.entries(connection, action="session.open")] == ["key:ada"]
    assert sessions.holder(connection, token + "x") is None


@pytest.mark.parametrize("options", [["--stdin"], []], ids=["stdin", "asked"])
def test_a_password_is_set_on_the_command_line(home: Path, options: list[str]) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["keys", "create", "ada", "--role", "inspector"]).exit_code == 0
    said = f"{GOOD}\n" if options else f"{GOOD}\n{GOOD}\n"
    done = runner.invoke(app, ["keys", "password", "ada", *options], input=said)
    assert done.exit_code == 0, done.output
    assert GOOD not in done.output
    database = Database.of(Settings(home=home))
    with database.reading() as connection:
        assert passwords.check(connection, "ada", GOOD) is not None
    database.close()
