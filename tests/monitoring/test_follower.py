"""The follower turns inspections into incidents, each inspection exactly once, whatever happens in between."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from inspected import DARK, keep, reference, vehicle

from dentwatch.monitoring import feed, incidents, lease, watch_state
from dentwatch.monitoring.alerts import outbox
from dentwatch.monitoring.follower import BATCH, LEASE, LEASE_LENGTH, Follower, LeaseLostError
from dentwatch.monitoring.incidents import Incident
from dentwatch.monitoring.monitors import Monitors
from dentwatch.monitoring.watch_state import WatchState
from dentwatch.records.database import Database
from dentwatch.records.inspections import KeptInspection

ONE_IN = 100_000


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    on_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'd.db'}" if on_sqlite else request.getfixturevalue("postgres").new_database()
    with closing(Database(url)) as opened:
        yield opened


@pytest.fixture(scope="module")
def monitors() -> Monitors:
    return Monitors(reference(np.random.default_rng(1)), ONE_IN)


def follower(database: Database, name: str = "a") -> Follower:
    with database.writing() as connection:
        lease.let_go(connection, LEASE, "a")
        assert lease.take(connection, LEASE, name, datetime.now(UTC), LEASE_LENGTH)
    return Follower(database, name, review_share=0.05)


def catch_up(one: Follower, monitors: Monitors | None) -> int:
    seen = 0
    while step := one.follow(monitors):
        seen += step
    return seen


def traffic(rng: np.random.Generator, count: int, start: int = 0, dark: str = "") -> list[KeptInspection]:
    """Inspections from two channels in turn, a minute apart; those from ``dark`` have little light."""
    channels = [("app", "web")[number % 2] for number in range(count)]
    return [
        vehicle(rng, start + number, channel, **(DARK if channel == dark else {}))
        for number, channel in enumerate(channels)
    ]


def opened(database: Database) -> list[Incident]:
    with database.reading() as connection:
        return list(incidents.page(connection))


def state(database: Database) -> WatchState:
    with database.reading() as connection:
        return watch_state.read(connection)


def test_ordinary_photos_are_no_incident(database: Database, monitors: Monitors, rng: np.random.Generator) -> None:
    keep(database, *traffic(rng, 150))
    assert catch_up(follower(database), monitors) == 150
    assert opened(database) == []
    assert state(database).updates == 150
    assert set(state(database).evidence) >= {"all", "channel=app", "channel=web", "hour=18"}


def test_dark_photos_of_one_channel_open_an_incident_that_ends_when_light_returns(
    database: Database, monitors: Monitors, rng: np.random.Generator
) -> None:
    one = follower(database)
    keep(database, *traffic(rng, 60))
    catch_up(one, monitors)
    keep(database, *traffic(rng, 40, start=60, dark="app"))
    catch_up(one, monitors)
    [incident] = opened(database)
    assert (incident.cause, incident.slice, incident.state) == ("dark", "channel=app", "open")
    assert "Photos from channel app have been about 1." in incident.summary
    assert "stops darker since 19:0" in incident.summary  # an hour after the first
    assert incident.summary.endswith("UTC; other channels are unchanged.")
    with database.reading() as connection:
        [told] = outbox.page(connection)
        shown = feed.seen_since(connection, 61, 40)
    assert told.alert.key == f"incident/{incident.id}"
    assert not told.alert.resolved
    dark = {one.id for one in shown if one.channel == "app"}
    photos = incident.evidence[incident.leading]["photos"]
    assert photos
    assert {photo["inspection_id"] for photo in photos} <= dark

    keep(database, *traffic(rng, 160, start=100))
    catch_up(one, monitors)
    [incident] = opened(database)
    assert incident.state == "resolved"
    with database.reading() as connection:
        timeline = incidents.timeline(connection, incident.id)
        assert outbox.page(connection)[0].alert.resolved
    assert timeline[-1].actor == "dentwatch"
    assert timeline[-1].text.startswith("The photos of channel=app are like the reference again")
    assert max(state(database).evidence["channel=app"].values()) < 1  # the detectors began anew


def test_a_drift_that_somebody_calls_over_too_soon_is_noticed_again(
    database: Database, monitors: Monitors, rng: np.random.Generator
) -> None:
    one = follower(database)
    keep(database, *traffic(rng, 60, dark="app"))
    catch_up(one, monitors)
    [first] = opened(database)
    with database.writing() as connection:
        incidents.resolve(connection, first.id, "ada", "The lamp was replaced.")
    keep(database, *traffic(rng, 60, start=60, dark="app"))
    catch_up(one, monitors)
    again, before = opened(database)
    assert (before.id, before.state) == (first.id, "resolved")
    assert (again.cause, again.slice, again.state) == ("dark", "channel=app", "open")
    assert again.since > first.since


class Killed(Exception):
    """What ends a process in the middle of its work."""


def test_a_kill_at_any_moment_changes_nothing_in_the_end(
    database: Database, monitors: Monitors, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(database, *traffic(rng, BATCH), *traffic(rng, BATCH, start=BATCH, dark="app"))
    catch_up(follower(database), monitors)
    [undisturbed], whole = opened(database), state(database)
    with database.writing() as connection:  # everything once more, as if nothing had been seen
        connection.exec_driver_sql("DELETE FROM incidents")
        connection.exec_driver_sql("DELETE FROM review_items")
        connection.exec_driver_sql("DELETE FROM monitoring_states")
        connection.exec_driver_sql("UPDATE monitoring_feed SET update_number = NULL")

    for module, name in (
        (feed, "mark_seen"),
        (incidents, "open_or_update"),
        (watch_state, "write"),
    ):

        def dies(*_: object) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(module, name, dies)
            with pytest.raises(Killed):
                catch_up(follower(database), monitors)
        survivor = follower(database)
        if name == "mark_seen":
            survivor.follow(monitors)  # the first batch; the drift is in the second
    assert catch_up(follower(database), monitors) == BATCH
    [disturbed], resumed = opened(database), state(database)
    assert resumed.detectors == whole.detectors
    assert (resumed.updates, resumed.evidence) == (whole.updates, whole.evidence)
    assert disturbed.evidence == undisturbed.evidence


def test_one_process_follows_and_the_other_does_nothing(
    database: Database, monitors: Monitors, rng: np.random.Generator
) -> None:
    keep(database, *traffic(rng, 4))
    first, second = follower(database, "a"), follower(database, "b")
    with pytest.raises(LeaseLostError):
        first.follow(monitors)
    assert state(database).updates == 0
    assert catch_up(second, monitors) == 4


def test_without_a_reference_inspections_are_counted_and_the_reason_is_kept(
    database: Database, monitors: Monitors, rng: np.random.Generator
) -> None:
    keep(database, *traffic(rng, 3))
    one = follower(database)
    assert one.follow(None, "Warming up.") == 3
    assert (state(database).problem, state(database).reference) == ("Warming up.", None)
    keep(database, *traffic(rng, 2, start=3))
    assert one.follow(monitors) == 2
    kept = state(database)
    assert kept.problem == ""
    assert kept.reference is not None
    assert kept.reference["photos"] == 800


@pytest.mark.parametrize("adapted", [False, True], ids=["of its own", "made for the incident"])
def test_another_champion_ends_the_incidents_of_the_one_before_but_not_the_one_it_was_made_for(
    database: Database, monitors: Monitors, rng: np.random.Generator, adapted: bool
) -> None:
    one = follower(database)
    keep(database, *traffic(rng, 60, dark="app"))
    catch_up(one, monitors)
    successor = reference(np.random.default_rng(2))
    successor = type(successor)(
        **{name: getattr(successor, name) for name in successor.__slots__} | {"model": "tests/2"}
    )
    keep(database, *traffic(rng, 2, start=60))
    [incident] = opened(database)
    after = Monitors(successor, ONE_IN)
    while one.follow(after, adapted_to=incident.id if adapted else None):
        pass
    [incident] = opened(database)
    assert incident.state == ("open" if adapted else "resolved")
    if adapted:  # and resolved, it stays so under every champion that carries it on
        with database.writing() as connection:
            incidents.resolve(connection, incident.id, "ada", "The recall is back.")
    keep(database, *traffic(rng, 2, start=62))
    while one.follow(after, adapted_to=incident.id):
        pass
    [incident] = opened(database)
    assert incident.state == "resolved"
    kept = state(database).reference
    assert kept is not None
    assert kept["model"] == "tests/2"
    assert state(database).updates == 64
