"""Passwords, for holders of API keys who sign in to the pages with their name; kept as Argon2id hashes (RFC 9106)."""

import functools

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, select, update

from dentwatch.errors import KeyRefusedError
from dentwatch.records import api_keys, audit, sessions, tables
from dentwatch.records.api_keys import ApiKey

LEAST, MOST = 12, 200
"""Characters of a password (NIST SP 800-63B asks for 8 or more, and against rules about which ones)."""

_hasher = PasswordHasher()


def set_password(connection: Connection, name: str, password: str, actor: str) -> ApiKey:
    """Give the key ``name`` a password, within a writing transaction and with an audit entry.

    Whoever is signed in with the key is signed out. Raises :class:`KeyRefusedError` for a key that there is not or that
    was revoked, and for a password that is too short or too long.
    """
    if not LEAST <= len(password) <= MOST:
        raise KeyRefusedError(
            f"The password has {len(password)} characters.", f"Choose one of {LEAST} to {MOST} characters."
        )
    key = api_keys.named(connection, name)
    if key is None or key.revoked_at is not None:
        raise KeyRefusedError(f"There is no valid key named {name}.", "`dentwatch keys list` shows the keys.")
    rows = tables.api_keys
    connection.execute(update(rows).where(rows.c.id == key.id).values(password=_hasher.hash(password)))
    sessions.close_all(connection, key.id)
    audit.append(connection, actor, "key.password", name, {"id": key.id, "prefix": key.prefix})
    return key


def check(connection: Connection, name: str, password: str) -> ApiKey | None:
    """The key ``name`` if ``password`` is its password; None otherwise, after the same work."""
    rows = tables.api_keys
    row = connection.execute(select(rows.c.password, rows.c.revoked_at).where(rows.c.name == name)).one_or_none()
    usable = row is not None and row.password is not None and row.revoked_at is None
    try:
        _hasher.verify(row.password if row is not None and usable else _nobodys(), password)
    except (VerificationError, InvalidHashError):
        return None
    return api_keys.named(connection, name) if usable else None


@functools.cache
def _nobodys() -> str:
    return _hasher.hash("a name without a password takes as long as one with another password")
