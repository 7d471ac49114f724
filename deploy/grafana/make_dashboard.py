"""Writes dentwatch-dashboard.json: `python deploy/grafana/make_dashboard.py`. A test holds that both say the same."""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "dentwatch-dashboard.json"

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH = 24  # of Grafana's grid
_GREEN, _AMBER, _RED = "green", "orange", "red"
_INSPECTIONS = 'instance=~"$instance", route="/v1/inspections"'
_HERE = 'instance=~"$instance"'

Panel = dict[str, Any]


def _rate(metric: str, by: str = "", more: str = "") -> str:
    """What ``metric`` grows per second, summed by the labels ``by``."""
    total = f"sum by ({by})" if by else "sum"
    return f"{total} (rate({metric}{{{_HERE}{more}}}[$__rate_interval]))"


def _quantile(share: float) -> str:
    buckets = f"rate(dentwatch_http_request_duration_seconds_bucket{{{_INSPECTIONS}}}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by (le) ({buckets}))"


def _panel(kind: str, title: str, about: str, width: int, height: int, **queries: str) -> Panel:
    """A panel; ``queries`` are expressions by their legend."""
    targets = [
        {"refId": chr(65 + number), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
        for number, (legend, expression) in enumerate(queries.items())
    ]
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": _SOURCE,
        "gridPos": {"w": width, "h": height, "x": 0, "y": 0},
        "targets": targets,
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {},
    }


def _figure(title: str, about: str, expression: str, unit: str, *limits: tuple[float, str]) -> Panel:
    """One large number; ``limits`` are the values from which on it has a colour."""
    panel = _panel("stat", title, about, 4, 4, **{title: expression})
    steps = [{"color": _GREEN, "value": None}, *({"color": colour, "value": value} for value, colour in limits)]
    panel["fieldConfig"]["defaults"] = {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}}
    panel["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background", "graphMode": "area"}
    return panel


def _graph(title: str, about: str, unit: str, width: int = 8, *, stack: bool = False, **queries: str) -> Panel:
    panel = _panel("timeseries", title, about, width, 8, **queries)
    drawn = {"lineWidth": 1, "fillOpacity": 20 if stack else 5, "showPoints": "never"}
    panel["fieldConfig"]["defaults"] = {
        "unit": unit,
        "min": 0,
        "custom": {**drawn, "stacking": {"mode": "normal" if stack else "none"}},
    }
    panel["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    return panel


def _table(title: str, about: str, width: int, label: str, **queries: str) -> Panel:
    """One row per value of ``label``, one column per query."""
    panel = _panel("table", title, about, width, 8, **queries)
    for target in panel["targets"]:
        target |= {"format": "table", "instant": True}
    names = {f"Value #{target['refId']}": target["legendFormat"] for target in panel["targets"]}
    panel["transformations"] = [
        {"id": "joinByField", "options": {"byField": label, "mode": "outer"}},
        {"id": "filterFieldsByName", "options": {"include": {"names": [label, *names]}}},
        {"id": "organize", "options": {"renameByName": names}},
    ]
    return panel


def _limit(panel: Panel, value: float) -> Panel:
    """The graph with a red line at ``value``."""
    steps = [{"color": "transparent", "value": None}, {"color": _RED, "value": value}]
    panel["fieldConfig"]["defaults"]["thresholds"] = {"mode": "absolute", "steps": steps}
    panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] = {"mode": "line"}
    return panel


