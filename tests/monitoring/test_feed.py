"""The feed misses no finished inspection and gives none twice, and one follower at a time has it."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
from inspected import START, inspection, keep, statistics

from dentwatch.monitoring import feed, lease
from dentwatch.records import inspections
from dentwatch.records.database import Database
from dentwatch.records.inspections import KeptPhoto

LENGTH = timedelta(seconds=30)


def take(database: Database, most: int, first: int) -> list[str]:
    with database.writing() as connection:
        batch = feed.unseen(connection, most)
        assert feed.mark_seen(connection, batch, first)
    return [one.id for one in batch]


def test_inspections_come_in_the_order_in_which_they_finished(database: Database, rng: np.random.Generator) -> None:
    done = [inspection([statistics(rng)], minute=minute) for minute in (1, 2)]
    finished = inspection([statistics(rng)], minute=0)
    unseen = tuple(KeptPhoto(photo.photo_id, photo.name) for photo in finished.photos)
    keep(database, replace(finished, status="pending", photos=unseen), done[0])
    assert take(database, 10, 1) == [done[0].id]  # the pending one is not ready, and holds up nobody
    keep(database, done[1])
    with database.writing() as connection:
        assert inspections.complete(connection, finished)
    assert take(database, 10, 2) == [done[1].id, finished.id]
    assert take(database, 10, 4) == []


def test_failed_inspections_do_not_come(database: Database, rng: np.random.Generator) -> None:
    keep(database, inspection([statistics(rng)], status="failed"))
    assert take(database, 10, 1) == []


def test_an_inspection_comes_with_what_was_measured_and_found(database: Database, rng: np.random.Generator) -> None:
    kept = inspection([statistics(rng), statistics(rng)], scores=(0.8,), channel="app")
    broken = replace(kept.photos[1], error="truncated", statistics=None, detections=())
    keep(database, replace(kept, photos=(kept.photos[0], broken)))
    with database.reading() as connection:
        [fed] = feed.unseen(connection, 10)
    assert (fed.id, fed.channel, fed.model, fed.at) == (kept.id, "app", "tests/1", kept.created_at)
    [photo] = fed.photos  # the other one was not answered
    assert (photo.position, photo.size) == (0, (4000, 3000))
    assert photo.statistics == kept.photos[0].statistics
    assert [one.score for one in photo.detections] == [0.8]


def test_what_was_seen_is_seen_once(database: Database, rng: np.random.Generator) -> None:
    keep(database, *(inspection([statistics(rng)]) for _ in range(3)))
    with database.writing() as connection:
        batch = feed.unseen(connection, 2)
        assert feed.mark_seen(connection, batch, 1)
        assert not feed.mark_seen(connection, batch, 3)  # another follower was faster
        assert feed.count_unseen(connection) == 1
        assert [one.update for one in feed.seen_since(connection, 1, 10)] == [1, 2]
        assert [one.update for one in feed.seen_since(connection, 1, 1)] == [2]


def test_the_feed_stays_small(database: Database, rng: np.random.Generator) -> None:
    keep(database, *(inspection([statistics(rng)]) for _ in range(4)))
    with database.writing() as connection:
        first, *rest = feed.unseen(connection, 4)
        assert feed.mark_seen(connection, [first], 1)
        assert feed.mark_seen(connection, rest, feed.REMEMBERED)
        assert [one.update for one in feed.seen_since(connection, 0, 10)] == [
            feed.REMEMBERED,
            feed.REMEMBERED + 1,
            feed.REMEMBERED + 2,
        ]


def test_a_lease_is_one_processs_until_it_runs_out(database: Database) -> None:
    with database.writing() as connection:
        assert lease.take(connection, "watcher", "a", START, LENGTH)
        assert lease.take(connection, "watcher", "a", START, LENGTH)
        assert not lease.take(connection, "watcher", "b", START + LENGTH / 2, LENGTH)
        assert lease.renew(connection, "watcher", "a", START + LENGTH / 2, LENGTH)
        assert not lease.take(connection, "watcher", "b", START + LENGTH, LENGTH)
        assert lease.holder_of(connection, "watcher", START + LENGTH) == "a"
        assert lease.take(connection, "watcher", "b", START + 2 * LENGTH, LENGTH)  # a was away for too long
        assert not lease.renew(connection, "watcher", "a", START + 2 * LENGTH, LENGTH)  # and learns it here
        lease.let_go(connection, "watcher", "b")
        assert lease.holder_of(connection, "watcher", START + 2 * LENGTH) is None
