"""The KPIs say what the records say, with intervals and trends; or that there is no data yet."""

import csv
import io
import json
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from command import dentwatch
from inspected import START, inspection, keep

from dentwatch.monitoring.kpis import estimates, load, rollups
from dentwatch.monitoring.kpis.load import LoadSample
from dentwatch.monitoring.kpis.report import Kpi, Report, report
from dentwatch.monitoring.kpis.totals import Period, Scope
from dentwatch.records import listings, opinions
from dentwatch.records.annotations import Box
from dentwatch.records.database import Database
from dentwatch.records.listings import Listing
from dentwatch.records.opinions import Feedback, Verdict
from dentwatch.settings import KpiSettings

NOVEMBER = Scope(Period(date(2026, 11, 1), date(2026, 12, 1)))


def fill(database: Database) -> None:
    """Two inspections with two detections each: three right, one wrong, one damage missed, three ratings, a listing."""
    made = [inspection([{}], scores=[0.9, 0.8], channel=channel) for channel in ("app", "web")]
    keep(database, *made)
    found = [kept.id for one in made for kept in one.photos[0].detections]
    with database.writing() as connection:
        for number, detection in enumerate(found):
            kind = "right" if number else "wrong"
            opinions.add_verdict(connection, Verdict(made[number // 2].id, "ada", kind, detection))  # type: ignore[arg-type]
        box = Box(1.0, 1.0, 9.0, 9.0)
        opinions.add_verdict(connection, Verdict(made[0].id, "ada", "missed", None, 0, "dent", box))
        for stars in (5, 4, 2):
            opinions.add_feedback(connection, Feedback(made[1].id, "eve", stars))
        listings.register(connection, [Listing("L-1", START), Listing("L-2", START)])


def reported(database: Database, scope: Scope = NOVEMBER) -> Report:
    rollups.catch_up(database)
    with database.reading() as connection:
        return report(connection, KpiSettings(), scope)


def by_name(made: Report) -> dict[str, Kpi]:
    [group] = made.groups
    return {f"{kpi.name} {kpi.label}".strip(): kpi for kpi in group.kpis}


def test_every_kpi_without_data_says_so_and_what_would_give_it(database: Database) -> None:
    for kpi in by_name(reported(database)).values():
        assert (kpi.value, kpi.low, kpi.trend, kpi.is_met, kpi.sample) == (None, None, None, None, 0)
        assert kpi.wanting


def test_kpis_are_what_their_definitions_say(database: Database) -> None:
    fill(database)
    kpis = by_name(reported(database))
    assert kpis["detection_accuracy"].value == 3 / 5
    assert kpis["precision"].value == 3 / 4
    assert kpis["recall"].value == 3 / 4
    assert kpis["recall dent"].value == 0
    assert kpis["recall scratch"].value == 1
    assert kpis["false_positive_rate"].value == 1 / 4
    assert kpis["false_negative_rate"].value == 1 / 4
    assert kpis["satisfaction_mean"].value == pytest.approx(11 / 3)
    assert kpis["satisfaction_mean"].sample == 3
    assert kpis["satisfaction_share"].value == 2 / 3
    assert kpis["adoption_rate"].value == 0
    assert kpis["cost_savings"].value == 60
    assert kpis["precision"].is_met is False  # 0.75 where 0.8 is wanted
    assert kpis["recall"].is_met is True


def test_the_trend_is_the_difference_from_the_equally_long_period_before(database: Database) -> None:
    keep(database, inspection([{}], minute=-60 * 24 * 20), *(inspection([{}]) for _ in range(3)))
    savings = by_name(reported(database))["cost_savings"]
    assert (savings.value, savings.previous, savings.trend) == (90, 30, 60)


def test_load_is_compared_between_its_lowest_and_its_highest_band(database: Database) -> None:
    with database.writing() as connection:
        for number in range(12):
            busy = number % 2
            cpu, in_flight = (60.0, 8.0) if busy else (10.0, 1.0)
            at = START + timedelta(minutes=number)
            load.keep(connection, LoadSample(at, 30.0, 200 if busy else 50, in_flight, cpu, 10**9 + number))
    made = reported(database)
    keep(database, inspection([{}]))
    kpis = by_name(reported(database))
    assert kpis["cpu_seconds_per_photo"].value == pytest.approx(420 / 1500)
    assert kpis["load_growth"].value == pytest.approx(0.3 / 0.2)
    assert kpis["load_growth"].is_met is False
    assert kpis["resident_bytes"].value == 10**9 + 11
    assert [round(band.photos_per_second, 2) for band in made.load] == [1.67, 6.67]


def test_intervals_are_those_of_their_sources() -> None:
    wilson = estimates.share(8, 10)
    assert wilson is not None
    assert (wilson.low, wilson.high) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    mean = estimates.mean(15, 55, 5)  # 1, 2, 3, 4, 5: t of 4 degrees is 2.7764
    assert mean is not None
    assert 3 - (mean.low or 0) == pytest.approx(2.776445 * (2.5 / 5) ** 0.5, rel=3e-3)
    few = estimates.mean(6, 14, 3)
    assert few is not None
    assert few.low is None


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DENTWATCH_HOME", str(tmp_path))
    return tmp_path


def test_the_command_prints_the_same_figures_as_table_json_and_csv(home: Path) -> None:
    with closing(Database(f"sqlite:///{home / 'dentwatch.db'}")) as database:
        fill(database)
    period = ("--since", "2026-11-01", "--until", "2026-12-01")
    document = json.loads(dentwatch("kpis", *period, "--json").stdout)
    [group] = document["groups"]
    rows = list(csv.DictReader(io.StringIO(dentwatch("kpis", *period, "--csv").stdout)))
    assert [(row["name"], row["label"]) for row in rows] == [(kpi["name"], kpi["label"]) for kpi in group["kpis"]]
    [precision] = [kpi for kpi in group["kpis"] if kpi["name"] == "precision" and not kpi["label"]]
    assert precision["value"] == 0.75
    shown = dentwatch("kpis", *period).stdout
    assert "75.0 %" in shown
    assert "No data yet" in shown
    named = json.loads(dentwatch("kpis", *period, "--by", "channel", "--json").stdout)
    assert [one["name"] for one in named["groups"]] == ["", "app", "web"]
    assert document["since"] == "2026-11-01"


def test_a_period_that_is_none_is_refused(home: Path) -> None:
    refused = dentwatch("kpis", "--since", "2026-11-02", "--until", "2026-11-02")
    assert refused.returncode == 2
    assert "There is no period" in " ".join(refused.stderr.split())


def test_periods_before_the_first_year_are_refused() -> None:
    with pytest.raises(ValueError, match="There is no period"):
        Period.named(date(1, 1, 2), date(2026, 1, 1), 30, datetime.now(UTC).date())
