"""An inspection can be followed from the caller's trace through every stage."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from collector import Span, spans_in
from command import dentwatch
from receiver import Receiver, receiving, until
from rectangles import as_photo, rectangles_rgb
from running_service import Service, serving, upload

from dentwatch.errors import MissingExtraError, SettingsError
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving import otlp

PHOTO = as_photo(rectangles_rgb(640, 480, ("scratch", 100, 50, 120, 20)))
BLACK = as_photo(np.zeros((48, 64, 3), np.uint8))
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERVER = 2  # SPAN_KIND_SERVER


@pytest.fixture(scope="module")
def collector() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture(scope="module")
def service(bundle: ModelBundle, collector: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("tracing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.removesuffix("/hook"))
        patch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with serving(bundle, folder / "home", folder / "log", workers=2, concurrency=2) as service:
            yield service


def _trace(collector: Receiver, trace: str, root: str) -> dict[str, list[Span]]:
    """The spans of a trace by name, once the one called ``root`` has arrived: it ends last."""

    def spans() -> list[Span]:
        return [span for span in spans_in(collector) if span.trace == trace]

    until(lambda: any(span.name == root for span in spans()))
    found: dict[str, list[Span]] = {}
    for span in spans():
        found.setdefault(span.name, []).append(span)
    return found


def test_an_inspection_continues_the_callers_trace_with_a_span_per_stage(service: Service, collector: Receiver) -> None:
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    uploads = [upload("a.png", PHOTO), upload("b.png", BLACK), upload("c.txt", b"no photo")]
    inspection = service.inspect(*uploads, headers=headers).json()
    found = _trace(collector, TRACE, "POST /v1/inspections")
    [request] = found.pop("POST /v1/inspections")
    assert (request.parent, request.kind, request.failed) == (CALLER, SERVER, False)
    assert request.attributes["http.route"] == "/v1/inspections"
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["dentwatch.inspection.id"] == inspection["id"]
    assert request.resource["service.name"] == "dentwatch"
    assert request.resource["deployment.environment.name"] == "test"
    counts = {name: len(spans) for name, spans in found.items()}
    assert counts == {"store": 3, "decode": 3, "infer": 2, "assemble": 1, "gate": 2, "commit": 1}
    [assemble] = found["assemble"]
    for name, spans in found.items():
        for span in spans:
            assert span.parent == (assemble.id if name == "gate" else request.id), name
            assert request.start <= span.start <= span.end <= request.end
    assert {span.attributes["dentwatch.photo.bytes"] for span in found["store"]} == {len(PHOTO), len(BLACK), 8}
    sizes = [{key.rpartition(".")[2]: value for key, value in span.attributes.items()} for span in found["decode"]]
    for expected in ({"width": 640, "height": 480}, {"width": 64, "height": 48}, {"fault": "not_an_image"}):
        assert expected in sizes
    assert {span.attributes["dentwatch.model"] for span in found["infer"]} == {service.document["model"]}
    assert sorted(span.attributes["dentwatch.detections"] for span in found["infer"]) == [0, 1]
    assert any("too_dark" in span.attributes["dentwatch.photo.faults"] for span in found["gate"])


def test_traces_of_requests_at_the_same_time_stay_apart(service: Service, collector: Receiver) -> None:
    traces = [f"{number:032x}" for number in range(1, 9)]

    def ask(trace: str) -> None:
        service.inspect(upload("a.png", PHOTO), headers={"traceparent": f"00-{trace}-{CALLER}-01"})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, traces))
    for trace in traces:
        found = _trace(collector, trace, "POST /v1/inspections")
        assert sorted(found) == ["POST /v1/inspections", "assemble", "commit", "decode", "gate", "infer", "store"]
        assert {len(spans) for spans in found.values()} == {1}


def test_a_route_of_a_contract_is_traced_under_its_template(service: Service, collector: Receiver) -> None:
    version = service.document["model"].rpartition("/")[2]
    headers = {"traceparent": f"00-{'3' * 32}-{CALLER}-01", "Inference-Header-Content-Length": "0"}
    path = f"/v2/models/dentwatch/versions/{version}/infer"
    assert service.client.post(path, content=PHOTO, headers=headers).status_code == 200
    found = _trace(collector, "3" * 32, "POST /v2/models/{name}/versions/{version}/infer")
    assert {"decode", "infer"} < found.keys()


def test_an_inspection_that_is_answered_later_goes_on_in_the_trace_of_its_request(
    service: Service, collector: Receiver
) -> None:
    headers = {"Prefer": "respond-async", "traceparent": f"00-{'4' * 32}-{CALLER}-01"}
    pending = service.inspect(upload("a.png", PHOTO), headers=headers).json()

    def finished() -> list[Span]:
        spans = [span for span in spans_in(collector) if span.name == "finish"]
        return [span for span in spans if span.attributes["dentwatch.inspection.id"] == pending["id"]]

    until(finished)
    [finish] = finished()
    assert finish.trace == "4" * 32
    found = _trace(collector, finish.trace, "POST /v1/inspections")
    [request] = found["POST /v1/inspections"]
    assert (request.parent, finish.parent) == (CALLER, request.id)
    assert {"decode", "infer", "gate", "commit"} <= found.keys()


def test_an_unsampled_trace_is_not_sent_and_probes_have_none(service: Service, collector: Receiver) -> None:
    unsampled = "1" * 32
    service.inspect(upload("a.png", PHOTO), headers={"traceparent": f"00-{unsampled}-{CALLER}-00"})
    for path in ("/healthz", "/readyz", "/metrics", "/ping"):
        service.client.get(path)
    service.client.get("/v1/inspections", headers={"traceparent": f"00-{'2' * 32}-{CALLER}-01"})
    _trace(collector, "2" * 32, "GET /v1/inspections")  # what came before it has arrived, too
    spans = spans_in(collector)
    assert unsampled not in {span.trace for span in spans}
    assert not [
        span for span in spans if span.attributes.get("url.path") in ("/healthz", "/readyz", "/metrics", "/ping")
    ]


def test_spans_that_wait_are_sent_when_the_service_ends(
    bundle: ModelBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as collector:
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
        with serving(bundle, tmp_path / "home", tmp_path / "log") as service:
            service.inspect(upload("a.png", PHOTO))
            assert not collector.requests
        assert "POST /v1/inspections" in {span.name for span in spans_in(collector)}


def test_a_collector_that_does_not_answer_holds_up_neither_answers_nor_the_end(
    bundle: ModelBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as collector:
        collector.hold = 8.0
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        with serving(bundle, tmp_path / "home", tmp_path / "log") as service:
            service.inspect(upload("a.png", PHOTO))
            until(lambda: collector.requests)
            start = time.monotonic()
            assert service.inspect(upload("a.png", PHOTO)).status_code == 200
            assert time.monotonic() - start < 4
            service.process.terminate()
            assert service.process.wait(20) == 0
            assert time.monotonic() - start < 8
        collector.hold = 0


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_traces_are_sent_only_where_the_environment_asks(
    variables: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert otlp.is_wanted("TRACES") is wanted
    otlp.check("TRACES")


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_TRACES_EXPORTER", "jaeger"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]
)
def test_what_is_not_supported_is_said_before_the_service_starts(
    name: str, value: str, bundle: ModelBundle, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name} is '{value}'"):
        otlp.check("TRACES")
    run = dentwatch("serve", "--port", "0", "--model", bundle.folder)
    assert run.returncode == 1
    assert name in run.stderr


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setattr(otlp, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'dentwatch\[telemetry\]'"):
        otlp.check("TRACES")
