"""What is to be told arrives once, in order, where it is wanted, and secrets stay secret."""

import asyncio
import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from receiver import Receiver as Server
from receiver import receiving, until
from sqlalchemy import update

from dentwatch.errors import SettingsError
from dentwatch.monitoring import metrics
from dentwatch.monitoring.alerts import outbox, receivers
from dentwatch.monitoring.alerts.alert import Alert
from dentwatch.monitoring.alerts.outbox import Told
from dentwatch.monitoring.alerts.receivers import Receiver
from dentwatch.monitoring.alerts.sender import ENDED, NEVER_TOLD, NOT_SET, AlertSender
from dentwatch.monitoring.alerts.silences import in_force, silence
from dentwatch.records.alert_tables import alert_deliveries, alerts
from dentwatch.records.database import Database
from dentwatch.serving.webhooks import RetrySchedule
from dentwatch.settings import Settings

DOCUMENTED = (Path(__file__).resolve().parent.parent.parent / "docs" / "alerts.md").read_text(encoding="utf-8")
KEY = "incident/8d0f"
AT = datetime(2026, 3, 1, 18, 40, tzinfo=UTC)
DARK = Alert(KEY, "drift", "Photos are darker", "Photos from the app are 1.6 stops darker.", at=AT)
WORSE = Alert(KEY, "critical", "Photos are darker", "It costs 9 points of recall.", at=AT)
OVER = Alert(KEY, "critical", "Photos are darker", "Light has returned.", resolved=True, at=AT)
OTHER = Alert("incident/other", "noticed", "Photos are blurred", "Since noon.")
QUICK = RetrySchedule(attempts=3, first=0.01, factor=1.0, longest=0.01, lease=0.05)


@pytest.fixture
def receiver() -> Iterator[Server]:
    with receiving() as started:
        yield started


def _settings(*urls: str, hours: float = 24) -> Settings:
    return Settings(monitoring={"alert_urls": "\n".join(urls), "alert_repeat_hours": hours})


def _url(receiver: Server, rest: str = "") -> str:
    """``receiver`` as Apprise's ``json://``, and its timeouts for tests that wait for nobody."""
    return f"json://{receiver.url.removeprefix('http://')}/{rest}"


def _tell(database: Database, *told: Alert) -> list[int | None]:
    with database.writing() as connection:
        return [outbox.enqueue(connection, alert) for alert in told]


def _told(database: Database) -> list[Told]:
    """Everything that was enqueued, oldest first."""
    with database.reading() as connection:
        return outbox.page(connection)[::-1]


def _states(database: Database) -> list[tuple[str, ...]]:
    return [tuple(delivery.state for delivery in told.deliveries) for told in _told(database)]


def _is_settled(database: Database) -> bool:
    with database.reading() as connection:
        return outbox.count_waiting(connection) == 0


@contextmanager
def _sending(database: Database, settings: Settings, schedule: RetrySchedule = QUICK) -> Iterator[AlertSender]:
    with closing(AlertSender(database, settings, schedule)) as sender:
        sender.start()
        yield sender


def _deliver(database: Database, settings: Settings, schedule: RetrySchedule = QUICK) -> None:
    """Deliver until nothing is left to do."""
    with _sending(database, settings, schedule):
        until(lambda: _is_settled(database), 30)


def _bodies(receiver: Server) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in receiver.requests]


def _titles(receiver: Server) -> list[str]:
    return [body["title"] for body in _bodies(receiver)]


@pytest.fixture(params=["sqlite", "postgres"])
def either_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    if request.param == "sqlite":
        yield request.getfixturevalue("database")
        return
    with closing(Database(request.getfixturevalue("postgres").new_database())) as opened:
        yield opened


# What is told


def test_an_alert_belongs_to_the_transaction_of_what_it_tells_about(database: Database) -> None:
    with pytest.raises(RuntimeError), database.writing() as connection:
        outbox.enqueue(connection, DARK)
        raise RuntimeError("the incident could not be kept")
    assert not _told(database)


