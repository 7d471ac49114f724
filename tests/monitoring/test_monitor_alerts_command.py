"""Somebody at the command line sees what was told to whom, and can try the receivers."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from receiver import Receiver, receiving, until
from typer.testing import CliRunner

from dentwatch import settings
from dentwatch.cli.app import app
from dentwatch.cli.output import out
from dentwatch.monitoring.alerts import outbox
from dentwatch.monitoring.alerts.alert import Alert
from dentwatch.monitoring.alerts.sender import AlertSender
from dentwatch.records.database import Database
from dentwatch.serving.webhooks import RetrySchedule

ALERT = Alert("incident/1", "critical", "Photos are darker", "By 1.6 stops.")
ONCE = RetrySchedule(attempts=1, first=0.01, lease=60.0)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def urls(receiver: Receiver, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENTWATCH_MONITORING__ALERT_URLS", f"json://{receiver.url.removeprefix('http://')}")
    monkeypatch.setattr(out, "width", 200)  # so that no cell is broken into lines
    settings.load.cache_clear()


def _run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["monitor", "alerts", *arguments])
    assert result.exit_code == code, result.output
    return result.stdout


def _is_settled(database: Database) -> bool:
    with database.reading() as connection:
        return outbox.count_waiting(connection) == 0


def test_what_was_given_up_is_shown_with_its_reason(urls: None, receiver: Receiver) -> None:
    assert "nothing to tell" in _run()
    receiver.statuses = [500]
    loaded = settings.load()
    with closing(Database.of(loaded)) as database, closing(AlertSender(database, loaded, ONCE)) as sender:
        with database.writing() as connection:
            outbox.enqueue(connection, ALERT)
        assert "to nobody yet" in _run()
        sender.start()
        until(lambda: _is_settled(database), 30)
    shown = _run()
    for word in ("[critical] Photos are darker", "given up", "error=500", "json-"):
        assert word in shown
    [told] = json.loads(_run("--json"))["alerts"]
    assert (told["key"], told["level"], told["resolved"]) == ("incident/1", "critical", False)
    [delivery] = told["deliveries"]
    assert (delivery["state"], delivery["attempts"]) == ("given up", 1)
    assert receiver.url.removeprefix("http://") not in shown


@pytest.mark.parametrize(("status", "code"), [(200, 0), (500, 1)])
def test_the_receivers_can_be_tried(urls: None, receiver: Receiver, status: int, code: int) -> None:
    receiver.statuses = [status]
    said: dict[str, Any] = json.loads(_run("--test", "--json", code=code))
    [outcome] = said["receivers"].values()
    assert (outcome == "delivered") is (code == 0)
    assert json.loads(receiver.requests[0].body)["title"] == "[noticed] A test of Dentwatch's alerts"


def test_without_receivers_a_try_says_what_names_them(home: Path) -> None:
    assert "DENTWATCH_MONITORING__ALERT_URLS" in _run("--test")
