"""In a real Prometheus every rule fires and reaches people, and every query of the dashboard has an answer."""

import json
import re
import runpy
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_server import Prometheus, alertmanager, free_port, page, program, prometheus
from receiver import Receiver, receiving, until
from rectangles import as_photo, rectangle_graph, rectangles_rgb, write_bundle
from running_service import serving, upload

from dentwatch.monitoring import metrics

ROOT = Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "deploy" / "prometheus" / "dentwatch-rules.yml"
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dentwatch-dashboard.json").read_text())
QUERIES = [
    (f"{panel['title']}: {target['legendFormat']}", target["expr"])
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
]
PATIENCE = 120.0  # seconds; how long a machine with much else to do may take

LASTING = """
dentwatch_ready{part="database"} 0
dentwatch_pending_oldest_seconds 3000
dentwatch_free_bytes 600
dentwatch_least_free_bytes 500
dentwatch_registry_problem 1
dentwatch_incidents_open{level="drift"} 1
dentwatch_incidents_open{level="critical"} 1
dentwatch_harm_recall_lost 9
dentwatch_harm_tolerance 5
dentwatch_monitoring_behind 9000
dentwatch_kpi_met{kpi="recall"} 0
"""
GROWING = """
dentwatch_http_requests_total{status="500"} %(looks)d
dentwatch_refusals_total{status="503",kind="busy"} %(looks)d
dentwatch_http_request_duration_seconds_bucket{route="/v1/inspections",le="10.0"} 0
dentwatch_http_request_duration_seconds_bucket{route="/v1/inspections",le="30.0"} %(looks)d
dentwatch_http_request_duration_seconds_bucket{route="/v1/inspections",le="+Inf"} %(looks)d
dentwatch_webhook_attempts_total{outcome="given_up"} %(looks)d
dentwatch_alert_attempts_total{outcome="given_up"} %(looks)d
"""
PHOTOS = 'dentwatch_photos_total{outcome="unreliable"} %d\n'
NOT_ARMED = "dentwatch_drift_armed 0\n"


class Trouble:
    """The page of a service in which everything is wrong, first with traffic and then without."""

    def __init__(self) -> None:
        self.looks = 0
        self.photos = 0
        self.has_traffic = True

    def __call__(self) -> str:
        self.looks += 1
        self.photos += 1000 * self.has_traffic
        watched = NOT_ARMED if self.has_traffic else ""
        return LASTING + GROWING % {"looks": 10 * self.looks} + PHOTOS % self.photos + watched


def _quick_rules(folder: Path) -> tuple[Path, set[str]]:
    """The rules as they are shipped, but with seconds for minutes; and their names."""
    text = RULES.read_text()
    text = re.sub(r"for: \w+", "for: 0s", text)
    text = re.sub(r"\[(5m|10m|30m|1h)\]", "[15s]", text)
    text = text.replace("[2h]", "[8s]").replace("[1d]", "[10m]")
    file = folder / "rules.yml"
    file.write_text(text)
    return file, {rule["alert"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]}


def _arrived(receiver: Receiver) -> set[str]:
    """Names of the alerts that Alertmanager has told about."""
    told = [json.loads(request.body) for request in list(receiver.requests)]
    return {
        alert["labels"]["alertname"] for message in told for alert in message["alerts"] if alert["status"] == "firing"
    }


def test_every_rule_fires_and_alertmanager_tells_it(tmp_path: Path) -> None:
    program("prometheus")
    rules, names = _quick_rules(tmp_path)
    trouble = Trouble()
    with (
        receiving() as receiver,
        alertmanager(tmp_path, receiver.url) as manager,
        page(trouble) as target,
        prometheus(tmp_path, [target, f"127.0.0.1:{free_port()}"], rules=rules, alertmanager=manager),
    ):
        later = {"DentwatchNoTraffic", "DentwatchMonitoringStopped"}
        until(lambda: _arrived(receiver) >= names - later, PATIENCE)
        assert not _arrived(receiver) & later
        trouble.has_traffic = False
        until(lambda: _arrived(receiver) == names, PATIENCE)