def test_one_thing_is_told_once_per_level_and_when_it_is_over(either_database: Database, receiver: Server) -> None:
    numbers = _tell(either_database, OVER, DARK, DARK, OTHER, WORSE, DARK, WORSE, OVER, OVER, DARK)
    assert [number is not None for number in numbers] == [
        False,
        True,
        False,
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]
    _deliver(either_database, _settings(_url(receiver)))
    assert [title for title in _titles(receiver) if "darker" in title] == [
        "[drift] Photos are darker",
        "[critical] Photos are darker",
        "[resolved] Photos are darker",
        "[drift] Photos are darker",
    ]
    assert "[noticed] Photos are blurred" in _titles(receiver)
    assert _states(either_database) == [("delivered",)] * 5


def test_a_message_says_it_for_people_and_for_programs(database: Database, receiver: Server) -> None:
    _tell(database, DARK, WORSE, OVER)
    _deliver(database, _settings(_url(receiver)))
    first, second, third = _bodies(receiver)
    line = "key=incident/8d0f level=drift state=open at=2026-03-01T18:40:00+00:00"
    assert first["message"] == f"Photos from the app are 1.6 stops darker.\n\n{line}"
    assert third["message"].endswith("level=critical state=resolved at=2026-03-01T18:40:00+00:00")
    assert [body["type"] for body in (first, second, third)] == ["warning", "failure", "success"]


def test_what_lasts_is_told_again_after_a_while_unless_somebody_is_at_it(database: Database, receiver: Server) -> None:
    settings = _settings(_url(receiver), hours=2)

    def later() -> list[str]:
        """What is told when three hours have gone by."""
        receiver.requests.clear()
        with database.writing() as connection:
            long_ago = datetime.now(UTC) - timedelta(hours=3)
            connection.execute(update(alerts).values(enqueued_at=long_ago))
        with _sending(database, settings):
            # In this order: nothing is under way either before what is due has been taken up.
            until(lambda: not _is_due(database, 2) and _is_settled(database))
        return _titles(receiver)

    _tell(database, DARK, OTHER)
    _deliver(database, settings)
    assert sorted(later()) == ["[drift] Photos are darker", "[noticed] Photos are blurred"]
    with database.writing() as connection:
        outbox.stop_repeating(connection, KEY)
    _tell(database, Alert(OTHER.key, "noticed", OTHER.title, "It is sharp again.", resolved=True))
    _deliver(database, settings)
    assert later() == []
    _tell(database, WORSE)
    _deliver(database, settings)
    assert later() == ["[critical] Photos are darker"]


def _is_due(database: Database, hours: float) -> bool:
    with database.reading() as connection:
        return outbox.is_waiting(connection, hours)


def test_a_reminder_does_not_pile_up_where_the_first_word_still_waits(database: Database, receiver: Server) -> None:
    settings = _settings(_url(receiver))
    _tell(database, DARK)
    name = receivers.of(settings)[0].name
    for _ in range(3):
        with database.writing() as connection:
            outbox.address(connection, [name])
            assert outbox.repeat(connection, 0) == 1
    _deliver(database, settings)
    assert _titles(receiver) == ["[drift] Photos are darker"]


# Until it has arrived


def test_a_receiver_that_fails_is_tried_again_and_gets_everything_in_order(
    either_database: Database, receiver: Server
) -> None:
    receiver.statuses = [500, 503]
    _tell(either_database, DARK, WORSE, OVER)
    before = _counted("put_off")
    _deliver(either_database, _settings(_url(receiver)))
    expected = ["[drift]"] * 3 + ["[critical]", "[resolved]"]
    assert [title.split()[0] for title in _titles(receiver)] == expected
    assert [delivery.attempts for told in _told(either_database) for delivery in told.deliveries] == [3, 1, 1]
    assert _counted("put_off") - before == 2


