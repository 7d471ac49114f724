"""Incidents: what belongs together is one, it only gets worse until it is over, and everything is on its timeline."""

from dataclasses import replace
from datetime import timedelta

import pytest
from inspected import START

from dentwatch.errors import IncidentError
from dentwatch.monitoring import incidents
from dentwatch.monitoring.incidents import SYSTEM, Incident, Signal
from dentwatch.records import audit
from dentwatch.records.database import Database

DARK = Signal(
    cause="dark",
    channel="light",
    slice="all",
    since=START,
    at=START + timedelta(minutes=5),
    summary="Photos have been about 1.6 stops darker.",
    model="dentwatch/1",
    evidence={"calm": []},
)


def signalled(database: Database, *signals: Signal) -> list[Incident]:
    with database.writing() as connection:
        return [incidents.open_or_update(connection, signal) for signal in signals]


def kinds(database: Database, incident: Incident) -> list[str]:
    with database.reading() as connection:
        return [event.kind for event in incidents.timeline(connection, incident.id)]


def test_a_signal_opens_an_incident_with_its_evidence(database: Database) -> None:
    [incident] = signalled(database, DARK)
    assert (incident.state, incident.level, incident.cause, incident.slice) == ("open", "noticed", "dark", "all")
    assert incident.summary == DARK.summary
    assert incident.evidence == {"all/light": {"cause": "dark", "primary": True, "calm": []}}
    assert kinds(database, incident) == ["opened"]


def test_the_same_signal_again_changes_nothing(database: Database) -> None:
    first, again = signalled(database, DARK, DARK)
    assert first == again
    assert kinds(database, first) == ["opened"]


def test_signals_of_one_cause_in_a_slice_and_the_whole_are_one_incident_named_for_the_slice(database: Database) -> None:
    app = replace(DARK, slice="channel=app", since=START + timedelta(days=2), evidence={"calm": ["channel=web"]})
    first, second = signalled(database, DARK, app)
    assert first.id == second.id
    assert second.slice == "channel=app"  # other channels stayed calm, so this says more than "all"
    assert set(second.slices) == {"all", "channel=app"}
    assert second.leading == "channel=app/light"
    assert kinds(database, first) == ["opened", "joined"]


def test_a_slice_that_is_all_there_is_does_not_give_its_name(database: Database) -> None:
    _, second = signalled(database, DARK, replace(DARK, slice="channel=app", evidence={"calm": []}))
    assert second.slice == "all"


def test_another_cause_at_the_same_time_joins_and_at_another_time_does_not(database: Database) -> None:
    blur = replace(DARK, cause="blur", channel="optics", since=START + timedelta(minutes=30), primary=False)
    later = replace(blur, since=START + timedelta(hours=3), channel="colour", cause="warm", primary=True)
    dark, with_blur, other = signalled(database, DARK, blur, later)
    assert dark.id == with_blur.id != other.id
    assert with_blur.cause == "dark"


def test_the_same_drift_in_two_slices_far_apart_in_time_is_two_incidents(database: Database) -> None:
    app = replace(DARK, slice="channel=app")
    web = replace(DARK, slice="channel=web", since=START + timedelta(days=1))
    one, other = signalled(database, app, web)
    assert one.id != other.id


def test_another_model_has_incidents_of_its_own(database: Database) -> None:
    one, other = signalled(database, DARK, replace(DARK, model="dentwatch/2"))
    assert one.id != other.id


def test_a_cause_that_turns_out_otherwise_is_revised(database: Database) -> None:
    haze = replace(DARK, cause="haze", summary="Photos have been flatter.")
    first, revised = signalled(database, DARK, haze)
    assert first.id == revised.id
    assert (revised.cause, revised.summary) == ("haze", "Photos have been flatter.")
    assert kinds(database, first) == ["opened", "revised"]