def _rows() -> dict[str, list[Panel]]:
    """The panels by row: what an operator asks first comes first."""
    failed = _rate("dentwatch_http_requests_total", more=', status=~"5..", status!="503"')
    every = _rate("dentwatch_http_requests_total")
    return {
        "At a glance": [
            _figure(
                "Ready",
                "1 while inspections are taken everywhere.",
                f"min(dentwatch_ready{{{_HERE}}})",
                "none",
            ),
            _figure("Photos per second", "Looked at, whatever came of them.", _rate("dentwatch_photos_total"), "none"),
            _figure(
                "Faults of the service",
                "Share of requests that were answered 5xx, overload apart.",
                f"({failed} or vector(0)) / {every}",
                "percentunit",
                (0.001, _AMBER),
                (0.01, _RED),
            ),
            _figure("p99", "Of an inspection, from headers to answer.", _quantile(0.99), "s", (5, _AMBER), (10, _RED)),
            _figure(
                "Open incidents",
                "Drifts that are not over.",
                "sum(max by (level) (dentwatch_incidents_open))",
                "none",
                (1, _AMBER),
            ),
            _figure(
                "Recall lost",
                "Estimated, by the worst open incident, in percentage points.",
                "max(dentwatch_harm_recall_lost)",
                "none",
                (1, _AMBER),
                (5, _RED),
            ),
        ],
        "Traffic": [
            _graph(
                "Photos",
                "Per second, by what came of them.",
                "ops",
                stack=True,
                **{"{{outcome}}": _rate("dentwatch_photos_total", "outcome")},
            ),
            _graph(
                "Requests",
                "Per second, by status.",
                "reqps",
                stack=True,
                **{"{{status}}": _rate("dentwatch_http_requests_total", "status")},
            ),
            _graph(
                "Refusals",
                "Per second, by kind of problem; busy is overload.",
                "reqps",
                **{"{{status}} {{kind}}": _rate("dentwatch_refusals_total", "status, kind")},
            ),
        ],
        "Latency": [
            _graph(
                "An inspection",
                "From a request's headers to the end of its answer; its upload is part of it.",
                "s",
                **{"p50": _quantile(0.5), "p95": _quantile(0.95), "p99": _quantile(0.99)},
            ),
            _graph(
                "Where the time goes",
                "Seconds per second that a stage takes, over all workers.",
                "s",
                stack=True,
                **{"{{stage}}": _rate("dentwatch_stage_duration_seconds_sum", "stage")},
            ),
            _graph(
                "Changes per commit",
                "How many changes of the database share a commit; it rises under load.",
                "none",
                changes=f"{_rate('dentwatch_commit_changes_sum')} / {_rate('dentwatch_commit_changes_count')}",
            ),
        ],
        "Photos": [
            _graph(
                "What is wrong with photos",
                "Per second, by named reason; a photo may have several.",
                "ops",
                12,
                **{"{{outcome}}: {{reason}}": _rate("dentwatch_photo_faults_total", "outcome, reason")},
            ),
            _graph(
                "Detections per photo",
                "By label and model: a jump without a new model is a change of the photos.",
                "none",
                12,
                **{
                    "{{label}} ({{model}})": f"{_rate('dentwatch_detections_total', 'label, model')}"
                    f" / on () group_left () {_rate('dentwatch_photos_total')}"
                },
            ),
        ],
        "Drift": [
            _limit(
                _graph(
                    "Evidence by detector",
                    "As a share of what raises the alarm: 1 is an alarm.",
                    "none",
                    **{"{{channel}}": "max by (channel) (dentwatch_drift_evidence)"},
                ),
                1,
            ),
            _limit(
                _graph(
                    "Evidence by slice",
                    "The strongest of the slice's detectors.",
                    "none",
                    **{"{{slice}}": "max by (slice) (dentwatch_drift_evidence)"},
                ),
                1,
            ),
            _graph(
                "Open incidents",
                "By level: noticed, drift (harm within tolerance), critical (beyond).",
                "none",
                stack=True,
                **{"{{level}}": "max by (level) (dentwatch_incidents_open)"},
            ),
            _graph(
                "Recall lost",
                "Estimated without labels, in percentage points, beside what is tolerated.",
                "none",
                12,
                lost="max(dentwatch_harm_recall_lost)",
                tolerated="max(dentwatch_harm_tolerance)",
            ),
            _graph(
                "Monitoring itself",
                "Inspections that it has not seen yet, and whether it has a reference (1) or not (0).",
                "none",
                12,
                behind="max(dentwatch_monitoring_behind)",
                armed="max(dentwatch_drift_armed)",
            ),
        ],
        "KPIs": [
            _table(
                "KPIs",
                "Each with its target; met is 1 where it keeps to it.",
                12,
                "kpi",
                value="max by (kpi) (dentwatch_kpi)",
                target="max by (kpi) (dentwatch_kpi_target)",
                met="max by (kpi) (dentwatch_kpi_met)",
            ),
            _graph("KPIs over time", "In the unit of each.", "none", 12, **{"{{kpi}}": "max by (kpi) (dentwatch_kpi)"}),
        ],
        "Resources and deliveries": [
            _graph(
                "Held requests",
                "Bytes of requests in memory, and how many are under way.",
                "bytes",
                bytes=f"sum(dentwatch_held_bytes{{{_HERE}}})",
                requests=f"sum(dentwatch_http_requests_under_way{{{_HERE}}})",
            ),
            _graph(
                "Free disk",
                "By instance, beside the room below which no inspection is taken.",
                "bytes",
                **{
                    "{{instance}}": f"dentwatch_free_bytes{{{_HERE}}}",
                    "least": f"max(dentwatch_least_free_bytes{{{_HERE}}})",
                },
            ),
            _graph(
                "Accepted inspections",
                "That wait for their answer, and for how many seconds the oldest has.",
                "none",
                waiting="max(dentwatch_pending_inspections)",
                **{"oldest, seconds": "max(dentwatch_pending_oldest_seconds)"},
            ),
            _graph(
                "Webhooks",
                "Attempts per second.",
                "ops",
                **{"{{outcome}}": _rate("dentwatch_webhook_attempts_total", "outcome")},
            ),
            _graph(
                "Alerts",
                "Attempts per second, and deliveries that wait.",
                "none",
                **{
                    "{{outcome}}": _rate("dentwatch_alert_attempts_total", "outcome"),
                    "waiting": "max(dentwatch_alerts_waiting)",
                },
            ),
            _graph(
                "Models",
                "Workers answer with these versions; a change is a promotion or rollback gone live.",
                "none",
                **{"{{role}} {{version}}": f"max by (role, version) (dentwatch_model_info{{{_HERE}}})"},
            ),
        ],
    }