def test_the_dashboard_is_what_its_script_makes() -> None:
    made = runpy.run_path(str(GRAFANA / "make_dashboard.py"))
    assert (GRAFANA / "dentwatch-dashboard.json").read_text() == made["text"]()


def test_panels_lie_side_by_side_and_say_what_they_show() -> None:
    places = [(panel["gridPos"], panel["title"]) for panel in DASHBOARD["panels"]]
    taken: set[tuple[int, int]] = set()
    for place, title in places:
        cells = {
            (column, row)
            for column in range(place["x"], place["x"] + place["w"])
            for row in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24, title
        assert not cells & taken, title
        taken |= cells
    assert all(panel["description"] for panel in DASHBOARD["panels"] if panel["type"] != "row")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes a running service with traffic of every kind, and figures of monitoring."""
    program("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    bundle = write_bundle(folder / "model", rectangle_graph())
    ground = np.repeat(np.repeat(np.random.default_rng(1).integers(0, 120, (120, 160, 3), np.uint8), 4, 0), 4, 1)
    drawn = rectangles_rgb(640, 480, ("scratch", 100, 50, 120, 20), ("dent", 300, 200, 60, 60))
    photo = as_photo(np.where((drawn > 128).any(axis=2, keepdims=True), drawn, ground))
    _watch()
    with (
        _with_a_watcher(),
        serving(bundle, folder / "home", folder / "log") as service,
        page(_of_monitoring) as watching,
        prometheus(folder, [service.document["address"].removeprefix("http://"), watching]) as started,
    ):

        def answered() -> bool:
            """Traffic for as long as it takes until all queries have something to say."""
            service.inspect(upload("a.png", photo), upload("b.txt", b"no photo"))
            service.client.get("/v1/inspections", headers={"x-api-key": "dw_none"})
            return all(started.query(_plain(expression)) for _, expression in QUERIES)

        with suppress(AssertionError):  # which of them has nothing to say, the tests tell one by one
            until(answered, PATIENCE)
        yield started


@contextmanager
def _with_a_watcher() -> Iterator[None]:
    """Services that start within have the process that watches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DENTWATCH_MONITORING__ENABLED", "true")
        yield


def _watch() -> None:
    """What the process that watches would say."""
    metrics.incidents_open({"drift": 1}, 2.5, 5.0)
    metrics.evidence_seen({("light", "all"): 0.2, ("light", "channel=app"): 0.7})
    metrics.DRIFT_ARMED.set(1)
    metrics.BEHIND.set(3)
    metrics.ALERTS_WAITING.set(0)
    metrics.kpi_seen("recall", 0.81, 0.8, is_met=True)


def _of_monitoring() -> str:
    registry = CollectorRegistry()
    for name, value in vars(metrics).items():
        if name.isupper() and hasattr(value, "collect") and name != "REGISTRY":
            registry.register(value)
    return generate_latest(registry).decode()


def _plain(expression: str) -> str:
    """An expression of the dashboard with its variables as Grafana fills them in."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".*")


@pytest.mark.parametrize("expression", [query for _, query in QUERIES], ids=[name for name, _ in QUERIES])
def test_a_query_of_the_dashboard_gives_figures(server: Prometheus, expression: str) -> None:
    assert server.query(_plain(expression))


def test_the_page_of_the_service_has_the_figures_of_the_process_that_watches(server: Prometheus) -> None:
    watched = "dentwatch_monitoring_behind and on (instance) dentwatch_ready"
    until(lambda: server.query(watched), PATIENCE)
    assert server.query("dentwatch_drift_armed == 0 and on (instance) dentwatch_ready")  # there is no reference yet
    assert server.query('dentwatch_alert_attempts_total{outcome="given_up"} == 0 and on (instance) dentwatch_ready')