def test_what_was_noticed_first_gives_way_to_the_stronger_change_that_it_comes_along_with(database: Database) -> None:
    smooth = replace(DARK, cause="noisy", channel="optics", evidence={"settled": False})
    dark = replace(DARK, evidence={"settled": False})
    settled = {"settled": True}
    first, _, along, last = signalled(
        database, smooth, dark, replace(smooth, primary=False, evidence=settled), replace(dark, evidence=settled)
    )
    assert (first.cause, along.cause, along.is_settled) == ("noisy", "noisy", False)
    assert (last.cause, last.summary, last.is_settled) == ("dark", DARK.summary, True)


def test_a_level_rises_with_the_harm_and_never_falls(database: Database) -> None:
    [incident] = signalled(database, DARK)
    levels = []
    with database.writing() as connection:
        for lost, level in ((2.0, "drift"), (9.0, "critical"), (1.0, "drift")):
            incident = incidents.assess(connection, incident, {"lost": lost}, level)  # type: ignore[arg-type]
            levels.append(incident.level)
    assert levels == ["drift", "critical", "critical"]
    assert incident.harm == {"lost": 1.0}
    assert kinds(database, incident) == ["opened", "harm", "escalated", "harm", "escalated", "harm"]


def test_people_acknowledge_note_and_resolve_and_are_named(database: Database) -> None:
    [incident] = signalled(database, DARK)
    with database.writing() as connection:
        incidents.acknowledge(connection, incident.id, "ada", "I look into it.")
        incidents.add_note(connection, incident.id, "ada", "The lamp of bay 3 is broken.")
        over = incidents.resolve(connection, incident.id, "ada", "Lamp replaced.")
        events = incidents.timeline(connection, incident.id)
        assert not incidents.open_incidents(connection)
    assert over.state == "resolved"
    assert over.resolved_at is not None
    assert [(event.actor, event.kind, event.text) for event in events[1:]] == [
        ("ada", "acknowledged", "I look into it."),
        ("ada", "note", "The lamp of bay 3 is broken."),
        ("ada", "resolved", "Lamp replaced."),
    ]


def test_what_was_resolved_stays_so_and_the_next_drift_opens_another(database: Database) -> None:
    [incident] = signalled(database, DARK)
    with database.writing() as connection:
        incidents.resolve(connection, incident.id, "ada", "Lamp replaced.")
        with pytest.raises(IncidentError, match="was resolved at"):
            incidents.resolve(connection, incident.id, "ada", "Again.")
        with pytest.raises(IncidentError, match="no incident"):
            incidents.acknowledge(connection, "00000000-0000-0000-0000-000000000000", "ada")
    [another] = signalled(database, DARK)
    assert another.id != incident.id


def test_an_incident_is_found_by_the_start_of_its_id_where_that_is_clear(database: Database) -> None:
    [incident] = signalled(database, DARK)
    with database.reading() as connection:
        assert incidents.find(connection, incident.id[:8]) == incident
        assert incidents.find(connection, incident.id[:7]) is None
        assert incidents.find(connection, "%" * 8) is None


def test_pages_go_back_from_the_newest(database: Database) -> None:
    days = [replace(DARK, slice=f"channel={day}", since=START + timedelta(days=day)) for day in range(5)]
    opened = signalled(database, *days)
    with database.reading() as connection:
        first = incidents.page(connection, limit=3)
        rest = incidents.page(connection, limit=3, before=first[-1].number)
    assert [one.id for one in (*first, *rest)] == [one.id for one in reversed(opened)]


def test_what_the_system_does_with_an_incident_is_on_the_audit_log(database: Database) -> None:
    [incident] = signalled(database, DARK)
    with database.writing() as connection:
        incidents.assess(connection, incident, {"lost": 9.0}, "critical")
        incidents.resolve(connection, incident.id, SYSTEM, "The photos are like the reference again.")
        said = [entry.action for entry in audit.entries(connection, subject=incident.id, last=9)]
    assert said == ["incident.opened", "incident.escalated", "incident.resolved"]
    assert audit.verify(database)
