"""The business: every KPI with target and interval, or with what would give it one; by channel; for spreadsheets."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from house import House
from running_service import assert_problem
from sqlalchemy import insert, select

from dentwatch.monitoring.kpis import load, rollups
from dentwatch.monitoring.kpis.load import LoadSample
from dentwatch.monitoring.kpis.report import report
from dentwatch.monitoring.kpis.totals import Period, Scope
from dentwatch.records.kpi_tables import kpi_cells, kpi_histograms
from dentwatch.web.kpi_words import WORDS
from dentwatch.web.kpis import GROUPS, Bar
from dentwatch.web.sparkline import path

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module", autouse=True)
def judged(house: House) -> None:
    """Inspections of two channels; those of the app were judged and rated."""
    for number in range(4):
        one = house.inspect(("dent", 100, 100, 80, 80), vehicle_id=f"VIN-{number}", channel="app")
        path = f"/v1/inspections/{one['id']}"
        found = one["photos"][0]["detections"][0]["id"]
        verdict = {"verdict": "right" if number else "wrong", "detection": found}
        assert house.service.client.post(
            f"{path}/verdicts", json=verdict, headers=house.headers("inspector")
        ).is_success
        assert house.service.client.post(
            f"{path}/feedback", json={"rating": 5}, headers=house.headers("seller")
        ).is_success
    house.inspect(vehicle_id="VIN-W", channel="web")
    rollups.catch_up(house.database)


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_figures_are_shown_by_channel(visit: Callable[..., "Page"], phone: bool) -> None:
    page = visit("/kpis", role="viewer", phone=phone)
    precision = page.locator(".kpi").filter(has_text="Precision")
    assert precision.locator(".big").inner_text() == "75.0 %"
    assert "off target" in precision.inner_text()
    assert "4 verdicts" in precision.inner_text()
    assert "no data yet" in page.locator(".kpi").filter(has_text="Adoption rate").inner_text()
    page.get_by_role("combobox", name="Channel").select_option("web")
    page.wait_for_url("**/kpis?*channel=web*")
    precision = page.locator(".kpi").filter(has_text="Precision")
    assert "no data yet" in precision.inner_text()
    assert "verdicts" in precision.inner_text()  # where it would come from


def test_the_page_shows_what_the_api_says(house: House) -> None:
    headers = house.headers("viewer")
    said = house.service.client.get("/v1/kpis", headers=headers).json()["groups"][0]["kpis"]
    shown = house.service.client.get("/kpis.json", headers=headers).json()
    values = {one["kpi"]["name"]: one["kpi"]["value"] for group in shown["groups"] for one in group["kpis"]}
    by_name = {kpi["name"]: kpi["value"] for kpi in said if not kpi["label"]}
    assert values == {name: by_name[name] for name in values}
    assert {name for _, _, names in GROUPS for name in names} == values.keys()
    assert values.keys() >= by_name.keys() - {"decode_ms_p95", "infer_ms_p95"}  # parts of a photo's time


def test_every_figure_is_called_as_the_business_calls_it() -> None:
    assert {name for _, _, names in GROUPS for name in names} == WORDS.keys()


def test_intervals_and_targets_are_places_on_a_line(house: House) -> None:
    with house.database.reading() as connection:
        scope = Scope(Period.last(30, datetime.now(UTC).date()))
        [whole] = report(connection, house.settings.kpis, scope).groups
    kpis = {kpi.name: kpi for kpi in whole.kpis if not kpi.label}
    share = replace(kpis["precision"], low=0.2, high=0.9, target=0.8)
    assert Bar.of(share) == Bar(20, 90, 80)
    time = replace(kpis["photo_ms_p95"], low=115.0, high=200.0, target=None)
    assert Bar.of(time) == Bar(pytest.approx(50), pytest.approx(100 / 1.15), None)
    assert Bar.of(replace(kpis["cost_savings"], low=-5.0, high=5.0)) is None  # a line from 0 has no place for it
    assert Bar.of(kpis["adoption_rate"]) is None  # no data, no interval


def test_what_load_costs_is_drawn_once_different_loads_were_seen(house: House, visit: Callable[..., "Page"]) -> None:
    with house.database.writing() as connection:
        for in_flight, cpu in ((0.5, 4.0), (9.0, 6.0)):
            load.keep(connection, LoadSample(datetime.now(UTC), 30.0, 100, in_flight, cpu, 500_000_000))
    page = visit("/kpis", role="viewer")
    assert page.get_by_role("img", name="Processor seconds per photo, by load").is_visible()


def test_spreadsheets_get_the_same(house: House) -> None:
    answer = house.service.client.get("/kpis.csv?by=channel&days=7", headers=house.headers("viewer"))
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    precision = {row["group"]: row["value"] for row in rows if row["name"] == "precision" and not row["label"]}
    assert precision == {"app": "0.75", "web": ""}
    assert_problem(house.service.client.get("/kpis.csv?by=moon", headers=house.headers("viewer")), 422)


def test_it_prints_on_one_page_with_trends_and_courses(house: House, visit: Callable[..., "Page"]) -> None:
    pypdf = pytest.importorskip("pypdf")
    with house.database.writing() as connection:
        for rows in (kpi_cells, kpi_histograms):
            today = [dict(row._mapping) for row in connection.execute(select(rows))]
            for days in range(1, 45):
                day = (datetime.now(UTC) - timedelta(days=days)).date().isoformat()
                connection.execute(insert(rows), [{**row, "day": day} for row in today])
    page = visit("/kpis", role="viewer")
    assert page.locator(".kpi .spark").count() > 10
    assert page.locator(".kpi .trend").count() > 0
    assert len(pypdf.PdfReader(io.BytesIO(page.pdf(format="A4", prefer_css_page_size=True))).pages) == 1


def test_sellers_do_not_see_it(house: House) -> None:
    assert_problem(house.service.client.get("/kpis.json", headers=house.headers("seller")), 403, "not-permitted")


def test_a_course_bridges_days_without_a_value() -> None:
    assert path({0: 1.0, 10: 3.0}, 11) == "M0.0 28.0 L100.0 2.0"
    assert path({0: 2.0, 5: 2.0, 10: 2.0}, 11) == "M0.0 15.0 L50.0 15.0 L100.0 15.0"
    assert path({3: 1.0}, 11) == path({}, 11) == ""
