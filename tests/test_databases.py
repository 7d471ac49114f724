"""What is kept stays, and is found again, in SQLite and in PostgreSQL alike."""

import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from postgres_server import PostgresServer
from sqlalchemy import Connection, func, select

from dentwatch.records import audit, idempotency, inspections, model_failures, tables
from dentwatch.records.annotations import Box
from dentwatch.records.database import Database
from dentwatch.records.detections import Detection
from dentwatch.records.inspections import InspectionFilter, KeptDetection, KeptInspection, KeptPhoto
from dentwatch.records.model_failures import FailedPhoto
from dentwatch.serving.ledger import Ledger

NOW = datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC)
PENDING = KeptInspection(
    id="00000000-0000-0000-0000-000000000001",
    created_at=NOW,
    status="pending",
    photos=(KeptPhoto("a" * 64, "links.jpg"), KeptPhoto("b" * 64, "車.jpg")),
    vehicle_id="VIN-1",
    channel="app",
    options={"min_score": 0.3, "vehicle_class": None},
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'dentwatch.db'}"
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.new_database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


def _pending(number: int, **changes: Any) -> KeptInspection:
    return replace(PENDING, id=str(uuid.UUID(int=number)), created_at=NOW + timedelta(minutes=number), **changes)


def _done(pending: KeptInspection) -> KeptInspection:
    found = KeptDetection(Detection("dent", 0.75, Box(1.5, 2.5, 30.0, 40.25)), "minor", str(uuid.uuid4()))
    first = replace(
        pending.photos[0],
        reliable=True,
        width=4032,
        height=3024,
        perceptual_hash=(1 << 64) - 1,
        mirrored_hash=3,
        statistics={"luma_mean": 112.4},
        decode_ms=22.0,
        infer_ms=17.5,
        detections=(found,),
    )
    answer = {"id": pending.id, "photos": ["…"]}
    photos = (first, replace(pending.photos[1], error="not_an_image"))
    return replace(pending, status="done", model="dentwatch/3", answer=answer, photos=photos)


def test_the_tables_are_those_that_the_code_knows(database: Database) -> None:
    database.check()
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_several_processes_that_start_together_migrate_once(url: str) -> None:
    program = "import sys; from dentwatch.records.database import Database; Database(sys.argv[1]).check()"
    started = [
        subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [(process.communicate(timeout=120)[1], process.returncode) for process in started] == [("", 0)] * 3


def test_an_inspection_is_kept_completed_once_and_found_as_it_was(database: Database) -> None:
    done = _done(PENDING)
    with database.writing() as connection:
        inspections.keep(connection, PENDING)
        assert inspections.find(connection, PENDING.id) == PENDING
        assert inspections.complete(connection, done)
        assert not inspections.complete(connection, replace(done, model="dentwatch/4"))
    with database.reading() as connection:
        assert inspections.find(connection, PENDING.id) == done
        assert inspections.find(connection, str(uuid.UUID(int=99))) is None


def test_lists_are_filtered_and_turned_page_by_page(database: Database) -> None:
    with database.writing() as connection:
        for number in range(7):
            kept = _pending(number, vehicle_id=f"VIN-{number % 2}")
            inspections.keep(connection, _done(kept) if number % 3 == 0 else kept)

    def numbers(connection: Connection, wanted: InspectionFilter) -> list[int]:
        return [uuid.UUID(one.id).int for one in inspections.page(connection, wanted)]

    with database.reading() as connection:
        first = inspections.page(connection, InspectionFilter(), limit=4)
        second = inspections.page(connection, InspectionFilter(), before=first[-1].number, limit=4)
        assert [uuid.UUID(one.id).int for one in [*first, *second]] == [6, 5, 4, 3, 2, 1, 0]
        assert numbers(connection, InspectionFilter(vehicle_id="VIN-1")) == [5, 3, 1]
        assert numbers(connection, InspectionFilter(damaged=True, label="dent")) == [6, 3, 0]
        assert numbers(connection, InspectionFilter(label="scratch")) == []
        span = InspectionFilter(since=NOW + timedelta(minutes=2), until=NOW + timedelta(minutes=4))
        assert numbers(connection, span) == [3, 2]
        assert inspections.count_pending(connection) == 4


def test_a_pending_inspection_is_claimed_by_one_until_its_time_is_up(database: Database) -> None:
    until = NOW + timedelta(seconds=15)
    with database.writing() as connection:
        inspections.keep(connection, PENDING)
        assert inspections.claim(connection, NOW, until) == (PENDING, 1)
        assert inspections.claim(connection, NOW, until) is None
        assert inspections.claim(connection, until + timedelta(seconds=1), until) == (PENDING, 2)


def test_a_reader_looks_at_one_moment_while_others_write(database: Database) -> None:
    rows = select(func.count()).select_from(tables.inspections)
    database.check()
    with database.reading() as connection:
        assert connection.scalar(rows) == 0
        with database.writing() as other:
            inspections.keep(other, PENDING)
        assert connection.scalar(rows) == 0
    with database.reading() as connection:
        assert connection.scalar(rows) == 1


def test_changes_of_one_commit_stand_and_fall_by_themselves(database: Database) -> None:
    ledger = Ledger(database)
    try:
        kept = [ledger.write(lambda connection, n=n: inspections.keep(connection, _pending(n))) for n in range(20)]
        again = ledger.write(lambda connection: inspections.keep(connection, _pending(3)))  # the id is taken
        more = ledger.write(lambda connection: inspections.keep(connection, _pending(20)))
        assert [future.result(60) for future in [*kept, more]] == [None] * 21
        assert "UNIQUE" in str(again.exception(60)).upper()
    finally:
        ledger.close()
    with database.reading() as connection:
        assert inspections.count_pending(connection) == 21


def test_a_change_that_fails_alone_leaves_nothing(database: Database) -> None:
    def half(connection: Connection) -> None:
        inspections.keep(connection, _pending(1))
        raise LookupError("no more")

    ledger = Ledger(database)
    try:
        assert isinstance(ledger.write(half).exception(60), LookupError)
        assert ledger.write(lambda connection: inspections.keep(connection, _pending(2))).result(60) is None
        again = ledger.write(lambda connection: inspections.keep(connection, _pending(2)))  # the id is taken
        assert "UNIQUE" in str(again.exception(60)).upper()
    finally:
        ledger.close()
    with database.reading() as connection:
        kept = inspections.page(connection, InspectionFilter())
    assert [uuid.UUID(one.id).int for one in kept] == [2]


def test_a_sender_who_gives_up_does_not_stop_the_ledger(database: Database) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        inspections.keep(connection, _pending(1))
        started.set()
        assert go_on.wait(60)

    ledger = Ledger(database)
    try:
        under_way = ledger.write(slow)
        assert started.wait(60)
        waiting = ledger.write(lambda connection: inspections.keep(connection, _pending(2)))
        after = ledger.write(lambda connection: inspections.keep(connection, _pending(3)))
        assert waiting.cancel()
        assert not under_way.cancel()
        go_on.set()
        assert [under_way.result(60), after.result(60)] == [None, None]
    finally:
        go_on.set()
        ledger.close()
    with database.reading() as connection:
        kept = inspections.page(connection, InspectionFilter())
    assert [uuid.UUID(one.id).int for one in kept] == [3, 1]


def test_an_idempotency_key_is_known_until_it_is_forgotten(database: Database) -> None:
    with database.writing() as connection:
        inspections.keep(connection, PENDING)
        idempotency.remember(connection, None, "key-1", b"\x00digest", PENDING.id, NOW)
        assert idempotency.first_of(connection, None, "key-1") == (b"\x00digest", PENDING.id)
        assert idempotency.first_of(connection, "somebody", "key-1") is None
        assert idempotency.forget(connection, NOW) == 0
        assert idempotency.forget(connection, NOW + timedelta(seconds=1)) == 1
        assert idempotency.first_of(connection, None, "key-1") is None


def test_the_audit_log_is_one_chain_whoever_writes(database: Database) -> None:
    def append(number: int) -> None:
        with database.writing() as connection:
            audit.append(connection, f"writer-{number}", "listing.create", f"car-{number}", {"wéb": number})

    database.check()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(40)))
    with database.reading() as connection:
        assert [entry.number for entry in audit.entries(connection)] == list(range(1, 41))
    assert audit.verify(database).number == 40


