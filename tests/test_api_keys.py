"""API keys: shown once, kept as a digest, recognised until revoked, and every change of them on record."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from dentwatch.cli.app import app
from dentwatch.errors import AuditError, KeyRefusedError
from dentwatch.records import api_keys, audit
from dentwatch.records.api_keys import ApiKey, NewKey
from dentwatch.records.database import Database
from dentwatch.records.roles import Role


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'dentwatch.db'}")
    yield database
    database.close()


def _create(database: Database, name: str = "shop", role: Role = Role.SELLER) -> NewKey:
    with database.writing() as connection:
        return api_keys.create(connection, name, role, "ada")


def _revoke(database: Database, name: str = "shop") -> ApiKey:
    with database.writing() as connection:
        return api_keys.revoke(connection, name, "bob")


def _authenticate(database: Database, key: str) -> ApiKey | None:
    with database.reading() as connection:
        return api_keys.authenticate(connection, key)


def _log(database: Database) -> list[tuple[str, str, str]]:
    with database.reading() as connection:
        return [(entry.actor, entry.action, entry.subject) for entry in audit.entries(connection)]


def test_a_key_is_recognised_with_its_role(database: Database) -> None:
    made = {role: _create(database, f"the {role}", role) for role in Role}
    for role, new in made.items():
        assert _authenticate(database, new.text) == new.key
        assert (new.key.role, new.key.name, new.key.revoked_at) == (role, f"the {role}", None)


def test_keys_are_random_and_of_the_documented_form(database: Database) -> None:
    keys = [_create(database, f"shop {n}").text for n in range(20)]
    assert all(re.fullmatch(r"dw_[0-9a-f]{12}_[0-9a-f]{64}", key) for key in keys)
    assert len({key.split("_")[1] for key in keys}) == len({key.split("_")[2] for key in keys}) == 20


def test_the_secret_is_neither_kept_nor_shown(database: Database, tmp_path: Path) -> None:
    new = _create(database)
    secret = new.text.split("_")[2]
    assert secret not in repr(new)
    database.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert new.key.prefix.encode() in kept
    assert secret.encode() not in kept
    assert bytes.fromhex(secret) not in kept


def test_a_key_with_any_other_character_is_refused(database: Database) -> None:
    key = _create(database).text
    for at, character in enumerate(key):
        other = "1" if character == "0" else "0"
        assert _authenticate(database, key[:at] + other + key[at + 1 :]) is None
    for other in (key[:-1], key + "0", key.upper(), f" {key}", f"{key}\n", ""):
        assert _authenticate(database, other) is None


@effort(max_examples=50, deadline=None)
@given(text=st.text() | st.from_regex(r"dw_[0-9a-f]{12}_[0-9a-f]{64}", fullmatch=True))
def test_no_other_text_opens_anything(text: str, made: Database) -> None:
    assert _authenticate(made, text) is None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with one key."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('keys') / 'dentwatch.db'}")
    _create(database)
    yield database
    database.close()


def test_a_revoked_key_is_refused_and_the_others_are_not(database: Database) -> None:
    shop, lot = _create(database, "shop"), _create(database, "lot")
    revoked = _revoke(database, "shop")
    assert revoked.revoked_at is not None
    assert _authenticate(database, shop.text) is None
    assert _authenticate(database, lot.text) == lot.key


def test_any_valid_says_whether_somebody_could_come_in(database: Database) -> None:
    def any_valid() -> bool:
        with database.reading() as connection:
            return api_keys.any_valid(connection)

    assert not any_valid()
    _create(database)
    assert any_valid()
    _revoke(database)
    assert not any_valid()


def test_a_name_is_given_once_and_for_good(database: Database) -> None:
    first = _create(database)
    _revoke(database)
    with pytest.raises(KeyRefusedError, match="There is a key named shop already"):
        _create(database)
    with database.reading() as connection:
        [only] = api_keys.list_keys(connection)
    assert only.id == first.key.id


@pytest.mark.parametrize("name", ["", " shop", "shop ", "shop\n", "-", "a" * 101, "a/b", "\N{RIGHT-TO-LEFT OVERRIDE}a"])
def test_what_is_no_name_is_refused(name: str, database: Database) -> None:
    with pytest.raises(KeyRefusedError, match="cannot be named"):
        _create(database, name)
    assert _log(database) == []


@pytest.mark.parametrize("name", ["a", "a" * 100, "Händler 7", "ada@example.com", "dealer-7.test_key+1"])
def test_what_people_call_things_is_a_name(name: str, database: Database) -> None:
    assert _create(database, name).key.name == name


def test_every_change_of_keys_is_in_the_audit_log(database: Database) -> None:
    new = _create(database)
    _revoke(database)
    _revoke(database)  # changes nothing
    assert _log(database) == [("ada", "key.create", "shop"), ("bob", "key.revoke", "shop")]
    with database.reading() as connection:
        created, revoked = audit.entries(connection)
    assert created.details == {"id": new.key.id, "prefix": new.key.prefix, "role": "seller"}
    assert revoked.details == {"id": new.key.id, "prefix": new.key.prefix}


def test_a_key_and_its_entry_are_kept_together_or_not_at_all(database: Database) -> None:
    kept = _create(database, "kept")
    with database.writing() as connection:  # the log cannot be appended to
        connection.exec_driver_sql("UPDATE audit_entries SET details = 'x'")
    for change in (lambda: _create(database), lambda: _revoke(database, "kept")):
        with pytest.raises(AuditError, match="Entry 1 of the audit log"):
            change()
    with database.reading() as connection:
        assert api_keys.list_keys(connection) == [kept.key]


def test_revoking_a_key_that_is_not_there_says_so(database: Database) -> None:
    with pytest.raises(KeyRefusedError, match="There is no key named shop"):
        _revoke(database)


# The command line


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments], catch_exceptions=False, env={"COLUMNS": "120"})


def test_create_prints_the_key_alone_on_stdout(home: Path) -> None:
    done = _run("create", "shop", "--role", "seller", "--actor", "ada")
    key = done.stdout.removesuffix("\n")
    database = Database(f"sqlite:///{home / 'dentwatch.db'}")
    found = _authenticate(database, key)
    assert found is not None
    assert (found.name, found.role) == ("shop", Role.SELLER)
    assert "not shown again" in done.stderr
    assert _log(database) == [("ada", "key.create", "shop")]
    database.close()


def test_list_and_revoke_show_keys_without_secrets(home: Path) -> None:
    assert "There are no keys yet" in _run("list").stdout
    created = json.loads(_run("create", "shop", "--role", "seller", "--json").stdout)
    _run("create", "lot 7", "--role", "viewer")
    assert "revoked since" in _run("revoke", "shop").stdout
    first = json.loads(_run("revoke", "shop", "--json").stdout)
    shop, lot = json.loads(_run("list", "--json").stdout)["keys"]
    assert shop == first == {**{k: v for k, v in created.items() if k != "key"}, "revoked_at": shop["revoked_at"]}
    assert (lot["name"], lot["role"], lot["revoked_at"]) == ("lot 7", "viewer", None)
    shown = _run("list").stdout
    assert f"dw_{shop['prefix']}_" in shown
    assert created["key"] not in shown


def test_a_role_that_is_none_is_refused(home: Path) -> None:
    wrong = _run("create", "shop", "--role", "king")
    assert wrong.exit_code == 2
    assert "inspector" in wrong.stderr
