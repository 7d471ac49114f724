"""Sessions of the pages: who is signed in, until when. Only the SHA-256 of a session's token is kept.

A session stands for the API key that it was opened with: it may what the key may, and ends when the key is revoked.
"""

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, delete, insert, select

from dentwatch.records import api_keys, audit, tables
from dentwatch.records.api_keys import ApiKey

LIFETIME = timedelta(hours=12)
"""How long somebody stays signed in: a working day."""


def open_session(connection: Connection, key: ApiKey, actor: str) -> str:
    """Sign the holder of ``key`` in, within a writing transaction and with an audit entry; returns the token.

    Sessions that are over are forgotten on the way.
    """
    now = datetime.now(UTC)
    connection.execute(delete(tables.sessions).where(tables.sessions.c.expires_at <= now))
    token = secrets.token_urlsafe(32)
    connection.execute(
        insert(tables.sessions).values(digest=_digest(token), key_id=key.id, created_at=now, expires_at=now + LIFETIME)
    )
    audit.append(connection, actor, "session.open", key.name, {"key": key.prefix})
    return token


def holder(connection: Connection, token: str) -> ApiKey | None:
    """Whose session ``token`` is; None for one that is unknown or over, and where the key was revoked."""
    row = connection.execute(select(tables.sessions).where(tables.sessions.c.digest == _digest(token))).one_or_none()
    if row is None or row.expires_at <= datetime.now(UTC):
        return None
    key = api_keys.find(connection, row.key_id)
    return key if key is not None and key.revoked_at is None else None


def close_session(connection: Connection, token: str) -> None:
    """Sign out: the token is worth nothing any more."""
    connection.execute(delete(tables.sessions).where(tables.sessions.c.digest == _digest(token)))


def close_all(connection: Connection, key_id: str) -> None:
    """End every session of a key."""
    connection.execute(delete(tables.sessions).where(tables.sessions.c.key_id == key_id))


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
