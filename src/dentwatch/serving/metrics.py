"""What the service counts and times, for Prometheus: every metric, in one place. docs/telemetry.md explains each.

Worker processes count in files of one folder (:mod:`.metrics_folder`), so that whichever of them is asked answers for
all: sums for counters and histograms, those of workers that died included, and for gauges what their
``multiprocess_mode`` says. A process without such a folder answers for itself.

Labels have few values, whatever is sent: a route is its template, never a path.
"""

import os
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from dentwatch.serving import metrics_folder

REGISTRY = CollectorRegistry()

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

REQUESTS = Counter(
    "dentwatch_http_requests_total", "Requests that were answered.", ["route", "method", "status"], registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "dentwatch_http_request_duration_seconds",
    "Seconds from a request's headers to the end of its answer.",
    ["route"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
UNDER_WAY = Gauge(
    "dentwatch_http_requests_under_way",
    "Requests that are being answered.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
HELD_BYTES = Gauge(
    "dentwatch_held_bytes",
    "Bytes of requests that are held in memory.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
REFUSALS = Counter(
    "dentwatch_refusals_total", "Requests that were refused, by kind of problem.", ["status", "kind"], registry=REGISTRY
)
STAGE_SECONDS = Histogram(
    "dentwatch_stage_duration_seconds",
    "Seconds that a stage of an inspection took.",
    ["stage"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
PHOTOS = Counter("dentwatch_photos_total", "Photos that were looked at.", ["outcome"], registry=REGISTRY)
PHOTO_FAULTS = Counter(
    "dentwatch_photo_faults_total",
    "What was wrong with photos that failed or are unreliable.",
    ["outcome", "reason"],
    registry=REGISTRY,
)
DETECTIONS = Counter(
    "dentwatch_detections_total", "Detections that were answered.", ["label", "model"], registry=REGISTRY
)
COMMIT_CHANGES = Histogram(
    "dentwatch_commit_changes",
    "Changes that shared a commit of the database.",
    buckets=(1, 2, 4, 8, 16, 32, 64),
    registry=REGISTRY,
)
PENDING = Gauge(
    "dentwatch_pending_inspections",
    "Inspections that were accepted and wait for their answer.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
PENDING_SECONDS = Gauge(
    "dentwatch_pending_oldest_seconds",
    "Seconds that the oldest of the inspections has waited that wait for their answer.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
READY = Gauge(
    "dentwatch_ready",
    "1 while a part that inspections need can be used, 0 while it cannot.",
    ["part"],
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
FREE_BYTES = Gauge(
    "dentwatch_free_bytes",
    "Free bytes of the disk of the home.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
LEAST_FREE_BYTES = Gauge(
    "dentwatch_least_free_bytes",
    "Free bytes of that disk below which no inspection is taken.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
WEBHOOKS = Counter("dentwatch_webhook_attempts_total", "Attempts to deliver a webhook.", ["outcome"], registry=REGISTRY)
for _outcome in ("delivered", "put_off", "given_up"):
    WEBHOOKS.labels(_outcome)  # an increase is seen only from a first value on
MODEL = Gauge(
    "dentwatch_model_info",
    "1 for a model version that answers in this role, 0 for one that no longer does.",
    ["role", "version"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
MODEL_SWAPS = Counter(
    "dentwatch_model_swaps_total", "Changes of the model in a role, in each worker.", ["role"], registry=REGISTRY
)
REGISTRY_PROBLEM = Gauge(
    "dentwatch_registry_problem",
    "1 while the model registry cannot be followed.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)


def photo_seen(outcome: str, faults: Iterable[str] = ()) -> None:
    """Count a photo that was ``answered``, is ``unreliable`` or ``failed``, and each of its named faults."""
    PHOTOS.labels(outcome).inc()
    for fault in faults:
        PHOTO_FAULTS.labels(outcome, fault).inc()


def model_swapped(role: str, before: str | None, now: str | None) -> None:
    """Count that another model version, or none, has a role."""
    MODEL_SWAPS.labels(role).inc()
    if before is not None:
        MODEL.labels(role, before).set(0)
    if now is not None:
        MODEL.labels(role, now).set(1)


def of_all_processes() -> CollectorRegistry:
    """The metrics of all processes that count together."""
    if metrics_folder.VARIABLE not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def exposition(accept: str) -> tuple[bytes, str]:
    """All metrics in the form that ``accept`` (an HTTP header) prefers, and the media type of that form."""
    encode, media_type = choose_encoder(accept)
    return encode(of_all_processes()), media_type
