"""What lies in the inbox is found once it is whole, and once only."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest
from batches import bench_of, garage, later, photo, settings_of
from photo_trees import write_zip

from dentwatch.loop import inbox, journal
from dentwatch.loop.inbox import batches, pending_batches
from dentwatch.loop.steps import Ask, Bench
from dentwatch.settings import LoopSettings, Settings


@pytest.fixture
def bench(home: Path) -> Bench:
    return bench_of(settings_of(home))


def inbox_of(bench: Bench) -> Path:
    folder = Path(bench.settings.inbox_url)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_folders_and_zips_are_batches_and_nothing_else_is(bench: Bench) -> None:
    assert batches(bench.settings) == []
    folder = inbox_of(bench)
    garage(folder / "march", range(2)).write()
    write_zip(folder / "april.zip", {"a.png": photo(1)})
    (folder / "notes.txt").write_text("not a batch")
    (folder / ".reports").mkdir()
    (folder / ".reports" / "march.json").write_text("{}")
    garage(folder / ".coming", range(2)).write()
    (folder / "empty").mkdir()
    april, march = batches(bench.settings)
    assert (april.name, april.files) == ("april.zip", 1)
    assert (march.name, march.files) == ("march", 3)
    assert march.size == sum(file.stat().st_size for file in (folder / "march").iterdir())
    assert pending_batches(bench.settings, bench.database, later()) == [april.id, march.id]


def test_a_batch_waits_until_it_has_not_changed_for_a_while(bench: Bench) -> None:
    settings = Settings(home=bench.settings.home, loop=LoopSettings(settle_seconds=60))
    garage(inbox_of(bench) / "march", range(2)).write()
    old = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    for file in (inbox_of(bench) / "march").iterdir():
        os.utime(file, (old, old))  # as a copy that keeps times does
    assert pending_batches(settings, bench.database, later(-30)) == []
    assert pending_batches(settings, bench.database, later(30)) == []
    assert len(pending_batches(settings, bench.database, later(90))) == 1


@pytest.mark.parametrize("change", ["more", "other", "fewer", "renamed"])
def test_a_batch_that_changes_is_another_batch(bench: Bench, change: str) -> None:
    folder = inbox_of(bench) / "march"
    garage(folder, range(3)).write()
    [before] = batches(bench.settings)
    if change == "more":
        (folder / "more.png").write_bytes(photo(9))
    elif change == "other":
        (folder / "annotations.json").write_text("{}")
    elif change == "fewer":
        (folder / "0002.png").unlink()
    else:
        (folder / "0002.png").rename(folder / "2.png")
    [after] = batches(bench.settings)
    assert after.id != before.id
    assert inbox.find(bench.settings, after.id) == after
    assert inbox.find(bench.settings, before.id) is None


def test_a_batch_that_was_asked_for_is_not_pending_any_more(bench: Bench) -> None:
    garage(inbox_of(bench) / "march", range(2)).write()
    [batch] = pending_batches(bench.settings, bench.database, later())
    with bench.database.writing() as connection:
        journal.ask(connection, Ask("take-in", batch))
    assert pending_batches(bench.settings, bench.database, later()) == []


def test_a_bucket_is_an_inbox_too(home: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/inbox-of-a-test/march/a.png", photo(1))
    try:
        settings = settings_of(home, inbox="memory://inbox-of-a-test")
        bench = bench_of(settings)
        [batch] = batches(settings)
        assert batch.location == "memory:///inbox-of-a-test/march"
        assert batch.changed_at is not None
        assert abs(batch.changed_at - datetime.now(UTC)) < timedelta(days=1)
        assert pending_batches(settings, bench.database, later()) == [batch.id]
    finally:
        memory.rm("/inbox-of-a-test", recursive=True)


def test_an_inbox_that_cannot_be_reached_stops_nothing(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_of(home, inbox="nonsense://inbox")
    assert pending_batches(settings, bench_of(settings).database) == []
    assert "nonsense://inbox cannot be listed" in caplog.text
