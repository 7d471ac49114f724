"""What starts Dagster runs: due steps, each once."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dentwatch import settings
from dentwatch.loop import journal, worker
from dentwatch.loop.steps import Ask, Bench, Done, Kind, Step
from dentwatch.pipelines import sensors
from dentwatch.pipelines.carrying import STEP_TAG
from dentwatch.pipelines.definitions import defs
from dentwatch.records.database import Database

KINDS: dict[str, tuple[Kind, ...]] = {
    "new_annotated_photos": ("take-in",),
    "drift_incidents": ("investigate", "remedy", "verify"),
    "retraining": ("retrain", "search"),
    "challengers": ("gate",),
    "rollouts": ("roll-out", "guard"),
}


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("DENTWATCH_HOME", str(tmp_path / "home"))
    settings.load.cache_clear()
    with closing(Database.of(settings.load())) as opened:
        yield opened
    settings.load.cache_clear()


def ask(database: Database, kind: Kind, subject: str = "1") -> str:
    wish = Ask(kind, subject)
    with database.writing() as connection:
        assert journal.ask(connection, wish)
    return wish.run_key


def requests(sensor: dg.SensorDefinition) -> list[dg.RunRequest]:
    with dg.build_sensor_context() as context:
        return list(sensor.evaluate_tick(context).run_requests or ())


def test_every_kind_of_step_is_started_by_one_sensor_or_the_schedule() -> None:
    from dentwatch.loop.work import KINDS as ALL

    assert sorted([kind for kinds in KINDS.values() for kind in kinds] + ["nightly"]) == sorted(ALL)
    assert {sensor.name for sensor in sensors.SENSORS} == set(KINDS)


@pytest.mark.parametrize("sensor", sensors.SENSORS, ids=lambda one: one.name)
def test_a_sensor_starts_its_own_steps_and_no_others(database: Database, sensor: dg.SensorDefinition) -> None:
    assert requests(sensor) == []
    mine = {ask(database, kind) for kind in KINDS[sensor.name]}
    for other, kinds in KINDS.items():
        for kind in kinds if other != sensor.name else ():
            ask(database, kind)
    assert {request.tags[STEP_TAG] for request in requests(sensor)} == mine


@pytest.mark.parametrize("sensor", sensors.SENSORS, ids=lambda one: one.name)
def test_a_second_tick_asks_for_the_same_run(database: Database, sensor: dg.SensorDefinition) -> None:
    ask(database, KINDS[sensor.name][0])
    first, second = requests(sensor), requests(sensor)
    assert [one.run_key for one in first] == [one.run_key for one in second]
    assert len(first) == 1


def test_the_batch_in_the_inbox_is_asked_for_by_the_sensor_of_photos_alone(database: Database) -> None:
    folder = settings.load().home / "inbox" / "march"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"no photo")
    os.utime(folder / "a.jpg", (0, 0))
    settings.load().loop.settle_seconds = 0
    others = [sensor for sensor in sensors.SENSORS if sensor is not sensors.new_photos]
    assert [requests(sensor) for sensor in others] == [[]] * len(others)
    with database.reading() as connection:
        assert journal.steps(connection) == []
    [request] = requests(sensors.new_photos)
    assert request.tags[STEP_TAG].startswith("take-in/march@")


def test_a_run_that_died_before_its_step_began_is_started_again(database: Database) -> None:
    ask(database, "gate")
    with database.reading() as connection:
        [step] = journal.due(connection)
    soon, later = step.not_before + timedelta(minutes=9), step.not_before + timedelta(minutes=11)
    assert sensors.run_key(step, step.not_before) == sensors.run_key(step, soon) != sensors.run_key(step, later)


def test_a_step_that_comes_again_is_another_run(database: Database) -> None:
    ask(database, "guard")
    with database.reading() as connection:
        [step] = journal.due(connection)
    again = replace(step, not_before=step.not_before + timedelta(minutes=1))
    assert sensors.run_key(step, step.not_before) != sensors.run_key(again, again.not_before)


def test_a_step_under_way_elsewhere_starts_no_run(database: Database) -> None:
    key = ask(database, "gate")
    with database.writing() as connection:
        assert journal.claim(connection, "the plain worker", key) is not None
    assert requests(sensors.challengers) == []


def test_the_schedule_asks_for_the_night(database: Database) -> None:
    at = datetime(2026, 11, 25, 2, tzinfo=UTC)
    for _ in range(2):
        request: Any = sensors.nightly(dg.build_schedule_context(scheduled_execution_time=at))
        assert (request.run_key, request.tags) == ("nightly/2026-11-25", {STEP_TAG: "nightly/2026-11-25"})
    with database.reading() as connection:
        assert [step.key for step in journal.due(connection)] == ["nightly/2026-11-25"]


def test_a_run_carries_its_step_out_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    carried: list[str] = []

    def work(_bench: Bench, step: Step) -> Done:
        carried.append(step.key)
        return Done({"text": "done", "passed": True, "rules": []})

    real = worker.carry_out
    monkeypatch.setattr(worker, "carry_out", lambda *given: real(*given, work=lambda _: work))
    key = ask(database, "gate")
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            job = defs.get_repository_def().get_job("gate_pipeline")
            assert job.execute_in_process(instance=instance, tags={STEP_TAG: key}).success
    assert carried == [key]


def test_a_step_that_fails_fails_the_run(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(_bench: Bench, _step: Step) -> Done:
        raise ValueError("no such model")

    real = worker.carry_out
    monkeypatch.setattr(worker, "carry_out", lambda *given: real(*given, work=lambda _: work))
    key = ask(database, "gate")
    with dg.DagsterInstance.ephemeral() as instance:
        job = defs.get_repository_def().get_job("gate_pipeline")
        assert not job.execute_in_process(instance=instance, tags={STEP_TAG: key}, raise_on_error=False).success
    with database.reading() as connection:
        step = journal.existing(connection, key)
    assert (step.state, step.error) == ("waiting", "ValueError: no such model")
