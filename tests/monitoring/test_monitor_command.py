"""``dentwatch monitor``: what people see, and what they can do about it."""

import json
import shlex
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from inspected import START, inspection, keep, statistics
from typer.testing import CliRunner, Result

from dentwatch import settings
from dentwatch.cli.app import app
from dentwatch.monitoring import incident_alerts, incidents, review_plan, watch_state
from dentwatch.monitoring.incidents import Incident, Signal
from dentwatch.monitoring.review_plan import Candidate
from dentwatch.monitoring.watch_state import WatchState
from dentwatch.records import audit
from dentwatch.records.database import Database

EVIDENCE = {
    "moved": [{"statistic": "luma_mean", "before": 110.0, "after": 62.0, "deviations": -4.0}],
    "photos": [{"inspection_id": str(uuid.uuid4()), "position": 0, "photo_id": "a" * 64}],
    "calm": ["channel=web"],
}
DARK = Signal(
    "dark", "light", "channel=app", START, START, "Photos from channel app have been darker.", "dentwatch/1", EVIDENCE
)


@pytest.fixture
def kept(home: Path) -> Iterator[Database]:
    with closing(Database.of(settings.load())) as database:
        yield database


@pytest.fixture
def incident(kept: Database) -> Incident:
    with kept.writing() as connection:
        opened = incidents.open_or_update(connection, DARK)
        incident_alerts.tell(connection, opened)
    return opened


def run(line: str) -> Result:
    return CliRunner().invoke(app, ["monitor", *shlex.split(line)])


def told(line: str) -> dict[str, object]:
    result = run(f"{line} --json")
    assert result.exit_code == 0, result.output
    document: dict[str, object] = json.loads(result.stdout)
    return document


def test_status_says_when_nobody_watches(kept: Database) -> None:
    found = told("status")
    assert (found["watching"], found["inspections_seen"], found["incidents"]) == (False, 0, [])
    assert "neither `dentwatch serve` nor `dentwatch monitor run` runs" in run("status").stdout


def test_status_and_drift_say_how_things_stand(kept: Database, incident: Incident) -> None:
    reference = {"model": "dentwatch/1", "source": "validation", "photos": 1200, "vehicles": 400}
    evidence = {"all": {"light": 0.02, "optics": 1e-9}, "channel=app": {"light": 31.0, "optics": 0.25}}
    with kept.writing() as connection:
        watch_state.write(connection, WatchState(1234, reference, b"", {}, evidence))
    said = run("status").stdout
    assert "1,200 photos of 400 vehicles (validation), as dentwatch/1 sees them" in " ".join(said.split())
    assert "1,234 seen" in said
    assert f"noticed {incident.id[:8]}" in said
    assert told("drift")["evidence"] == evidence
    rows = [line.split() for line in run("drift").stdout.splitlines()]
    assert ["channel=app", "alarm", "25.0%"] in rows
    assert rows.index(["channel=app", "alarm", "25.0%"]) < rows.index(["all", "2.0%", "<", "0.1", "%"])


def test_an_incident_is_shown_with_what_moved_and_who_did_what(kept: Database, incident: Incident) -> None:
    short = incident.id[:8]
    assert DARK.summary in " ".join(run("incidents").stdout.split())
    said = run(f"incidents {short} --actor ada --acknowledge 'I look into it.' --note 'The lamp of bay 3.'").stdout
    for part in (
        DARK.summary,
        "luma_mean",
        "-4.0",
        EVIDENCE["photos"][0]["inspection_id"],
        "ada",
        "The lamp of bay 3.",
    ):  # type: ignore[index]
        assert str(part) in said
    found = told(f"incidents {short}")
    assert found["state"] == "acknowledged"
    assert [event["kind"] for event in found["timeline"]] == ["opened", "acknowledged", "note"]  # type: ignore[attr-defined]


def test_what_is_resolved_is_listed_only_with_all(kept: Database, incident: Incident) -> None:
    assert run(f"incidents {incident.id} --actor ada --resolve 'The lamp was replaced.'").exit_code == 0
    assert run("incidents").stdout.strip() == "No incident is open."
    [listed] = told("incidents --all")["incidents"]  # type: ignore[misc]
    assert listed["state"] == "resolved"
    with kept.reading() as connection:
        [entry] = audit.entries(connection, actor="ada")
    assert (entry.actor, entry.action, entry.subject) == ("ada", "incident.resolve", incident.id)
    again = run(f"incidents {incident.id} --resolve again")
    assert again.exit_code == 1
    assert "was resolved at" in str(again.exception)


def test_an_unknown_incident_is_an_error_with_a_way_out(kept: Database) -> None:
    result = run("incidents 00000000")
    assert result.exit_code == 1
    assert "`dentwatch monitor incidents` lists them" in str(result.exception)
    assert run("incidents --note text").exit_code == 2


def test_a_photo_without_detections_is_reviewed_by_saying_so(kept: Database, rng: np.random.Generator) -> None:
    one = inspection([statistics(rng)])
    keep(kept, one)
    with kept.writing() as connection:
        review_plan.plan(connection, [Candidate(one.id, 0)], share=1.0)
    assert "No photo was reviewed yet" in run("performance").stdout
    [item] = told("review")["reviews"]  # type: ignore[misc]
    assert (item["inspection_id"], item["reason"], item["probability"]) == (one.id, "random", 1.0)
    assert told(f"review --done {item['number']} --actor ada") == {"waiting": {}, "reviews": []}
    [group] = told("performance --by model")["groups"]  # type: ignore[misc]
    assert (group["group"], group["photos"], group["rates"]["recall"]) == ("tests/1", 1, None)
    assert "tests/1" in run("performance --by model").stdout


def test_a_silence_is_kept_with_its_reason_and_a_wrong_time_is_refused(kept: Database, incident: Incident) -> None:
    made = told(f"silence {incident.id[:8]} --for 2h --why 'new lamps' --actor ada")
    assert (made["key"], made["actor"], made["why"]) == (f"incident/{incident.id}", "ada", "new lamps")
    [silent] = told("status")["silences"]  # type: ignore[misc]
    assert silent["key"] == made["key"]
    assert run("silence all --for soon --why x").exit_code == 2