_WRITER = """
import sys, time
from test_databases import PENDING
from dentwatch.records import inspections
from dentwatch.records.database import Database

with Database(sys.argv[1]).writing() as connection:
    inspections.keep(connection, PENDING)
    print("kept", flush=True)
    time.sleep(600)
"""


def test_a_writer_that_is_killed_leaves_nothing_half(url: str, database: Database) -> None:
    database.check()
    here = str(Path(__file__).parent)
    with subprocess.Popen([sys.executable, "-c", _WRITER, url], stdout=subprocess.PIPE, text=True, cwd=here) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "kept\n"
        writer.send_signal(signal.SIGKILL)
    with database.writing() as connection:  # and nobody waits for its locks
        assert inspections.find(connection, PENDING.id) is None
        inspections.keep(connection, PENDING)


def test_what_was_committed_outlives_a_crash_of_the_database(postgres: PostgresServer) -> None:
    database = Database(postgres.new_database())
    try:
        with database.writing() as connection:
            inspections.keep(connection, PENDING)
        postgres.crash()
        postgres.start()
        with database.reading() as connection:  # over a new connection: the old one is gone
            assert inspections.find(connection, PENDING.id) == PENDING
    finally:
        database.close()


def test_what_a_model_failed_on_is_kept_and_a_photo_tried_again_counts_once(database: Database) -> None:
    first, again = (
        FailedPhoto("dentwatch/3", "one", None, why) for why in ("ModelError: at first", "ModelError: again")
    )
    with database.writing() as connection:
        for failed in (first, again, replace(first, position=0), replace(first, model="dentwatch/4")):
            model_failures.note_photo(connection, failed)
        model_failures.note_photo(connection, replace(first, inspection_id="two", position=1))
        model_failures.note_unloadable(connection, "dentwatch/4", "x" * 900)
    with database.reading() as connection:
        assert model_failures.of(connection, "dentwatch/3").photos == 3
        assert model_failures.inspections_of(connection, "dentwatch/3", 9) == ["two", "one"]
        assert model_failures.of_inspection(connection, "one")[0] == again
        other = model_failures.of(connection, "dentwatch/4")
        assert (other.photos, len(other.unloadable or "")) == (1, 500)
        later = datetime.now(UTC) + timedelta(seconds=1)
        assert model_failures.of(connection, "dentwatch/4", later) == model_failures.Failures()
        assert model_failures.of(connection, "dentwatch/4", NOW, NOW) == model_failures.Failures()
