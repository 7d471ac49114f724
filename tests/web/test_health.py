"""Health: what drifts comes first, an incident is taken on and ended, and an empty home says what is missing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from house import House
from running_service import assert_problem
from sqlalchemy import delete

from dentwatch.loop import journal
from dentwatch.loop.steps import Ask
from dentwatch.monitoring import incidents, watch_state
from dentwatch.monitoring.features import FEATURE_NAMES
from dentwatch.monitoring.incidents import Incident, Signal
from dentwatch.monitoring.reference import Reference
from dentwatch.monitoring.watch_state import WatchState
from dentwatch.records import audit, loop_tables, monitoring_tables, tables
from dentwatch.web.course import Seen, courses
from dentwatch.web.reference_bands import Band

if TYPE_CHECKING:
    from playwright.sync_api import Page

MODEL = "rectangles/1"
CALM = {"light": 1e-7, "optics": 1e-7, "colour": 1e-7}


@pytest.fixture(autouse=True)
def clean(house: House) -> None:
    """As if nothing had ever happened in the house."""
    emptied = (
        loop_tables.loop_steps,
        monitoring_tables.incident_events,
        monitoring_tables.incidents,
        monitoring_tables.monitoring_states,
        tables.inspections,
    )
    with house.database.writing() as connection:
        for table in emptied:
            connection.execute(delete(table))


def watched(house: House, evidence: dict[str, dict[str, float]], **more: Any) -> None:
    """The detectors stand like that."""
    reference = {
        "model": MODEL,
        "source": "traffic",
        "dataset_version": "",
        "created_at": "2026-01-01T00:00:00+00:00",
        "photos": 600,
        "vehicles": 200,
    }
    with house.database.writing() as connection:
        watch_state.write(connection, WatchState(700, **{"reference": reference, "evidence": evidence, **more}))


def dark_incident(house: House, shown: str, since: datetime | None = None) -> Incident:
    """A critical incident of the app's photos, one of which it shows, with a step of the loop that it caused."""
    at = since or datetime.now(UTC)
    evidence = {
        "text": "It got dark.",
        "moved": [{"statistic": "luma_mean", "before": 116.0, "after": 28.0, "deviations": -4.7}],
        "share": 0.9,
        "pace": "sudden",
        "photos": [{"inspection_id": shown, "position": 0, "photo_id": "x"}],
    }
    harm = {
        "text": "It costs 13.4 points.",
        "lost": 13.4,
        "low": 6.9,
        "high": 19.9,
        "recall_before": 0.6,
        "recall_after": 0.466,
        "share": 1.0,
        "amount": 4.1,
        "unit": "stops less light",
        "photos": 128,
        "truths": 179,
    }
    said = "Photos from channel app have been darker."
    with house.database.writing() as connection:
        signal = Signal("dark", "light", "channel=app", at, at, said, MODEL, evidence)
        incident = incidents.assess(connection, incidents.open_or_update(connection, signal), harm, "critical")
        journal.ask(connection, Ask("gate", "3", {"incident": incident.id}))
    return incident


def test_an_empty_home_says_what_is_missing(house: House, visit: Callable[..., "Page"]) -> None:
    page = visit("/health", role="viewer")
    page.get_by_role("heading", name="Drift is not watched for yet").wait_for()
    assert "dentwatch monitor run" in page.locator(".verdict").inner_text()
    page.get_by_role("heading", name="No evidence yet").wait_for()
    page.get_by_role("heading", name="No photo has been answered yet").wait_for()
    page.get_by_role("link", name="All incidents").click()
    page.get_by_role("heading", name="No incident so far").wait_for()


