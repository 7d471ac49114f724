"""Ids of what comes in masses: random enough that nobody guesses one, and in the order of time."""

import os
import time
import uuid


def new_id() -> str:
    """A UUID of version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 that are random.

    A database adds those that are made together side by side to an index. Others would be strewn over all of it, and
    each would have a page of its own written.
    """
    milliseconds, chance = time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10), "big")
    bits = milliseconds << 80 | 0x7 << 76 | (chance >> 62 & 0xFFF) << 64 | 0b10 << 62 | chance & (1 << 62) - 1
    return str(uuid.UUID(int=bits))
