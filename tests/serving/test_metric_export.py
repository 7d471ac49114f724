"""A collector gets the figures that Prometheus reads, once for all workers, and nobody waits for it."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from collector import Figures, figures_in
from kills import workers_of
from prometheus_client import CollectorRegistry, Counter, Gauge
from receiver import Receiver, receiving, until
from rectangles import as_photo, rectangles_rgb
from running_service import Service, serving, upload
from scraped import Scraped

from dentwatch.errors import SettingsError
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving import metric_export, metrics, otlp
from dentwatch.serving.metric_export import MetricExport

PHOTO = as_photo(rectangles_rgb(640, 480, ("scratch", 100, 50, 120, 20)))
CUMULATIVE = 2  # AGGREGATION_TEMPORALITY_CUMULATIVE


@pytest.fixture(scope="module")
def collector() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture(scope="module")
def service(bundle: ModelBundle, collector: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("export")
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # for the service, and not for the tests of this file
            patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.removesuffix("/hook"))
            patch.setenv("OTEL_TRACES_EXPORTER", "none")
            patch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
            service = stack.enter_context(serving(bundle, folder / "home", folder / "log", workers=2))
        yield service


def _latest(collector: Receiver, name: str, value: float, **labels: str) -> Figures:
    """The first figures in which the sum of the counter ``name`` is ``value``."""

    def matching() -> list[Figures]:
        return [one for one in figures_in(collector) if sum(point.as_double for point in one(name, **labels)) == value]

    until(matching, 30)
    return matching()[-1]


def test_figures_are_those_that_prometheus_reads(service: Service, collector: Receiver) -> None:
    for _ in range(3):
        assert service.inspect(upload("a.png", PHOTO), upload("b.png", PHOTO)).status_code == 200
    figures = _latest(collector, "dentwatch_photos_total", 6)
    scraped = Scraped.of(service)
    [counted] = figures("dentwatch_photos_total", outcome="unreliable")  # they show nothing but a rectangle
    assert counted.as_double == scraped("dentwatch_photos_total", outcome="unreliable") == 6
    assert figures.kinds["dentwatch_photos_total"] == "sum"
    assert counted.start_time_unix_nano < counted.time_unix_nano
    [decode] = figures("dentwatch_stage_duration_seconds", stage="decode")
    assert decode.count == sum(decode.bucket_counts) == 6
    assert len(decode.bucket_counts) == len(decode.explicit_bounds) + 1
    assert decode.sum == pytest.approx(scraped("dentwatch_stage_duration_seconds_sum", stage="decode"))
    assert not decode.HasField("max")  # what nobody knows is not told
    below = 0
    for bound, count in zip(decode.explicit_bounds, decode.bucket_counts, strict=False):
        below += count
        assert below == scraped("dentwatch_stage_duration_seconds_bucket", stage="decode", le=str(bound))
    assert figures.kinds["dentwatch_stage_duration_seconds"] == "histogram"
    assert [point.as_double for point in figures("dentwatch_ready")] == [1, 1]  # nobody has scraped to set it
    assert figures("dentwatch_free_bytes")[0].as_double > 0
    assert figures.resource["service.name"] == "dentwatch"


def test_one_worker_sends_for_all(service: Service, collector: Receiver) -> None:
    assert len(workers_of(service.process.pid)) >= 2
    until(lambda: len(figures_in(collector)) > 4)
    every = figures_in(collector)
    assert len({one.resource["service.instance.id"] for one in every}) == 1
    began = {point.start_time_unix_nano for one in every for point in one("dentwatch_model_info")}
    assert len(began) == 1
    times = [point.time_unix_nano for one in every for point in one("dentwatch_free_bytes")]
    assert times == sorted(set(times))


def test_what_is_not_known_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = CollectorRegistry()
    Gauge("waiting", "", registry=registry).set(float("nan"))
    Counter("seen", "", registry=registry).inc(3)
    monkeypatch.setattr(metrics, "of_all_processes", lambda: registry)
    [resource] = metric_export._collected("here", 0).resource_metrics
    found = {metric.name: metric.data.data_points for metric in resource.scope_metrics[0].metrics}
    assert "waiting" not in found
    assert [point.value for point in found["seen_total"]] == [3]


def test_the_last_figures_are_sent_at_the_end_also_where_a_refresh_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise TimeoutError

    with receiving() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{collector.url}/metrics")
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
        export = MetricExport()
        export.start(fails)
        until(lambda: len(figures_in(collector)) > 1)
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
        until(lambda: collector.requests)
        metrics.MODEL_SWAPS.labels("test").inc()
        export.close()
        assert figures_in(collector)[-1]("dentwatch_model_swaps_total", role="test")


def test_a_collector_that_does_not_answer_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as collector:
        collector.hold = 8.0
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{collector.url}/metrics")
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "1")
        export = MetricExport()
        export.start(lambda: None)
        until(lambda: collector.requests)
        start = time.monotonic()
        export.close()
        assert time.monotonic() - start < 6
        collector.hold = 0


def test_without_being_asked_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318/v1/traces")
    assert otlp.is_wanted("TRACES")
    assert not otlp.is_wanted("METRICS")
    export = MetricExport()
    export.start(lambda: pytest.fail("nothing is to be sent"))
    export.close()


def test_a_protocol_that_is_not_spoken_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc")
    with pytest.raises(SettingsError, match="metrics are sent with 'http/protobuf' only"):
        otlp.check("METRICS")