def test_why_nothing_is_compared_yet_is_said(house: House, visit: Callable[..., "Page"]) -> None:
    watched(house, {}, reference=None, problem="Warming up on traffic: 12 of 600 photos.")
    page = visit("/health", role="viewer")
    page.get_by_text("Warming up on traffic: 12 of 600 photos.").wait_for()


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_the_slice_that_drifts_comes_first(house: House, visit: Callable[..., "Page"], phone: bool) -> None:
    drifting = {**CALM, "light": 5e22}
    watched(house, {"all": CALM, "channel=web": {**CALM, "optics": 0.04}, "hour=09": CALM, "channel=app": drifting})
    page = visit("/health", role="viewer", phone=phone)
    first = page.locator(".slice").first
    assert first.get_by_role("heading").inner_text().startswith("Channel app")
    light = first.get_by_role("meter", name="Light")
    assert (light.get_attribute("aria-valuenow"), light.get_attribute("aria-valuetext")) == ("1.0", "drifts")
    assert first.get_by_role("meter", name="Colour").get_attribute("aria-valuetext") == "calm"
    page.get_by_text("3 further slices without an alarm").click()
    calm = [one.partition(" \n")[0] for one in page.locator(".further .slice h3").all_inner_texts()]
    assert [one.removesuffix(" rising") for one in calm] == ["All photos", "Channel web", "Hour 09 to 10 UTC"]
    page.get_by_role("meter", name="Sharpness").nth(2).wait_for()
    assert "4% of an alarm" in page.locator(".further").inner_text()


def test_photos_are_held_against_the_reference(house: House) -> None:
    features = np.tile(np.linspace(0.0, 10.0, 101)[:, None], (1, len(FEATURE_NAMES)))
    at = "2026-01-01T00:00:00+00:00"
    reference = Reference(features, tuple(map(str, range(101))), MODEL, "", "traffic", at)
    watched(house, {"all": CALM})
    for number in range(3):
        house.inspect(vehicle_id=f"VIN-{number}")  # on grey ground: brightness 90
    path = house.settings.home.absolute() / "references" / "traffic-rectangles-1-0123.npz"

    def bright() -> dict[str, Any]:
        shown = house.service.client.get("/health.json", headers=house.headers("viewer")).json()["statistics"]
        assert shown["inspections"] == 3
        found: dict[str, Any] = next(one for one in shown["courses"] if one["statistic"] == "luma_mean")
        return found

    assert bright()["band"] is None  # the file of the reference is not there
    reference.save(path)
    assert bright()["band"] == {"low": pytest.approx(0.5), "high": pytest.approx(9.5)}
    assert bright()["outside"] == 1.0
    assert bright()["points"] == [pytest.approx(90)] * 3


def test_many_inspections_are_grouped_and_the_drift_is_marked() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    seen = [Seen(start + timedelta(minutes=n), ({"luma_mean": 100.0 if n < 200 else 20.0},)) for n in range(300)]
    [course] = courses(seen, {"luma_mean": Band(80, 120)}, start + timedelta(minutes=200))
    assert course.points == (100.0,) * 40 + (20.0,) * 20
    assert course.since == 40
    assert (course.outside, course.is_unusual) == (1.0, True)
    drawn = course.drawing()
    assert "usual are 80 to 120" in drawn
    assert 'class="since"' in drawn
    [earlier] = courses(seen, {}, start - timedelta(days=1))
    assert earlier.since is None
    assert earlier.outside is None


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_an_engineer_takes_an_incident_on_and_ends_it(house: House, visit: Callable[..., "Page"], phone: bool) -> None:
    before = house.inspect(("dent", 100, 100, 80, 80), channel="app", vehicle_id="VIN-1")["id"]
    house.inspect(channel="web", vehicle_id="VIN-2")  # of another slice, so that it shows nothing of how that one was
    since = datetime.now(UTC)
    after = house.inspect(channel="app", vehicle_id="VIN-3")["id"]
    incident = dark_incident(house, after, since)
    page = visit("/incidents", role="engineer", phone=phone)
    page.get_by_role("link", name="Photos from channel app have been darker.").click()
    page.wait_for_url(f"**/incidents/{incident.id}")
    assert "13.4 points of recall" in page.locator(".incident-tiles").inner_text()
    assert "4.7 sd lower" in page.locator(".moves").inner_text()
    photos = [one.get_attribute("src") for one in page.locator(".thumbs img").all()]
    assert photos == [f"/v1/inspections/{one}/photos/0?side=320" for one in (before, after)]
    assert page.get_by_role("link", name="Model version 3").get_attribute("href") == "/models/3"

    page.get_by_role("button", name="Take it on").click()
    dialog = page.locator("#acknowledge")
    dialog.get_by_label("What are you going to do?").fill("I look at the lamps.")
    dialog.get_by_role("button", name="Take it on").click()
    page.get_by_text("I look at the lamps.").wait_for()
    page.locator(".incident-head").get_by_text("acknowledged").wait_for()
    assert page.get_by_role("button", name="Take it on").count() == 0

    page.get_by_role("button", name="Resolve").click()
    dialog = page.locator("#resolve")
    dialog.get_by_label("Why is it over?").fill("The lamp was replaced.")
    dialog.get_by_role("button", name="Resolve it").click()
    page.locator(".incident-head").get_by_text("resolved").wait_for()
    assert "by engineer" in page.locator("ol.timeline").last.inner_text()
    assert page.get_by_role("button", name="Resolve").count() == 0
    with house.database.reading() as connection:
        assert incidents.existing(connection, incident.id).state == "resolved"
        done = [entry.action for entry in audit.entries(connection, subject=incident.id)]
    assert done[-2:] == ["incident.acknowledge", "incident.resolve"]


