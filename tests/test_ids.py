"""Ids are UUIDs that nobody guesses, and a database keeps those that come together side by side."""

import time
import uuid

import pytest

from dentwatch.records.ids import new_id


def test_an_id_is_a_uuid_of_version_7_that_says_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 0x017F22E279B0 * 1_000_000 + 999_999)  # RFC 9562, appendix A.6
    made = uuid.UUID(new_id())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.hex.startswith("017f22e279b07")


def test_ids_of_one_moment_differ_in_all_their_random_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    made = [uuid.UUID(new_id()).int for _ in range(200)]
    assert len(set(made)) == 200
    ever_set, always_set = 0, (1 << 128) - 1
    for value in made:
        ever_set, always_set = ever_set | value, always_set & value
    changing = ever_set & ~always_set
    assert changing == 0xFFF << 64 | (1 << 62) - 1


def test_ids_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10**9, 10**6))
    monkeypatch.setattr(time, "time_ns", lambda: next(now))
    made = [new_id() for _ in range(1000)]
    assert made == sorted(made)
