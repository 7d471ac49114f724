"""API keys: who may use the service. A key is shown once, when it is made; only its SHA-256 is kept.

A key reads ``dw_<prefix>_<secret>``: the prefix may be shown and finds the key's row, the secret is 256 random bits.
Bits that many cannot be guessed, so that their digest needs no slow hash, as a password's would.
"""

import re
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, select, update

from dentwatch.errors import KeyRefusedError
from dentwatch.records import audit
from dentwatch.records.roles import Role
from dentwatch.records.tables import api_keys

_KEY = re.compile(r"dw_([0-9a-f]{12})_[0-9a-f]{64}")
_NAME = re.compile(r"\w(?:[\w .@+-]{0,98}[\w.@+-])?")
_COLUMNS = [column for column in api_keys.columns if column.name not in ("digest", "password")]


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key; the key itself is not kept."""

    id: str
    name: str
    role: Role
    prefix: str
    created_at: datetime
    revoked_at: datetime | None

    def as_document(self) -> dict[str, Any]:
        """The key as a JSON document."""
        revoked = None if self.revoked_at is None else self.revoked_at.isoformat()
        return {**vars(self), "created_at": self.created_at.isoformat(), "revoked_at": revoked}


@dataclass(frozen=True)
class NewKey:
    """A key that was just made, and the one moment at which its text is known."""

    key: ApiKey
    text: str = field(repr=False)  # so that it does not end up in a log


def create(connection: Connection, name: str, role: Role, actor: str) -> NewKey:
    """Make a key and its audit entry within a writing transaction.

    Names are unique for good: also a revoked key's is not given again, so that the records stay clear about who did
    what. Raises :class:`KeyRefusedError` for a name that is taken or cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise KeyRefusedError(
            f"A key cannot be named {name!r}.",
            "A name has 1 to 100 letters, digits, spaces or any of . _ @ + - and starts with a letter or digit.",
        )
    if connection.execute(select(exists().where(api_keys.c.name == name))).scalar():
        raise KeyRefusedError(
            f"There is a key named {name} already.", "Choose another name; `dentwatch keys list` shows the taken ones."
        )
    prefix = secrets.token_hex(6)
    text = f"dw_{prefix}_{secrets.token_hex(32)}"
    key = ApiKey(str(uuid.uuid4()), name, role, prefix, datetime.now(UTC), None)
    connection.execute(insert(api_keys).values(**vars(key), digest=_digest(text)))
    audit.append(connection, actor, "key.create", name, {"id": key.id, "prefix": prefix, "role": role})
    return NewKey(key, text)


def revoke(connection: Connection, name: str, actor: str) -> ApiKey:
    """Take a key's rights for good, with an audit entry, within a writing transaction.

    A key that was revoked before stays as it is, without another entry. Raises :class:`KeyRefusedError` when there is
    no key of that name.
    """
    row = connection.execute(select(*_COLUMNS).where(api_keys.c.name == name).with_for_update()).one_or_none()
    if row is None:
        raise KeyRefusedError(f"There is no key named {name}.", "`dentwatch keys list` shows the keys.")
    if row.revoked_at is None:
        connection.execute(update(api_keys).where(api_keys.c.id == row.id).values(revoked_at=datetime.now(UTC)))
        audit.append(connection, actor, "key.revoke", name, {"id": row.id, "prefix": row.prefix})
    return _key(connection.execute(select(*_COLUMNS).where(api_keys.c.id == row.id)).one())


def list_keys(connection: Connection) -> list[ApiKey]:
    """Every key ever made, oldest first."""
    return [_key(row) for row in connection.execute(select(*_COLUMNS).order_by(api_keys.c.created_at, api_keys.c.name))]


def find(connection: Connection, key_id: str) -> ApiKey | None:
    """The key with this id, or None."""
    row = connection.execute(select(*_COLUMNS).where(api_keys.c.id == key_id)).one_or_none()
    return None if row is None else _key(row)


def named(connection: Connection, name: str) -> ApiKey | None:
    """The key of this name, or None."""
    row = connection.execute(select(*_COLUMNS).where(api_keys.c.name == name)).one_or_none()
    return None if row is None else _key(row)


def any_valid(connection: Connection) -> bool:
    """Whether there is a key that is not revoked."""
    return bool(connection.execute(select(exists().where(api_keys.c.revoked_at.is_(None)))).scalar())


def authenticate(connection: Connection, key: str) -> ApiKey | None:
    """What is known of ``key``; None when it is none, unknown or revoked.

    The digests are compared in constant time, and a prefix that nobody has takes the same way as a wrong secret.
    """
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    row = connection.execute(select(api_keys).where(api_keys.c.prefix == found[1])).one_or_none()
    same = compare_digest(_digest(key), bytes(32) if row is None else row.digest)
    return _key(row) if row is not None and same and row.revoked_at is None else None


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(row.id, row.name, Role(row.role), row.prefix, row.created_at, row.revoked_at)