def test_whoever_may_not_handle_incidents_gets_no_buttons(house: House) -> None:
    incident = dark_incident(house, house.inspect(channel="app")["id"])
    for role, shown in (("viewer", False), ("engineer", True), ("admin", True)):
        page = house.service.client.get(
            f"/incidents/{incident.id}", headers={**house.headers(role), "Accept": "text/html"}
        )
        assert page.status_code == 200
        assert ("Take it on" in page.text, "/resolve" in page.text) == (shown, shown), role
    for path in ("/health.json", "/incidents.json", f"/incidents/{incident.id}.json"):
        assert_problem(house.service.client.get(path, headers=house.headers("seller")), 403, "not-permitted")


def test_the_twins_say_what_the_pages_say(house: House) -> None:
    incident = dark_incident(house, after := house.inspect(channel="app")["id"])
    viewer = house.headers("viewer")
    watched(house, {"all": CALM, "channel=app": {"light": 3.0}}, watching={incident.id: ["channel=app"]})
    health = house.service.client.get("/health.json", headers=viewer).json()
    assert [(one["key"], one["incident"]) for one in health["drifting"]] == [("channel=app", incident.id)]
    assert [one["key"] for one in health["calm"]] == ["all"]
    assert health["parts"] == {"database": "ok", "photos": "ok", "registry": "ok"}
    one = house.service.client.get(f"/incidents/{incident.id}.json", headers=viewer).json()
    assert one["incident"]["level"] == "critical"
    assert one["after"] == [{"inspection_id": after, "position": 0}]
    assert [event["kind"] for event in one["timeline"]] == ["opened", "harm", "escalated"]
    assert [(step["kind"], step["model"]) for step in one["steps"]] == [("gate", "3")]


def test_incidents_come_page_by_page_and_by_state(house: House) -> None:
    at = datetime.now(UTC)
    with house.database.writing() as connection:
        for number in range(35):
            signal = Signal("dark", "light", f"device={number}", at + timedelta(days=number), at, f"No. {number}")
            found = incidents.open_or_update(connection, signal)
            if number % 2:
                incidents.resolve(connection, found.id, "engineer", "over")

    def listed(query: str) -> dict[str, Any]:
        answer = house.service.client.get(f"/incidents.json?{query}", headers=house.headers("viewer"))
        found: dict[str, Any] = answer.json()
        return found

    first = listed("state=")
    assert [one["summary"] for one in first["incidents"]] == [f"No. {number}" for number in range(34, 4, -1)]
    second = listed(f"before={first['next']}")
    assert [one["summary"] for one in second["incidents"]] == [f"No. {number}" for number in range(4, -1, -1)]
    assert second["next"] is None
    assert len(listed("state=resolved")["incidents"]) == 17


def test_an_incident_that_does_not_exist_is_said_so(house: House, visit: Callable[..., "Page"]) -> None:
    assert_problem(
        house.service.client.get("/incidents/00000000.json", headers=house.headers("viewer")), 404, "no-such-incident"
    )
    page = visit("/incidents/00000000", role="viewer", expects=("404",))
    page.get_by_text("There is no incident 00000000.").wait_for()
