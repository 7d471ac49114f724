"""The audit log: who did what, when; append-only, each entry carrying the hash of the one before.

The hash of an entry is the SHA-256 of the canonical JSON text (``records.canonical``) of its number, time, actor,
action, subject, details and the hash of the entry before, so that no entry can be changed, removed, inserted or moved
without breaking the chain. Whoever can write the table can still write the whole chain anew, or cut off its end: that
shows only against a :class:`Mark` of an earlier day that is kept elsewhere.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Row, Select, insert, select, text, type_coerce
from sqlalchemy.types import NULLTYPE

from dentwatch.errors import AuditError, RecordsError
from dentwatch.records.canonical import canonical_text
from dentwatch.records.database import Database
from dentwatch.records.tables import audit_entries

_HASH_BYTES = 32
_ROWS_AT_A_TIME = 500
_LOOK = "`dentwatch audit list` shows the entries around it; compare them with a backup of the database."

# As they lie in the database: what somebody wrote past Dentwatch may be nothing that the columns' types can read.
_RAW: list[ColumnElement[Any]] = [type_coerce(column, NULLTYPE).label(column.name) for column in audit_entries.columns]
_NEWEST = select(*_RAW).order_by(audit_entries.c.number.desc()).limit(1)
_INSERT = insert(audit_entries)


@dataclass(frozen=True)
class Mark:
    """The number and the hash of an entry, written ``NUMBER:HASH``: it stands for the log up to there."""

    number: int
    hash: bytes

    @classmethod
    def parse(cls, written: str) -> Self:
        """The mark that ``str()`` of one wrote; raises :class:`ValueError` for anything else."""
        found = re.fullmatch(r"([0-9]{1,18}):([0-9a-fA-F]{64})", written.strip())
        if found is None:
            raise ValueError(f"{written!r} is not NUMBER:HASH with 64 hexadecimal digits")
        return cls(int(found[1]), bytes.fromhex(found[2]))

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


START = Mark(0, bytes(_HASH_BYTES))
"""What the first entry follows."""


@dataclass(frozen=True)
class Entry:
    """One entry; ``details`` are plain JSON values, ``at`` is in UTC."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any]
    previous: bytes
    hash: bytes

    @property
    def mark(self) -> Mark:
        """What stands for the log up to this entry."""
        return Mark(self.number, self.hash)

    def as_document(self) -> dict[str, Any]:
        """The entry as a JSON document."""
        hashes = {"previous": self.previous.hex(), "hash": self.hash.hex()}
        return {**vars(self), "at": self.at.isoformat(), **hashes}


def append(connection: Connection, actor: str, action: str, subject: str, details: Mapping[str, Any]) -> Mark:
    """Add an entry within the caller's writing transaction, so that an action and its entry are kept together.

    ``actor`` is who did it (``ada``, ``key:shop``), ``action`` what was done (``key.create``), ``subject`` the name or
    id of what it was done to, ``details`` JSON values that say more. Raises :class:`ValueError` for a text that is
    empty or longer than its column, and for details that are no JSON.
    """
    for name, value, most in (("actor", actor, 200), ("action", action, 60), ("subject", subject, 200)):
        if not 0 < len(value) <= most:  # SQLite would take any length, PostgreSQL would not
            raise RecordsError(
                f"The {name} of an audit entry takes 1 to {most} characters, not {len(value)}.", "Name it shorter."
            )
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        connection.execute(text("LOCK TABLE audit_entries IN EXCLUSIVE MODE"))
    before = head(connection)
    number, at, said = before.number + 1, datetime.now(UTC), canonical_text(dict(details))
    digest = _hash(number, at, actor, action, subject, said, before.hash)
    connection.execute(
        _INSERT,
        {
            "number": number,
            "at": at,
            "actor": actor,
            "action": action,
            "subject": subject,
            "details": said,
            "previous": before.hash,
            "hash": digest,
        },
    )
    return Mark(number, digest)


def head(connection: Connection) -> Mark:
    """The mark of the last entry, :data:`START` while there is none; raises :class:`AuditError` if it is unreadable."""
    newest = connection.execute(_NEWEST).one_or_none()
    return START if newest is None else _entry(newest).mark


def entries(
    connection: Connection,
    *,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    last: int | None = None,
) -> Iterator[Entry]:
    """The entries, oldest first, a few hundred in memory at a time; with ``last``, the newest so many.

    Raises :class:`AuditError` at an entry that cannot be read; whether they are what was written, :func:`verify` tells.
    """
    query = _chosen(actor, action, subject)
    if last is None:
        yield from _read(connection, query.order_by(audit_entries.c.number))
    else:
        newest = query.order_by(audit_entries.c.number.desc()).limit(last).subquery()
        yield from _read(connection, select(newest).order_by(newest.c.number))


