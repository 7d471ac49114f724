"""An answer reaches its receiver, signed, whatever happens in between; and nobody else."""

import datetime as dt
import ipaddress
import logging
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import FunctionType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from receiver import Receiver, delivery, finish_inspection, keep_inspection, receiving, until
from test_webhook_targets import SECRET, resolve_to

from dentwatch.records.database import Database
from dentwatch.serving.webhook_targets import check_target
from dentwatch.serving.webhooks import Deliveries, RetrySchedule, enqueue
from dentwatch.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
OTHER_SECRET = "whsec_" + "OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2"
SOON = RetrySchedule(attempts=4, first=0.1, factor=2.0, timeout=2.0, lease=5.0)

KILLED = """
import sys
from dentwatch.records.database import Database
from dentwatch.serving.webhook_targets import check_target
from dentwatch.serving.webhooks import Deliveries, RetrySchedule
from dentwatch.settings import Settings
url, secret = sys.argv[1:]
settings = Settings(serving={"webhook_secret": secret, "webhook_private_targets": True})
Deliveries(Database(url), settings, lambda _: b"{}", RetrySchedule(timeout=60, lease=1.5)).start()
sys.stdin.read()
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'dentwatch.db'}")
    yield opened
    opened.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def answer_of(inspection_id: str) -> bytes:
    return f'{{"id": "{inspection_id}", "vehicle": "Škoda"}}'.encode()


@contextmanager
def sending(
    database: Database,
    schedule: RetrySchedule = SOON,
    load_answer: Callable[[str], bytes] = answer_of,
    **serving: object,
) -> Iterator[Deliveries]:
    """Deliveries under way, to receivers next door unless ``serving`` says something else."""
    chosen = {"webhook_secret": SECRET, "webhook_private_targets": True, **serving}
    deliveries = Deliveries(database, Settings(serving=chosen), load_answer, schedule)
    deliveries.start()
    try:
        yield deliveries
    finally:
        deliveries.close()


def order(database: Database, url: str, status: str = "done") -> tuple[str, str]:
    """An inspection with a webhook; returns both ids."""
    inspection_id = keep_inspection(database, status)
    with database.writing() as connection:
        return inspection_id, enqueue(connection, inspection_id, url)


def is_genuine() -> FunctionType:
    """The receiver that the documentation shows."""
    page = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    [example] = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, FunctionType] = {}
    exec(example, names)
    return names["is_genuine"]


def test_the_documented_receiver_takes_what_is_sent_and_nothing_else(database: Database, receiver: Receiver) -> None:
    inspection_id, delivery_id = order(database, f"{receiver.url}?for=VIN-1")
    with sending(database):
        until(lambda: delivery(database, delivery_id).delivered_at)
    [request] = receiver.requests
    check = is_genuine()
    assert request.body == answer_of(inspection_id)
    assert request.path == "/hook?for=VIN-1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == delivery_id
    assert check(request.headers, request.body, SECRET)
    assert not check(request.headers, request.body + b" ", SECRET)
    assert not check(request.headers, request.body, OTHER_SECRET)
    plain = dict(request.headers.items())
    for name, value in (("webhook-id", "another"), ("webhook-timestamp", str(int(time.time()) - 301))):
        assert not check({**plain, name: value}, request.body, SECRET)


def test_while_the_secret_changes_both_sign(database: Database, receiver: Receiver) -> None:
    order(database, receiver.url)
    with sending(database, webhook_secret=f"{OTHER_SECRET} {SECRET}"):
        until(lambda: receiver.requests)
    [request] = receiver.requests
    assert all(is_genuine()(request.headers, request.body, secret) for secret in (SECRET, OTHER_SECRET))


def test_it_is_sent_once_the_inspection_is_done(database: Database, receiver: Receiver) -> None:
    inspection_id, _ = order(database, receiver.url, status="pending")
    with sending(database) as deliveries:
        deliveries.wake()
        time.sleep(0.3)
        assert not receiver.requests
        finish_inspection(database, inspection_id)
        start = time.monotonic()
        deliveries.wake()
        until(lambda: receiver.requests)
        assert time.monotonic() - start < 2  # woken, not found by and by


def test_an_inspection_that_is_not_kept_leaves_no_webhook(database: Database, receiver: Receiver) -> None:
    inspection_id = keep_inspection(database)
    with pytest.raises(RuntimeError), database.writing() as connection:
        enqueue(connection, inspection_id, receiver.url)
        raise RuntimeError
    with sending(database):
        time.sleep(0.3)
    assert not receiver.requests


def test_it_is_tried_again_later_and_later(database: Database, receiver: Receiver) -> None:
    receiver.statuses += [500, 429, 302]
    receiver.location = receiver.url
    _, delivery_id = order(database, receiver.url)
    with sending(database):
        until(lambda: delivery(database, delivery_id).delivered_at)
    row = delivery(database, delivery_id)
    assert (row.attempts, row.next_at, row.last_error) == (4, None, None)
    assert receiver.ids == [delivery_id] * 4  # and the redirect was not followed, or there would be five
    for attempt, (before, after) in enumerate(pairwise(receiver.requests), 1):
        longest = 0.1 * 2 ** (attempt - 1)
        assert longest / 2 <= after.at - before.at < longest + 1


def test_the_waits_grow_to_a_limit_and_are_spread() -> None:
    schedule = RetrySchedule()
    waits = [[schedule.wait(attempt) for _ in range(200)] for attempt in range(1, 11)]
    for attempt, drawn in enumerate(waits, 1):
        longest = min(10 * 4 ** (attempt - 1), 6 * 3600)
        assert longest / 2 <= min(drawn) < longest * 0.6 < longest * 0.9 < max(drawn) <= longest


@pytest.mark.parametrize(("statuses", "attempts"), [([500] * 9, 4), ([410], 1)])
def test_it_is_given_up(database: Database, receiver: Receiver, statuses: list[int], attempts: int) -> None:
    receiver.statuses += statuses
    _, delivery_id = order(database, receiver.url)
    with sending(database):
        until(lambda: delivery(database, delivery_id).next_at is None)
        time.sleep(0.3)
    row = delivery(database, delivery_id)
    assert (len(receiver.requests), row.attempts, row.delivered_at) == (attempts, attempts, None)
    assert str(statuses[0]) in row.last_error


def test_a_receiver_that_does_not_answer_holds_up_nobody(database: Database, receiver: Receiver) -> None:
    hurried = RetrySchedule(attempts=1, timeout=0.5, lease=5)
    with receiving() as slow:
        slow.hold = 1.0
        _, stuck = order(database, slow.url)
        _, quick = order(database, receiver.url)
        with sending(database, hurried):
            until(lambda: delivery(database, quick).delivered_at)
            assert delivery(database, stuck).next_at is not None
            until(lambda: delivery(database, stuck).next_at is None)
    assert "within 0.5 s" in delivery(database, stuck).last_error


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 200 OK\r\n" + b"a" * 100_000])
def test_a_receiver_that_speaks_no_http_is_a_failed_attempt(database: Database, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _, delivery_id = order(database, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        with sending(database, RetrySchedule(attempts=1, timeout=2)):
            peer, _ = listener.accept()
            peer.sendall(answer)
            peer.close()
            until(lambda: delivery(database, delivery_id).next_at is None)
    assert delivery(database, delivery_id).last_error


def test_an_endless_response_is_not_read_to_its_end(database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _, delivery_id = order(database, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        with sending(database):
            peer, _ = listener.accept()
            with peer, pytest.raises(OSError):  # the sender hangs up
                peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    peer.sendall(b"x" * 65536)
            until(lambda: delivery(database, delivery_id).delivered_at)


def test_an_answer_that_cannot_be_loaded_is_tried_again(database: Database, receiver: Receiver) -> None:
    failures = [OSError("the store is away")]

    def load(inspection_id: str) -> bytes:
        if failures:
            raise failures.pop()
        return answer_of(inspection_id)

    _, delivery_id = order(database, receiver.url)
    with sending(database, load_answer=load):
        until(lambda: delivery(database, delivery_id).delivered_at)
    assert delivery(database, delivery_id).attempts == 2


def test_a_service_that_was_killed_goes_on_where_it_was(database: Database, receiver: Receiver) -> None:
    receiver.hold = 30
    _, delivery_id = order(database, receiver.url)
    command = [sys.executable, "-c", KILLED, database.url, SECRET]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        until(lambda: receiver.requests, 60)
        receiver.hold = 0
        process.kill()
    assert delivery(database, delivery_id).delivered_at is None
    with sending(database):
        until(lambda: delivery(database, delivery_id).delivered_at, 20)
    assert receiver.ids == [delivery_id] * 2
    assert delivery(database, delivery_id).attempts == 2


def test_two_services_send_each_answer_once(database: Database, receiver: Receiver) -> None:
    ordered = {order(database, receiver.url)[1] for _ in range(25)}
    receiver.hold = 0.02
    other = Database(database.url)
    with sending(database), sending(other):
        until(lambda: len(receiver.requests) >= 25, 30)
        time.sleep(0.3)
    other.close()
    assert sorted(receiver.ids) == sorted(ordered)


def test_a_name_that_moves_inside_after_the_check_leads_nowhere(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        url = f"https://rebound.example:{listener.getsockname()[1]}/"
        resolve_to(monkeypatch, "93.184.216.34")
        check_target(url, Settings(serving={"webhook_secret": SECRET}))
        _, delivery_id = order(database, url)
        resolve_to(monkeypatch, "127.0.0.1")
        with sending(database, RetrySchedule(attempts=1), webhook_private_targets=False):
            until(lambda: delivery(database, delivery_id).next_at is None)
        with pytest.raises(TimeoutError):
            listener.accept()
    assert "not on the public internet" in delivery(database, delivery_id).last_error


@pytest.mark.parametrize("url", ["https://127.0.0.1:{port}/", "https://2130706433:{port}/", "http://127.0.0.1:{port}/"])
def test_addresses_in_the_url_are_checked_when_it_is_sent_too(database: Database, url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        _, delivery_id = order(database, url.format(port=listener.getsockname()[1]))
        with sending(database, RetrySchedule(attempts=1), webhook_private_targets=False):
            until(lambda: delivery(database, delivery_id).next_at is None)
        with pytest.raises(TimeoutError):
            listener.accept()
    assert delivery(database, delivery_id).delivered_at is None


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for the host ``name`` that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = dt.datetime.now(dt.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return paths


@pytest.mark.parametrize(("name", "arrives"), [("receiver.example", True), ("impostor.example", False)])
def test_the_certificate_is_verified_against_the_name_and_not_the_address(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, arrives: bool
) -> None:
    chain, key = certificate(tmp_path, "receiver.example")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    resolve_to(monkeypatch, "127.0.0.1")
    with receiving(tls) as receiver:
        _, delivery_id = order(database, receiver.url.replace("127.0.0.1", name))
        with sending(database, RetrySchedule(attempts=1)):
            until(lambda: delivery(database, delivery_id).next_at is None)
    row = delivery(database, delivery_id)
    assert (row.delivered_at is not None, len(receiver.requests)) == (arrives, int(arrives)), row.last_error


def test_without_a_secret_nothing_is_sent_and_nothing_is_lost(database: Database, receiver: Receiver) -> None:
    _, delivery_id = order(database, receiver.url)
    with sending(database, webhook_secret="") as deliveries:
        deliveries.wake()
        time.sleep(0.2)
    assert delivery(database, delivery_id).attempts == 0
    with sending(database):
        until(lambda: delivery(database, delivery_id).delivered_at)


def test_the_database_may_go_and_come_back(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("dentwatch.serving.webhooks._LOOK_SECONDS", 0.1)
    _, delivery_id = order(database, receiver.url)
    with database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE webhook_deliveries RENAME TO away")
    with caplog.at_level(logging.WARNING), sending(database):
        until(lambda: "wait for the database" in caplog.text)
        with database.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO webhook_deliveries")
        until(lambda: delivery(database, delivery_id).delivered_at)


def test_the_secret_shows_nowhere(database: Database, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.statuses += [500]
    _, delivery_id = order(database, receiver.url)
    with caplog.at_level(logging.DEBUG), sending(database):
        until(lambda: delivery(database, delivery_id).delivered_at)
    told = caplog.text + repr(Settings(serving={"webhook_secret": SECRET}))
    assert "answered 500" in told
    assert SECRET.removeprefix("whsec_") not in told
