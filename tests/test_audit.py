"""The audit log: what is in it can be trusted, because a change of anything in it is found."""

import hashlib
import json
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlalchemy import Connection
from typer.testing import CliRunner, Result

from dentwatch.cli.app import app
from dentwatch.errors import AuditError, RecordsError
from dentwatch.records import audit
from dentwatch.records.audit import START, Mark
from dentwatch.records.database import Database
from dentwatch.records.tables import audit_entries

COLUMNS = [column.name for column in audit_entries.columns]
LENGTH = 8

Rows = list[tuple[Any, ...]]


def _database(folder: Path) -> Database:
    return Database(f"sqlite:///{folder / 'dentwatch.db'}")


def _fill(database: Database, count: int) -> Mark:
    with database.writing() as connection:
        for n in range(count):
            mark = audit.append(connection, "ada", "listing.create", f"car-{n}", {"channel": "wéb", "n": n, "x": 0.1})
    return mark


def _rows(connection: Connection) -> Rows:
    """The table as SQLite keeps it."""
    return [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM audit_entries ORDER BY number")]


def _store(connection: Connection, rows: Rows) -> None:
    connection.exec_driver_sql("DELETE FROM audit_entries")
    for row in rows:
        connection.exec_driver_sql(f"INSERT INTO audit_entries VALUES ({', '.join('?' * len(row))})", row)


def _set(rows: Rows, number: int, **values: Any) -> Rows:
    changed = dict(zip(COLUMNS, rows[number - 1], strict=True)) | values
    return [*rows[: number - 1], tuple(changed.values()), *rows[number:]]


def _fault(database: Database, expected: Mark | None = None) -> int:
    """The number of the entry that verification names."""
    with pytest.raises(AuditError) as found:
        audit.verify(database, expected)
    assert f"{found.value.number}" in found.value.message
    return found.value.number


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = _database(tmp_path)
    yield database
    database.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Rows]]:
    """A database for many forgeries, and what was written into its log."""
    database = _database(tmp_path_factory.mktemp("log"))
    _fill(database, LENGTH)
    with database.reading() as connection:
        rows = _rows(connection)
    yield database, rows
    database.close()


@pytest.fixture
def forge(log: tuple[Database, Rows]) -> Callable[[Callable[[Rows], Rows]], Database]:
    """Makes the table what a function makes of the rows that were written."""
    database, rows = log

    def forge(change: Callable[[Rows], Rows]) -> Database:
        with database.writing() as connection:
            _store(connection, change(rows))
        return database

    return forge


Forge = Callable[[Callable[[Rows], Rows]], Database]


# Writing and reading


def test_entries_are_numbered_chained_and_read_back_as_written(database: Database) -> None:
    details = {"n": 1, "share": 0.1, "name": "Zoë \U0001f697", "none": None, "nested": [{"b": 1, "a": [True]}]}
    with database.writing() as connection:
        first = audit.append(connection, "ada", "key.create", "shop", details)
        second = audit.append(connection, "key:shop", "dispute.open", "5f0c", {})
    with database.reading() as connection:
        one, two = audit.entries(connection)
        assert audit.head(connection) == second
    assert (one.number, one.actor, one.action, one.subject, one.details) == (1, "ada", "key.create", "shop", details)
    assert (one.previous, one.mark, two.previous) == (START.hash, first, one.hash)
    assert one.at <= two.at
    assert audit.verify(database) == second


def test_the_hash_is_what_the_documentation_says(database: Database) -> None:
    _fill(database, 1)
    with database.reading() as connection:
        [entry] = audit.entries(connection)
    details = json.dumps(entry.details, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    document = {
        "action": "listing.create",
        "actor": "ada",
        "at": entry.at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
        "details": details,
        "number": 1,
        "previous": "0" * 64,
        "subject": "car-0",
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    assert entry.hash == hashlib.sha256(text.encode()).digest()


def test_an_action_that_fails_leaves_no_entry(database: Database) -> None:
    def fail_after_append() -> None:
        with database.writing() as connection:
            audit.append(connection, "ada", "key.create", "shop", {})
            raise RuntimeError

    before = _fill(database, 2)
    with pytest.raises(RuntimeError):
        fail_after_append()
    assert audit.verify(database) == before


def test_writers_that_come_together_make_one_chain(database: Database) -> None:
    def write(n: int) -> None:
        with database.writing() as connection:
            audit.append(connection, f"key:{n}", "listing.create", f"car-{n}", {})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(40)))
    assert audit.verify(database).number == 40