def _counted(outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value("dentwatch_alert_attempts_total", {"outcome": outcome}) or 0


def test_what_is_given_up_is_kept_with_its_reason_and_others_are_told_all_the_same(
    database: Database, receiver: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with receiving() as refusing:
        refusing.statuses = [500] * 3
        settings = _settings(_url(refusing, "s3cret-token?+X-Key=hidden-value"), _url(receiver))
        _tell(database, DARK)
        _deliver(database, settings)
        [told] = _told(database)
        assert [delivery.state for delivery in told.deliveries] == ["given up", "delivered"]
        failed = told.deliveries[0]
        assert failed.attempts == QUICK.attempts
        assert "error=500" in str(failed.reason)
        assert "given up" in caplog.text
        # Its end is told only where its beginning was.
        _tell(database, OVER)
        _deliver(database, settings)
    assert [delivery.reason for delivery in _told(database)[1].deliveries] == [NEVER_TOLD, None]
    assert _titles(receiver) == ["[drift] Photos are darker", "[resolved] Photos are darker"]
    said = (
        caplog.text + str([told.deliveries for told in _told(database)]) + repr(settings) + repr(receivers.of(settings))
    )
    assert "s3cret-token" not in said
    assert "hidden-value" not in said


def test_a_sender_that_was_killed_is_followed_by_another_that_goes_on(database: Database, receiver: Server) -> None:
    settings = _settings(_url(receiver))
    _tell(database, DARK, WORSE)
    killed = AlertSender(database, settings, QUICK)
    killed._address()
    assert killed._take() is not None  # and then it was gone, before it had told anybody
    _deliver(database, settings)
    assert _titles(receiver) == ["[drift] Photos are darker", "[critical] Photos are darker"]
    assert _told(database)[0].deliveries[0].attempts == 2


def test_who_lost_a_delivery_to_another_does_not_write_what_became_of_it(database: Database, receiver: Server) -> None:
    settings = _settings(_url(receiver))
    _tell(database, DARK)
    slow = AlertSender(database, settings, QUICK)
    slow._address()
    taken = slow._take()
    assert taken is not None
    _deliver(database, settings)
    slow._fail(taken, "It took too long.", final=True)
    assert _states(database) == [("delivered",)]


def test_senders_that_always_die_do_not_try_for_ever(database: Database, receiver: Server) -> None:
    settings = _settings(_url(receiver))
    _tell(database, DARK)
    killed = AlertSender(database, settings, RetrySchedule(attempts=2, lease=0.0))
    killed._address()
    for _ in range(2):
        assert killed._take() is not None
    _deliver(database, settings, RetrySchedule(attempts=2, lease=0.05))
    [told] = _told(database)
    assert (told.deliveries[0].state, told.deliveries[0].reason) == ("given up", ENDED)
    assert not receiver.requests


def test_a_receiver_that_the_settings_name_no_more_is_given_up(database: Database, receiver: Server) -> None:
    _tell(database, DARK)
    with database.writing() as connection:
        outbox.address(connection, ["slack-12345678"])
    _deliver(database, _settings(_url(receiver)))
    assert [delivery.reason for delivery in _told(database)[0].deliveries] == [NOT_SET]


def test_without_receivers_alerts_are_kept_and_told_to_nobody(database: Database) -> None:
    _tell(database, DARK)
    _deliver(database, _settings())
    assert _states(database) == [()]


def test_a_sender_that_waits_is_woken(database: Database, receiver: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dentwatch.monitoring.alerts.sender._LOOK_SECONDS", 3600.0)
    with _sending(database, _settings(_url(receiver))) as sender:
        for alert in (DARK, WORSE):
            _tell(database, alert)
            sender.wake()
            until(lambda alert=alert: _titles(receiver)[-1:] == [receivers.title_of(alert)])


# Silence


def _silence(database: Database, key: str, hours: float) -> None:
    with database.writing() as connection:
        silence(connection, key, timedelta(hours=hours), actor="ada", why="the studio is being rebuilt")


@pytest.mark.parametrize("key", [KEY, "all"])
def test_a_silence_holds_alerts_until_it_ends(either_database: Database, receiver: Server, key: str) -> None:
    settings = _settings(_url(receiver))
    _silence(either_database, key, 2)
    _tell(either_database, DARK)
    marker = Alert("marker", "noticed", "It came later", "")
    if key != "all":
        _tell(either_database, marker)
        with _sending(either_database, settings):
            until(lambda: _titles(receiver) == ["[noticed] It came later"])
    assert _states(either_database)[0] in ([], (), ("waiting",))
    [lasting] = _in_force(either_database)
    assert (lasting.key, lasting.actor, lasting.why) == (key, "ada", "the studio is being rebuilt")
    _silence(either_database, key, 0)
    assert not _in_force(either_database)
    _deliver(either_database, settings)
    assert _titles(receiver)[-1] == "[drift] Photos are darker"


def _in_force(database: Database) -> list[Any]:
    with database.reading() as connection:
        return in_force(connection)


def test_what_is_over_before_the_silence_is_never_told(database: Database, receiver: Server) -> None:
    _silence(database, KEY, 2)
    settings = _settings(_url(receiver))
    _tell(database, DARK, WORSE, OVER)
    with _sending(database, settings):
        until(lambda: [told.deliveries[0].state for told in _told(database) if told.deliveries][:2] == ["given up"] * 2)
    _silence(database, KEY, 0)
    _deliver(database, settings)
    assert not receiver.requests


def test_the_end_of_what_was_told_waits_for_the_end_of_the_silence(database: Database, receiver: Server) -> None:
    settings = _settings(_url(receiver))
    _tell(database, DARK)
    _deliver(database, settings)
    _silence(database, KEY, 2)
    _tell(database, Alert(KEY, "drift", "Photos are darker", "", resolved=True))
    _silence(database, KEY, 0)
    _deliver(database, settings)
    assert _titles(receiver) == ["[drift] Photos are darker", "[resolved] Photos are darker"]


# Services


@contextmanager
def _mailbox() -> Iterator[tuple[int, list[Any]]]:
    """A mail server on a free port, and what it has got."""
    from aiosmtpd.handlers import Message as Handler
    from aiosmtpd.smtp import SMTP

    mails: list[Any] = []

    class Mailbox(Handler):
        def handle_message(self, message: Any) -> None:
            mails.append(message)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    starting = loop.create_server(lambda: SMTP(Mailbox(), loop=loop), "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(10)
    try:
        yield server.sockets[0].getsockname()[1], mails
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_mail_arrives(database: Database) -> None:
    with _mailbox() as (port, mails):
        url = f"mailto://127.0.0.1:{port}?from=dentwatch@example.com&to=ada@example.com&mode=insecure&format=text"
        _tell(database, Alert(KEY, "critical", "Photos\nBcc: eve@example.com", "They are dark <b>here</b>."))
        _deliver(database, _settings(url))
    [mail] = mails
    assert mail["To"] == "ada@example.com"
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[critical] Photos Bcc: eve@example.com"
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    assert any(b"They are dark <b>here</b>." in part for part in parts)


def test_a_url_may_hold_the_key_so_that_services_can_tell_incidents_apart(database: Database, receiver: Server) -> None:
    _tell(database, DARK)
    _deliver(database, _settings(_url(receiver, "?-X-Dedup={key}&+Dedup={key}")))
    assert receiver.requests[0].headers["Dedup"] == KEY


@pytest.mark.parametrize("url", re.findall(r"`([a-z]+://[^`…]+)`", DOCUMENTED.partition("## What is told")[0]))
def test_the_documented_urls_are_understood(url: str) -> None:
    Receiver(url).check()


@pytest.mark.parametrize("urls", ["nonsense://s3cret", "json://localhost slack://s3cret"])
def test_a_url_that_nobody_understands_is_named_by_its_place(database: Database, urls: str) -> None:
    with pytest.raises(SettingsError, match=f"Number {len(urls.split())} of the URLs") as refused:
        AlertSender(database, _settings(*urls.split()))
    assert "s3cret" not in str(refused.value)


def test_a_setting_that_is_no_url_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from dentwatch import settings

    monkeypatch.setenv("DENTWATCH_MONITORING__ALERT_URLS", "json://localhost s3cret")
    settings.load.cache_clear()
    with pytest.raises(SettingsError, match="number 2 of them is no URL") as refused:
        settings.load()
    settings.load.cache_clear()
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("key", ["", "all", "x" * 201])
def test_an_alert_is_about_something(key: str) -> None:
    with pytest.raises(ValueError, match="cannot name"):
        Alert(key, "drift", "", "")


def test_deliveries_go_with_their_alert(database: Database) -> None:
    _tell(database, DARK)
    _deliver(database, _settings("json://127.0.0.1:9"))
    with database.writing() as connection:
        connection.execute(alerts.delete())
        assert connection.execute(alert_deliveries.select()).all() == []
