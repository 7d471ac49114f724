"""What the service says about itself adds up: over its workers, over their deaths, and with the documentation."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from kills import workers_of
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from receiver import keep_inspection, receiving, until
from rectangles import as_photo, rectangles_rgb
from running_service import Service, assert_problem, serving, upload
from scraped import Scraped
from test_webhook_targets import SECRET

from dentwatch.monitoring import metrics as monitoring
from dentwatch.records import inspections
from dentwatch.records.database import Database
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving import metrics
from dentwatch.serving.metrics_folder import VARIABLE, MetricsFolder
from dentwatch.serving.webhooks import Deliveries, RetrySchedule, enqueue
from dentwatch.settings import Settings

DOCUMENTED = Path(__file__).resolve().parent.parent.parent / "docs" / "telemetry.md"
GROUND = np.repeat(np.repeat(np.random.default_rng(1).integers(0, 120, (120, 160, 3), np.uint8), 4, 0), 4, 1)
DRAWN = rectangles_rgb(640, 480, ("scratch", 100, 50, 120, 20), ("dent", 300, 200, 60, 60))
DAMAGED = as_photo(np.where((DRAWN > 128).any(axis=2, keepdims=True), DRAWN, GROUND))
BLACK = as_photo(np.zeros((480, 640, 3), np.uint8))
SUBMIT = {"route": "/v1/inspections", "method": "POST"}


@pytest.fixture(scope="module")
def service(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("metrics")
    with serving(bundle, folder / "home", folder / "log", workers=2, held_bytes=3_000_000, queue=100) as service:
        yield service


def _submit(service: Service, connections: int, each: int, *uploads: bytes) -> None:
    """Inspections over several connections that stay open, so that every worker has some."""
    files = [upload(f"{number}", data) for number, data in enumerate(uploads)]
    with ThreadPoolExecutor(connections) as pool:
        clients = [httpx.Client(base_url=service.document["address"], timeout=60) for _ in range(connections)]

        def ask(client: httpx.Client) -> None:
            for _ in range(each):
                assert client.post("/v1/inspections", files=files).status_code == 200

        list(pool.map(ask, clients))
        for client in clients:
            client.close()


def _begin(service: Service, length: int) -> socket.socket:
    """A submission of ``length`` bytes whose body never ends."""
    address = urlsplit(service.document["address"])
    connection = socket.create_connection((address.hostname, address.port))
    connection.sendall(
        b"POST /v1/inspections HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: %d\r\n\r\n--x\r\n" % length
    )
    return connection


def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    assert metrics.REGISTRY is monitoring.REGISTRY  # which also knows the metrics of monitoring
    rows = [line.strip("|").split("|") for line in DOCUMENTED.read_text().splitlines() if line.startswith("| `dent")]
    documented = {cells[0].strip("` "): (cells[1].strip(), tuple(re.findall(r"`(\w+)`", cells[2]))) for cells in rows}
    registered = {}
    for metric in metrics.REGISTRY._names_to_collectors.values():
        [family] = metric.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        registered[name] = (family.type, metric._labelnames)
    assert documented == registered


def test_figures_add_up_over_the_workers(service: Service) -> None:
    before = Scraped.of(service)
    _submit(service, 4, 5, DAMAGED, BLACK, b"no photo")

    def added(name: str, **labels: str) -> float:
        return Scraped.of(service)(name, **labels) - before(name, **labels)

    until(lambda: added("dentwatch_http_requests_total", status="200", **SUBMIT) == 20)
    assert added("dentwatch_http_request_duration_seconds_count", route="/v1/inspections") == 20
    assert added("dentwatch_photos_total") == 60
    assert added("dentwatch_photos_total", outcome="unreliable") == 20
    assert added("dentwatch_photo_faults_total", outcome="unreliable", reason="too_dark") == 20
    assert added("dentwatch_photos_total", outcome="failed") == 20
    assert added("dentwatch_photo_faults_total", outcome="failed", reason="not_an_image") == 20
    for label in ("scratch", "dent"):
        assert added("dentwatch_detections_total", label=label, model=service.document["model"]) == 20
    for stage, times in {"store": 60, "decode": 60, "infer": 40, "gate": 40, "assemble": 20, "commit": 20}.items():
        assert added("dentwatch_stage_duration_seconds_count", stage=stage) == times
    assert added("dentwatch_stage_duration_seconds_sum", stage="decode") > 0
    assert added("dentwatch_commit_changes_sum") >= 20
    assert 0 < added("dentwatch_commit_changes_count") <= added("dentwatch_commit_changes_sum")
    pids = workers_of(service.process.pid)
    assert len(pids) == 2
    for pid in pids:
        assert _counted_by(pid) > 0


def _counted_by(pid: int) -> float:
    """Inspections that one worker process has answered."""
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    [folder] = [one.partition(b"=")[2].decode() for one in variables if one.startswith(VARIABLE.encode())]
    merged = MultiProcessCollector.merge([f"{folder}/counter_{pid}.db"])
    return sum(
        sample.value
        for family in merged
        for sample in family.samples
        if sample.name == "dentwatch_http_requests_total" and SUBMIT.items() <= sample.labels.items()
    )


def test_photos_of_the_model_routes_count_too(service: Service) -> None:
    before = Scraped.of(service)
    for data in (DAMAGED, b"no photo"):
        service.client.post("/invocations", content=data, headers={"content-type": "image/png"})
    after = Scraped.of(service)
    for outcome in ("answered", "failed"):
        counted = [figures("dentwatch_photos_total", outcome=outcome) for figures in (before, after)]
        assert counted[1] - counted[0] == 1


def test_labels_hold_templates_and_never_what_was_sent(service: Service) -> None:
    inspection = service.inspect(upload("a.png", DAMAGED), vehicle_id="VIN-SECRET", channel="channel-secret").json()
    for path in (f"/v1/inspections/{inspection['id']}", "/v1/vehicles/VIN-SECRET/changes", "/nonsense/SECRET"):
        service.client.get(path)
    service.client.put(f"/v1/inspections/{inspection['id']}")
    service.client.request("REPORT", "/v1/inspections/SECRET", headers={"x-api-key": "SECRET"})
    shown = Scraped.of(service)
    assert inspection["id"] not in shown.text
    assert "SECRET" not in shown.text.upper()
    templates = service.client.get("/openapi.json").json()["paths"].keys()
    assert shown.values("route") <= {*templates, "/openapi.json", "none"}
    assert {"/v1/inspections/{inspection_id}", "/v1/vehicles/{vehicle_id}/changes", "none"} <= shown.values("route")
    assert shown("dentwatch_http_requests_total", method="PUT", status="405") == 1
    assert shown("dentwatch_http_requests_total", method="other") == 1


def test_refusals_are_counted_by_kind(service: Service) -> None:
    assert_problem(service.client.get("/v1/inspections", headers={"x-api-key": "dw_none"}), 401, "key-refused")
    shown = Scraped.of(service)
    assert shown("dentwatch_refusals_total", status="401", kind="key-refused") >= 1
    answer = service.client.get("/v2/models/unknown")  # answered in the contract's own form
    assert answer.status_code == 404
    assert "type" not in answer.json()
    assert Scraped.of(service)("dentwatch_refusals_total", status="404", kind="no-such-model") == 1


def test_what_a_killed_worker_counted_stays_and_what_it_held_does_not(service: Service) -> None:
    _submit(service, 4, 1, DAMAGED)
    until(lambda: Scraped.of(service)("dentwatch_http_requests_under_way") == 1)  # the one that asks
    unfinished = [_begin(service, 2_900_000) for _ in range(2)]
    until(lambda: Scraped.of(service)("dentwatch_held_bytes") >= 2_900_000)
    until(lambda: Scraped.of(service)("dentwatch_http_requests_under_way") >= 2)
    _until_refused(service)
    before = Scraped.of(service)
    assert before("dentwatch_refusals_total", status="503", kind="busy") >= 1
    pids = workers_of(service.process.pid)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(set(workers_of(service.process.pid)) - set(pids)) == 2)
    after = Scraped.of(service)
    assert after("dentwatch_held_bytes") == 0
    assert after("dentwatch_http_requests_under_way") == 1
    for name in ("dentwatch_http_requests_total", "dentwatch_photos_total", "dentwatch_stage_duration_seconds_count"):
        assert after(name) >= before(name) > 0
    assert after("dentwatch_model_info", role="champion", version=service.document["model"]) == 1
    for connection in unfinished:
        connection.close()
    _submit(service, 4, 1, DAMAGED)
    until(lambda: Scraped.of(service)("dentwatch_photos_total") == before("dentwatch_photos_total") + 4)


def _until_refused(service: Service) -> None:
    """Ask over new connections until a worker that is full is met."""

    def is_refused() -> bool:
        files = [upload("large", bytes(200_000))]
        return httpx.post(f"{service.document['address']}/v1/inspections", files=files).status_code == 503

    until(is_refused)


def test_inspections_that_wait_are_counted(service: Service) -> None:
    database = Database(f"sqlite:///{service.home / 'dentwatch.db'}")
    kept = keep_inspection(database, "pending")
    with database.writing() as connection:  # somebody else is at it, so that it stays
        inspections.hold(connection, kept, datetime.now(UTC) + timedelta(hours=1))
    assert Scraped.of(service)("dentwatch_pending_inspections") == 1
    with database.writing() as connection:
        inspections.hold(connection, kept, None)
    until(lambda: Scraped.of(service)("dentwatch_pending_inspections") == 0)
    database.close()


def test_openmetrics_is_answered_to_who_prefers_it(service: Service) -> None:
    answer = service.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert {family.name for family in text_string_to_metric_families(answer.text)} >= {"dentwatch_photos"}


def test_attempts_to_deliver_webhooks_are_counted(tmp_path: Path) -> None:
    def counted(outcome: str) -> float:
        return metrics.REGISTRY.get_sample_value("dentwatch_webhook_attempts_total", {"outcome": outcome}) or 0

    before = {outcome: counted(outcome) for outcome in ("delivered", "put_off", "given_up")}
    database = Database(f"sqlite:///{tmp_path / 'dentwatch.db'}")
    chosen = Settings(serving={"webhook_secret": SECRET, "webhook_private_targets": True})
    schedule = RetrySchedule(attempts=2, first=0.05)
    with receiving() as receiver:
        receiver.statuses = [500, 200, 500, 500]
        deliveries = Deliveries(database, chosen, lambda _: b"{}", schedule)
        deliveries.start()
        for due in ({"delivered": 1, "put_off": 1, "given_up": 0}, {"delivered": 1, "put_off": 2, "given_up": 1}):
            kept = keep_inspection(database)
            with database.writing() as connection:
                enqueue(connection, kept, receiver.url)
            deliveries.wake()
            until(lambda due=due: {one: counted(one) - before[one] for one in before} == due)
        deliveries.close()
    database.close()


def test_a_folder_that_a_killed_service_left_is_removed_and_one_in_use_stays() -> None:
    code = (
        "from dentwatch.serving.metrics_folder import MetricsFolder; import time\n"
        "with MetricsFolder() as counted: print(counted.path, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        with MetricsFolder() as ours:
            assert theirs.is_dir()
            assert os.environ[VARIABLE] == str(ours.path)
        assert not ours.path.exists()
        assert VARIABLE not in os.environ
        other.kill()
        other.wait()
    with MetricsFolder() as again:
        assert again.path.is_dir()
        assert not theirs.exists()