def test_entries_are_chosen_by_what_they_say(database: Database) -> None:
    with database.writing() as connection:
        for n in range(6):
            audit.append(connection, ("ada", "bob")[n % 2], ("key.create", "key.revoke")[n // 3], f"shop-{n}", {})

    def numbers(**wanted: Any) -> list[int]:
        with database.reading() as connection:
            return [entry.number for entry in audit.entries(connection, **wanted)]

    assert numbers() == [1, 2, 3, 4, 5, 6]
    assert numbers(last=2) == [5, 6]
    assert numbers(actor="ada") == [1, 3, 5]
    assert numbers(action="key.create", last=2) == [2, 3]
    assert numbers(actor="bob", action="key.revoke", subject="shop-5") == [6]
    assert numbers(subject="nobody") == []


@pytest.mark.parametrize("wrong", [{"actor": ""}, {"actor": "a" * 201}, {"action": "a" * 61}, {"subject": "a" * 201}])
def test_what_a_column_cannot_hold_is_refused(wrong: dict[str, str], database: Database) -> None:
    given = {"actor": "ada", "action": "key.create", "subject": "shop"} | wrong
    with database.writing() as connection, pytest.raises(RecordsError, match=next(iter(wrong))):
        audit.append(connection, **given, details={})


def test_a_mark_is_read_as_it_is_written() -> None:
    mark = Mark(12, bytes(range(32)))
    assert Mark.parse(f" {mark}\n") == mark
    for wrong in ("", "12", "12:", f"-1:{'0' * 64}", f"1:{'0' * 63}", f"1:{'g' * 64}", f"٣:{'0' * 64}"):
        with pytest.raises(ValueError, match="NUMBER:HASH"):
            Mark.parse(wrong)


# Finding what was changed


def test_an_untouched_log_is_found_whole(forge: Forge) -> None:
    mark = audit.verify(forge(lambda rows: rows))
    assert mark.number == LENGTH
    assert audit.verify(forge(lambda rows: rows), mark) == mark


@pytest.mark.parametrize("number", range(1, LENGTH + 1))
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "2020-01-01 00:00:00.000000"),
        ("at", "yesterday"),
        ("actor", "eve"),
        ("action", "listing.close"),
        ("subject", "car-99"),
        ("details", '{"channel":"web"}'),
        ("details", '{"channel": "wéb", "n": 0, "x": 0.1}'),
        ("details", "not JSON"),
        ("details", "[" * 100_000),
        ("details", "NaN"),
        ("previous", bytes([1]) * 32),
        ("previous", b""),
        ("hash", bytes(32)),
        ("hash", "text"),
    ],
)
def test_a_changed_column_is_found_at_its_entry(number: int, column: str, value: object, forge: Forge) -> None:
    assert _fault(forge(lambda rows: _set(rows, number, **{column: value}))) == number


@effort(max_examples=150, deadline=None)
@given(
    number=st.integers(1, LENGTH),
    column=st.sampled_from([name for name in COLUMNS if name != "number"]),
    value=st.one_of(st.text(), st.binary(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)),
)
def test_whatever_a_column_becomes_is_found(
    number: int, column: str, value: object, log: tuple[Database, Rows]
) -> None:
    database, rows = log
    with database.writing() as connection:
        _store(connection, _set(rows, number, **{column: value}))
        assume(_rows(connection) != rows)
    assert _fault(database) == number


@effort(max_examples=60, deadline=None)
@given(order=st.permutations(range(LENGTH)))
def test_whatever_order_the_entries_are_brought_into_is_found(order: list[int], log: tuple[Database, Rows]) -> None:
    assume(order != sorted(order))
    database, rows = log
    with database.writing() as connection:
        _store(connection, [(n, *rows[source][1:]) for n, source in enumerate(order, 1)])
    assert _fault(database) == 1 + next(n for n, source in enumerate(order) if n != source)


@pytest.mark.parametrize("number", range(1, LENGTH))
def test_a_removed_entry_is_missed(number: int, forge: Forge) -> None:
    assert _fault(forge(lambda rows: [*rows[: number - 1], *rows[number:]])) == number
    renumbered = forge(lambda rows: [*rows[: number - 1], *((row[0] - 1, *row[1:]) for row in rows[number:])])
    assert _fault(renumbered) == number


@pytest.mark.parametrize("number", range(1, LENGTH + 1))
def test_an_inserted_entry_is_found(number: int, forge: Forge) -> None:
    def insert(rows: Rows) -> Rows:
        return [*rows[:number], (number + 1, *rows[number - 1][1:]), *((row[0] + 1, *row[1:]) for row in rows[number:])]

    assert _fault(forge(insert)) == number + 1
    assert _fault(forge(lambda rows: [(-1, *rows[0][1:]), *rows])) == -1


@pytest.mark.parametrize("number", range(1, LENGTH))
def test_a_moved_entry_is_missed_where_it_was(number: int, forge: Forge) -> None:
    assert _fault(forge(lambda rows: [*rows[: number - 1], (99, *rows[number - 1][1:]), *rows[number:]])) == number


# Forgeries that know how the hash is made


