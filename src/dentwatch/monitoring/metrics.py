"""What monitoring says in figures, for Prometheus; they are shown with those of the service (:mod:`..serving.metrics`).

The process that watches sets them. Gauges are those of the process that lives: one that died says nothing any more, and
its share of the counters stays. docs/telemetry.md explains each.
"""

import math
from collections.abc import Mapping

from prometheus_client import Counter, Gauge

from dentwatch.monitoring.incidents import LEVELS
from dentwatch.serving.metrics import REGISTRY

DRIFT_EVIDENCE = Gauge(
    "dentwatch_drift_evidence",
    "Evidence of drift, as a share of what raises the alarm: 1 is an alarm.",
    ["channel", "slice"],
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
DRIFT_ARMED = Gauge(
    "dentwatch_drift_armed",
    "1 while the detectors compare with a reference, 0 while none is large enough.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
INCIDENTS_OPEN = Gauge(
    "dentwatch_incidents_open",
    "Incidents that are not resolved.",
    ["level"],
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
HARM_RECALL_LOST = Gauge(
    "dentwatch_harm_recall_lost",
    "Estimated recall that the worst open incident costs, in percentage points.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
HARM_TOLERANCE = Gauge(
    "dentwatch_harm_tolerance",
    "Recall that a drift may cost before it is critical, in percentage points.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
BEHIND = Gauge(
    "dentwatch_monitoring_behind",
    "Finished inspections that monitoring has not seen yet.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
ALERT_ATTEMPTS = Counter(
    "dentwatch_alert_attempts_total", "Attempts to deliver an alert.", ["outcome"], registry=REGISTRY
)
ALERTS_WAITING = Gauge(
    "dentwatch_alerts_waiting",
    "Deliveries of alerts that are neither made nor given up.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
KPI = Gauge(
    "dentwatch_kpi",
    "The business's figures of the last 30 days, in the unit of each.",
    ["kpi"],
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
KPI_TARGET = Gauge(
    "dentwatch_kpi_target",
    "What each of these figures should reach, or stay below.",
    ["kpi"],
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
KPI_MET = Gauge(
    "dentwatch_kpi_met",
    "1 for a figure that keeps to its target, 0 for one that misses it.",
    ["kpi"],
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)

for _outcome in ("delivered", "put_off", "given_up"):
    ALERT_ATTEMPTS.labels(_outcome)  # an increase is seen only from a first value on


_seen: set[tuple[str, str]] = set()  # labels of the evidence that was told


def kpi_seen(name: str, value: float | None, target: float | None, is_met: bool | None) -> None:
    """Say where a KPI stands; None is what is not known (yet)."""
    for gauge, figure in ((KPI, value), (KPI_TARGET, target), (KPI_MET, is_met)):
        gauge.labels(name).set(math.nan if figure is None else figure)


def incidents_open(counts: Mapping[str, int], recall_lost: float | None, tolerance: float) -> None:
    """Say how many incidents are open by level, and what the worst of them costs (percentage points).

    ``recall_lost`` None means that no harm of an open incident is known: that is told as NaN where incidents are open,
    and as 0 where none is.
    """
    for level in LEVELS:
        INCIDENTS_OPEN.labels(level).set(counts.get(level, 0))
    unknown = math.nan if any(counts.values()) else 0.0
    HARM_RECALL_LOST.set(unknown if recall_lost is None else recall_lost)
    HARM_TOLERANCE.set(tolerance)


def evidence_seen(evidence: Mapping[tuple[str, str], float]) -> None:
    """Say how strong the evidence of drift is, by (channel of the detector, slice), as a share of the threshold."""
    _seen.update(evidence)
    for (channel, part), value in evidence.items():
        DRIFT_EVIDENCE.labels(channel, part).set(value)


def no_longer_watching() -> None:
    """Take back what this process said about drift and incidents: another watches now, and says it."""
    for gauge in (DRIFT_ARMED, HARM_RECALL_LOST, BEHIND):
        gauge.set(math.nan)
    for level in LEVELS:
        INCIDENTS_OPEN.labels(level).set(math.nan)
    for channel, part in _seen:
        DRIFT_EVIDENCE.labels(channel, part).set(math.nan)
    _seen.clear()
