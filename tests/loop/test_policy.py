"""What is due: harm that was estimated is investigated once per level; only critical harm trains, and not too often."""

from datetime import timedelta
from pathlib import Path

import pytest
from drifts import BLUR, NOW, drifted

from dentwatch.loop import journal, policy
from dentwatch.loop.investigation import investigate
from dentwatch.loop.steps import Again, Ask, Bench, Done, Step
from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import Incident, Level
from dentwatch.records.database import Database
from dentwatch.settings import LoopSettings, Settings


def settings_of(home: Path, **loop: object) -> Settings:
    return Settings(home=home, loop=LoopSettings(**loop))


def investigated(home: Path, database: Database, incident: Incident, **loop: object) -> Done | Again:
    """The outcome of an investigation; what follows from it is asked for."""
    step = Step(1, "k", "investigate", incident.id, {}, "running", 1, NOW, NOW, NOW, None, None, None)
    outcome = investigate(Bench(settings_of(home, **loop), database, lambda *_: None), step)
    if isinstance(outcome, Done):
        with database.writing() as connection:
            for wish in outcome.then:
                journal.ask(connection, wish)
    return outcome


def asked_for(outcome: Done | Again) -> list[str]:
    return [wish.kind for wish in outcome.then] if isinstance(outcome, Done) else []


def trained(database: Database, incident: Incident) -> None:
    """Let the incident's retraining be over."""
    with database.writing() as connection:
        step = journal.claim(connection, "a", f"retrain/{incident.id}")
        assert step is not None and journal.finish(connection, step, "a", Done({}))


def test_an_alarm_whose_harm_is_unknown_starts_nothing(home: Path, database: Database) -> None:
    drifted(database, "noticed")
    assert policy.ask_due(settings_of(home), database, NOW) == []


@pytest.mark.parametrize("level", ["drift", "critical"])
def test_harm_is_investigated_once(home: Path, database: Database, level: Level) -> None:
    incident = drifted(database, level)
    assert policy.ask_due(settings_of(home), database, NOW) == [f"investigate/{incident.id}/{level}"]
    assert policy.ask_due(settings_of(home), database, NOW) == []


def test_an_incident_that_becomes_critical_is_investigated_anew(home: Path, database: Database) -> None:
    incident = drifted(database, "drift")
    policy.ask_due(settings_of(home), database, NOW)
    with database.writing() as connection:
        incidents.assess(connection, incident, {"lost": 30.0}, "critical")
    assert policy.ask_due(settings_of(home), database, NOW) == [f"investigate/{incident.id}/critical"]


def test_nothing_is_asked_for_where_the_loop_is_off(home: Path, database: Database) -> None:
    drifted(database, "critical")
    assert policy.ask_due(settings_of(home, enabled=False), database, NOW) == []


def test_harm_within_the_tolerance_compares_remedies_and_never_trains(home: Path, database: Database) -> None:
    assert asked_for(investigated(home, database, drifted(database, "drift"))) == ["remedy"]


def test_harm_beyond_the_tolerance_trains(home: Path, database: Database) -> None:
    assert asked_for(investigated(home, database, drifted(database, "critical"))) == ["retrain"]


def test_an_incident_that_is_over_starts_nothing(home: Path, database: Database) -> None:
    incident = drifted(database, "critical")
    with database.writing() as connection:
        incidents.resolve(connection, incident.id, "ana", "The lamp was replaced.")
    assert asked_for(investigated(home, database, incident)) == []


def test_two_incidents_of_one_cause_train_once(home: Path, database: Database) -> None:
    first = drifted(database, "critical")
    assert asked_for(investigated(home, database, first)) == ["retrain"]
    with database.writing() as connection:
        incidents.resolve(connection, first.id, "ana", "It seemed to be over.")
    second = drifted(database, "critical")
    assert second.id != first.id
    outcome = investigated(home, database, second)
    assert isinstance(outcome, Done) and outcome.result is not None and outcome.result["decision"] == "join"
    assert not outcome.then


def test_a_cause_waits_for_its_pause_and_another_does_not(home: Path, database: Database) -> None:
    first = drifted(database, "critical")
    investigated(home, database, first)
    trained(database, first)
    outcome = investigated(home, database, first)
    assert isinstance(outcome, Again) and "too recent" in outcome.result["why"]
    assert asked_for(investigated(home, database, first, retrain_cooldown_hours=0)) == ["retrain"]
    assert asked_for(investigated(home, database, drifted(database, "critical", BLUR))) == ["retrain"]


def test_the_budget_of_the_day_is_kept(home: Path, database: Database) -> None:
    first = drifted(database, "critical")
    investigated(home, database, first, retrains_per_day=1)
    outcome = investigated(home, database, drifted(database, "critical", BLUR), retrains_per_day=1)
    assert isinstance(outcome, Again) and "RETRAINS_PER_DAY" in outcome.result["why"]


def test_the_night_is_not_looked_back_on_without_inspections(database: Database, home: Path) -> None:
    assert policy.for_the_day(settings_of(home), database, NOW + timedelta(days=1)) == []


def test_the_key_of_a_wish_is_its_kind_and_subject() -> None:
    assert Ask("nightly", "2026-11-25").run_key == "nightly/2026-11-25"