def _rehashed(rows: Rows, number: int, *, onwards: bool) -> Rows:
    """The entry renamed and its hash made anew, as are those after it if ``onwards``."""
    rows = _set(rows, number, subject="car-99")
    for at in range(number, LENGTH + 1 if onwards else number + 1):
        entry = dict(zip(COLUMNS, rows[at - 1], strict=True))
        entry["previous"] = rows[at - 2][-1] if at > 1 else START.hash
        document = {name: entry[name] for name in COLUMNS if name != "hash"}
        document |= {"at": entry["at"].replace(" ", "T") + "+00:00", "previous": entry["previous"].hex()}
        text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        rows = _set(rows, at, previous=entry["previous"], hash=hashlib.sha256(text.encode()).digest())
    return rows


@pytest.mark.parametrize("number", range(1, LENGTH))
def test_an_entry_with_its_hash_made_anew_is_found_at_the_next(number: int, forge: Forge) -> None:
    assert _fault(forge(lambda rows: _rehashed(rows, number, onwards=False))) == number + 1


@pytest.mark.parametrize("number", range(1, LENGTH + 1))
def test_a_log_written_anew_is_found_by_a_mark_alone(number: int, forge: Forge, log: tuple[Database, Rows]) -> None:
    marks = [Mark(row[0], row[-1]) for row in log[1]]
    database = forge(lambda rows: _rehashed(rows, number, onwards=True))
    assert audit.verify(database).number == LENGTH  # the limit that docs/access.md states
    for mark in marks[number - 1 :]:
        assert _fault(database, mark) == mark.number
    for mark in marks[: number - 1]:
        audit.verify(database, mark)


@pytest.mark.parametrize("left", range(LENGTH))
def test_a_cut_off_end_is_found_by_a_mark_alone(left: int, forge: Forge, log: tuple[Database, Rows]) -> None:
    mark = Mark(LENGTH, log[1][-1][-1])
    database = forge(lambda rows: rows[:left])
    assert audit.verify(database).number == left  # the limit that docs/access.md states
    assert _fault(database, mark) == left + 1


def test_nothing_is_appended_to_an_end_that_cannot_be_read(forge: Forge) -> None:
    database = forge(lambda rows: _set(rows, LENGTH, details="not JSON"))
    with database.writing() as connection, pytest.raises(AuditError, match=f"Entry {LENGTH}"):
        audit.append(connection, "ada", "key.create", "shop", {})


def test_verification_holds_a_few_hundred_entries_in_memory(database: Database) -> None:
    def peak() -> int:
        tracemalloc.start()
        audit.verify(database)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    _fill(database, 600)
    audit.verify(database)  # what is made once and kept
    small = peak()
    _fill(database, 1800)
    assert peak() < 1.3 * small


# The command line


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments], catch_exceptions=False, env={"COLUMNS": "200"})


@pytest.fixture
def kept(home: Path) -> Iterator[Database]:
    """The database in the home, with five entries."""
    home.mkdir()
    database = _database(home)
    _fill(database, 5)
    yield database
    database.close()


def test_list_shows_the_newest_entries(kept: Database) -> None:
    shown = _run("list", "--last", "2").stdout
    assert "car-3" in shown
    assert "car-4" in shown
    assert "car-2" not in shown
    [entry] = json.loads(_run("list", "--subject", "car-1", "--json").stdout)["entries"]
    assert (entry["number"], entry["actor"], entry["details"]["channel"]) == (2, "ada", "wéb")
    assert "no such entries" in _run("list", "--actor", "nobody").stdout


def test_verify_prints_a_mark_that_a_later_run_takes(kept: Database) -> None:
    document = json.loads(_run("verify", "--json").stdout)
    assert document["entries"] == 5
    assert document["mark"] in _run("verify").stdout
    _fill(kept, 1)
    later = _run("verify", "--expect", document["mark"])
    assert (later.exit_code, "Entry 5 is the one that was expected" in later.stdout) == (0, True)


def test_verify_fails_on_a_changed_log_and_a_cut_off_end(kept: Database) -> None:
    mark = json.loads(_run("verify", "--json").stdout)["mark"]
    with kept.writing() as connection:
        connection.exec_driver_sql("DELETE FROM audit_entries WHERE number = 5")
    with pytest.raises(AuditError, match="Entry 5 of the audit log is gone: it ends with entry 4"):
        _run("verify", "--expect", mark)
    with kept.writing() as connection:
        connection.exec_driver_sql("UPDATE audit_entries SET actor = 'eve' WHERE number = 3")
    with pytest.raises(AuditError, match="Entry 3 of the audit log is not what was written"):
        _run("verify")


def test_verify_says_what_a_mark_looks_like(kept: Database) -> None:
    wrong = _run("verify", "--expect", "5")
    assert wrong.exit_code == 2
    assert "NUMBER:HASH" in wrong.stderr
