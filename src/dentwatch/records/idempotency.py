"""Idempotency keys: a request that is sent again with its key gets the first answer instead of a second inspection.

After the IETF draft "The Idempotency-Key HTTP Header Field".
"""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from dentwatch.records.tables import idempotency_keys


def first_of(connection: Connection, owner: str | None, key: str) -> tuple[bytes, str] | None:
    """The digest of the request that came with ``key`` first, and the id of its inspection; None for a new key."""
    row = connection.execute(
        select(idempotency_keys.c.request_digest, idempotency_keys.c.inspection_id).where(
            idempotency_keys.c.owner == (owner or ""), idempotency_keys.c.key == key
        )
    ).one_or_none()
    return None if row is None else (row.request_digest, row.inspection_id)


def remember(
    connection: Connection, owner: str | None, key: str, digest: bytes, inspection_id: str, at: datetime
) -> None:
    """Keep which inspection answers ``key``; to be called where :func:`first_of` found none, in one transaction."""
    connection.execute(
        insert(idempotency_keys).values(
            owner=owner or "", key=key, request_digest=digest, inspection_id=inspection_id, created_at=at
        )
    )


def forget(connection: Connection, before: datetime) -> int:
    """Remove the keys that came before ``before``; returns how many. Their inspections stay."""
    return connection.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at < before)).rowcount