def _laid_out(rows: dict[str, list[Panel]]) -> list[Panel]:
    """The panels in their places, each row under its heading."""
    placed: list[Panel] = []
    top = 0
    for title, panels in rows.items():
        placed.append(
            {"type": "row", "title": title, "collapsed": False, "gridPos": {"w": _WIDTH, "h": 1, "x": 0, "y": top}}
        )
        top, left = top + 1, 0
        for panel in panels:
            place = panel["gridPos"]
            if left + place["w"] > _WIDTH:
                top, left = top + place["h"], 0
            panel["gridPos"] = {**place, "x": left, "y": top}
            left += place["w"]
            placed.append(panel)
        top += panels[-1]["gridPos"]["h"]
    return [{"id": number, **panel} for number, panel in enumerate(placed, 1)]


def dashboard() -> dict[str, Any]:
    """The document that Grafana imports."""
    instances = {"query": "label_values(dentwatch_ready, instance)", "refId": "instances"}
    variables = [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
        {
            "name": "instance",
            "label": "Instance",
            "type": "query",
            "datasource": _SOURCE,
            "query": instances,
            "definition": instances["query"],
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
            "refresh": 2,
        },
    ]
    return {
        "uid": "dentwatch",
        "title": "Dentwatch",
        "tags": ["dentwatch"],
        "schemaVersion": 38,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": variables},
        "panels": _laid_out(_rows()),
    }


def text() -> str:
    """The file, to the letter."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
