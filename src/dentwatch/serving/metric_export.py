"""Metrics for OpenTelemetry, sent over OTLP/HTTP: the same figures that Prometheus reads, under the same names.

They are read from where the service counts (:mod:`.metrics`) instead of being counted twice, so histograms keep their
buckets, and figures of all worker processes and of monitoring are sent as those of one service, by one of the workers:
whoever holds the lock. OpenTelemetry's own instruments could not be fed so, as there is no observable histogram.
"""

import fcntl
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from dentwatch.serving import metrics, metrics_folder, otlp

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric, MetricsData

_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
_DEFAULT_INTERVAL = 60_000  # milliseconds, as OpenTelemetry's specification says
_PATIENCE_SECONDS = 1.0  # for the last figures, when the process ends: traces may take their time after that
_LOCK = "otlp"

_log = logging.getLogger(__name__)


class MetricExport:
    """Sends all metrics every ``OTEL_METRIC_EXPORT_INTERVAL`` milliseconds, where the environment asks for metrics."""

    def __init__(self) -> None:
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, refresh: Callable[[], None]) -> None:
        """Begin to send; ``refresh`` sets what is only read when somebody asks, before each time."""
        if otlp.is_wanted("METRICS"):
            self._thread = threading.Thread(target=self._run, args=(refresh,), name="metrics", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Send the last figures, and wait a moment for them to go."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE_SECONDS)

    def _run(self, refresh: Callable[[], None]) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        exporter = OTLPMetricExporter()
        turn = _Turn()
        while not self._closed.wait(_interval_seconds()):
            if turn.is_ours():
                try:
                    refresh()
                except Exception as error:  # what it sets is old then; the rest is not
                    _log.warning("Some metrics could not be refreshed: %s", error or type(error).__name__)
                exporter.export(_collected(turn.name, turn.since))
        if turn.is_ours():
            exporter.export(_collected(turn.name, turn.since))


class _Turn:
    """Which of the worker processes sends: the first that takes the lock, for as long as it lives.

    ``name`` tells this service from others, ``since`` is when its counters began (nanoseconds since 1970).
    """

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self.since = time.time_ns()
        self._lock: IO[str] | None = None
        if folder := os.environ.get(metrics_folder.VARIABLE):
            self.name = f"{socket.gethostname()}-{Path(folder).name.rpartition('-')[2]}"
            self._lock = (Path(folder) / _LOCK).open("a")
            self.since = (Path(folder) / metrics_folder.LOCK).stat().st_mtime_ns

    def is_ours(self) -> bool:
        if self._lock is None:
            return True
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _interval_seconds() -> float:
    given = os.environ.get(_INTERVAL, "")
    return (int(given) if given.isdecimal() and int(given) else _DEFAULT_INTERVAL) / 1000


def _collected(name: str, since: int) -> "MetricsData":
    """Every metric as it stands, as OTLP's data model has it."""
    from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    now = time.time_ns()
    converted = (_converted(family, since, now) for family in metrics.of_all_processes().collect())
    known = [metric for metric in converted if metric.data.data_points]
    scope = ScopeMetrics(InstrumentationScope("dentwatch"), known, "")
    return MetricsData([ResourceMetrics(otlp.resource(**{"service.instance.id": name}), [scope], "")])


def _converted(family: Family, since: int, now: int) -> "Metric":
    from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, Histogram, Metric, NumberDataPoint, Sum

    def points(samples: Iterable[Sample]) -> list[NumberDataPoint]:
        return [
            NumberDataPoint(sample.labels, since, now, sample.value)
            for sample in samples
            if not math.isnan(sample.value)  # not known: then nothing is said
        ]

    total = f"{family.name}_total"
    if family.type == "counter":
        data = points(sample for sample in family.samples if sample.name == total)
        cumulative = AggregationTemporality.CUMULATIVE
        return Metric(total, family.documentation, "", Sum(data, cumulative, is_monotonic=True))
    if family.type == "histogram":
        histogram = Histogram(_histogram_points(family, since, now), AggregationTemporality.CUMULATIVE)
        return Metric(family.name, family.documentation, "", histogram)
    return Metric(family.name, family.documentation, "", Gauge(points(family.samples)))


def _histogram_points(family: Family, since: int, now: int) -> list[Any]:
    """One point per set of labels, from the cumulative buckets that Prometheus has."""
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    buckets: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in family.samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        if sample.name.endswith("_bucket"):
            buckets.setdefault(labels, {})[float(sample.labels["le"])] = sample.value
        elif sample.name.endswith("_sum"):
            sums[labels] = sample.value
    found = []
    for labels, by_bound in buckets.items():
        bounds = sorted(by_bound)
        up_to = [int(by_bound[bound]) for bound in bounds]
        counts = [one - before for one, before in zip(up_to, [0, *up_to], strict=False)]
        # The least and the greatest value are not known; OTLP may leave them out, though the type does not say so.
        unknown: Any = None
        point = HistogramDataPoint(
            dict(labels), since, now, up_to[-1], sums.get(labels, 0.0), counts, bounds[:-1], unknown, unknown
        )
        found.append(point)
    return found