def page(
    connection: Connection,
    *,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Entry]:
    """Up to ``limit`` entries with a number below ``before``, newest first; raises :class:`AuditError` as above."""
    query = _chosen(actor, action, subject)
    if since is not None:
        query = query.where(audit_entries.c.at >= since)
    if before is not None:
        query = query.where(audit_entries.c.number < before)
    return list(_read(connection, query.order_by(audit_entries.c.number.desc()).limit(limit)))


def _chosen(actor: str | None, action: str | None, subject: str | None) -> Select[Any]:
    wanted = {"actor": actor, "action": action, "subject": subject}
    return select(*_RAW).where(*(audit_entries.c[name] == value for name, value in wanted.items() if value is not None))


def verify(database: Database, expected: Mark | None = None) -> Mark:
    """Read the whole log, a few hundred entries in memory at a time, and return the mark of its end.

    ``expected`` is a mark of an earlier day. Raises :class:`AuditError` naming the first entry that was changed,
    removed, inserted or moved, or that is not what ``expected`` says.
    """
    expected = expected or START
    last = START
    with database.reading() as connection:
        for entry in _read(connection, select(*_RAW).order_by(audit_entries.c.number)):
            _check_place(entry, last)
            last = entry.mark
            if last.number == expected.number and last.hash != expected.hash:
                raise AuditError(
                    last.number,
                    f"Entry {last.number} of the audit log is not the one that was expected: the log was written anew "
                    f"from there or from an entry before.",
                    _LOOK,
                )
    if last.number < expected.number:
        raise AuditError(
            last.number + 1,
            f"Entry {last.number + 1} of the audit log is gone: it ends with entry {last.number}, but entry "
            f"{expected.number} was there, so its end was cut off.",
            _LOOK,
        )
    return last


def _check_place(entry: Entry, before: Mark) -> None:
    """Raise :class:`AuditError` unless ``entry`` is whole and follows ``before``."""
    due = before.number + 1
    if entry.number > due:
        gone = f"Entry {due}" if entry.number == due + 1 else f"Entries {due} to {entry.number - 1}"
        raise AuditError(due, f"{gone} of the audit log: removed, or moved elsewhere.", _LOOK)
    if entry.number < due:  # numbers are unique and read in order, so only those below 1 come here
        raise AuditError(entry.number, f"Entry {entry.number} of the audit log was inserted before the first.", _LOOK)
    if _hash_of(entry) != entry.hash:
        raise AuditError(
            entry.number,
            f"Entry {entry.number} of the audit log is not what was written: its hash does not fit what it says.",
            _LOOK,
        )
    if entry.previous != before.hash:
        raise AuditError(
            entry.number,
            f"Entry {entry.number} of the audit log does not follow entry {before.number}: one of the two was written "
            f"anew, together with its hash.",
            _LOOK,
        )


def _read(connection: Connection, query: Select[Any]) -> Iterator[Entry]:
    for row in connection.execute(query.execution_options(yield_per=_ROWS_AT_A_TIME)):
        yield _entry(row)


def _entry(row: Row[Any]) -> Entry:
    """The entry in a raw row; raises :class:`AuditError` where that is none that Dentwatch could have written."""
    try:
        details = json.loads(row.details)
        if canonical_text(details) != row.details:
            raise ValueError("its details are not in canonical form")
        entry = Entry(row.number, _moment(row.at), row.actor, row.action, row.subject, details, row.previous, row.hash)
        _hash_of(entry)
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise AuditError(
            row.number, f"Entry {row.number} of the audit log was changed and cannot be read: {error}.", _LOOK
        ) from error
    return entry


def _moment(raw: str | datetime) -> datetime:
    if isinstance(raw, str):  # SQLite keeps text
        return datetime.strptime(raw, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    return raw.astimezone(UTC)


def _hash_of(entry: Entry) -> bytes:
    """The hash that ``entry`` should have."""
    details = canonical_text(entry.details)
    return _hash(entry.number, entry.at, entry.actor, entry.action, entry.subject, details, entry.previous)


def _hash(number: int, at: datetime, actor: str, action: str, subject: str, details: str, previous: bytes) -> bytes:
    plain = {
        "number": number,
        "at": at.isoformat(timespec="microseconds"),
        "actor": actor,
        "action": action,
        "subject": subject,
        "details": details,
        "previous": previous.hex(),
    }
    return sha256(canonical_text(plain).encode()).digest()
