"""``dentwatch data inbox``: what became of batches, and a person's word on those in quarantine."""

import json
from pathlib import Path

import pytest
from batches import bench_of, carried_out, garage, later, settings_of
from serving.command import dentwatch

from dentwatch.data.ingest import Ingest
from dentwatch.data.sources import open_source
from dentwatch.loop import inbox, journal
from dentwatch.loop.steps import Ask, Bench
from dentwatch.records import audit


@pytest.fixture
def bench(home: Path, tmp_path: Path) -> Bench:
    """A dataset of vehicles that show damage, and a batch of as many that do not."""
    settings = settings_of(home)
    source = garage(tmp_path / "cars", range(60)).write()
    Ingest(settings, workers=1).run(open_source(source).photos())
    garage(home / "inbox" / "march", range(100, 140), change=lambda *_: []).write()
    return bench_of(settings)


def quarantined(bench: Bench) -> str:
    [batch] = inbox.pending_batches(bench.settings, bench.database, later())
    carried_out(bench, Ask("take-in", batch))
    return batch


def test_a_batch_is_listed_from_its_arrival_to_its_end(bench: Bench) -> None:
    [listed] = json.loads(dentwatch("data", "inbox", "list", "--json").stdout)["batches"]
    assert listed["state"] == "arriving"
    batch = quarantined(bench)
    [listed] = json.loads(dentwatch("data", "inbox", "list", "--json").stdout)["batches"]
    assert (listed["id"], listed["state"]) == (batch, "quarantined")
    assert not all(check["passed"] for check in listed["result"]["checks"])
    assert "quarantined" in dentwatch("data", "inbox", "list").stdout


def test_a_release_is_asked_for_on_record(bench: Bench) -> None:
    batch = quarantined(bench)
    done = dentwatch("data", "inbox", "release", "march", "--reason", "a fleet without dents", "--actor", "ada")
    assert done.returncode == 0, done.stderr
    with bench.database.reading() as connection:
        step = journal.existing(connection, f"take-in/{batch}/release")
        [entry] = audit.entries(connection, action="batch.release")
    assert step.state == "waiting" and step.cause["reason"] == "a fleet without dents"
    assert (entry.actor, entry.subject) == ("ada", batch)
    again = dentwatch("data", "inbox", "reject", "march", "--reason", "no")
    assert again.returncode == 1 and "it is waiting" in again.stderr


def test_a_batch_that_nobody_knows_is_an_error(bench: Bench) -> None:
    done = dentwatch("data", "inbox", "reject", "april", "--reason", "no")
    assert done.returncode == 1 and "'april' names no batch" in done.stderr
