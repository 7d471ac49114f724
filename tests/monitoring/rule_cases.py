"""For each Prometheus rule: figures under which it fires, and what it then says."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """``series`` in promtool's notation, one value a minute; ``minute`` is when the alert fires."""

    series: dict[str, str]
    minute: int
    summary: str
    labels: dict[str, str] = field(default_factory=dict)


UP = 'up{job="dentwatch", instance="car"}'
REQUESTS = 'dentwatch_http_requests_total{route="/v1/inspections", method="POST", status="%s"}'
BUCKET = 'dentwatch_http_request_duration_seconds_bucket{route="/v1/inspections", le="%s"}'
BUSY = 'dentwatch_refusals_total{status="503", kind="busy"}'
FREE, LEAST = 'dentwatch_free_bytes{instance="car"}', 'dentwatch_least_free_bytes{instance="car"}'
PHOTOS = 'dentwatch_photos_total{outcome="%s"}'
INCIDENTS = 'dentwatch_incidents_open{level="%s"}'
READY = 'dentwatch_ready{instance="car", part="%s"}'
WEBHOOKS = 'dentwatch_webhook_attempts_total{outcome="given_up"}'
ALERTS = 'dentwatch_alert_attempts_total{outcome="%s"}'

CALM = {
    UP: "1x3000",
    READY % "database": "1x3000",
    REQUESTS % "200": "0+600x3000",
    REQUESTS % "503": "0+6x3000",
    REQUESTS % "500": "0+1x3000",
    BUCKET % "1.0": "0+597x3000",
    BUCKET % "+Inf": "0+600x3000",
    BUSY: "0+6x3000",
    "dentwatch_pending_oldest_seconds": "30x3000",
    FREE: "50000000000x3000",
    LEAST: "500000000x3000",
    PHOTOS % "answered": "0+600x3000",
    PHOTOS % "unreliable": "0+100x3000",
    WEBHOOKS: "7x3000",
    "dentwatch_registry_problem": "0x3000",
    INCIDENTS % "noticed": "0x3000",
    INCIDENTS % "critical": "0x3000",
    "dentwatch_harm_recall_lost": "2x3000",
    "dentwatch_harm_tolerance": "5x3000",
    "dentwatch_drift_armed": "1x3000",
    "dentwatch_monitoring_behind": "12x3000",
    ALERTS % "delivered": "0+1x3000",
    ALERTS % "put_off": "1x3000",
    'dentwatch_kpi_met{kpi="recall"}': "1x3000",
}
"""A service that does what it should; no alert fires in its fifty hours."""

CASES = {
    "DentwatchDown": Case(
        {UP: "1 0x10"}, 3, "Dentwatch at car does not answer.", {"job": "dentwatch", "instance": "car"}
    ),
    "DentwatchNotReady": Case(
        {READY % "database": "1 0x10", READY % "photos": "1x10"},
        3,
        "Dentwatch at car takes no inspections: database cannot be used.",
        {"instance": "car", "part": "database"},
    ),
    "DentwatchErrors": Case(
        {REQUESTS % "200": "0+95x20", REQUESTS % "500": "0+5x20", REQUESTS % "503": "0+0x20"},
        12,
        "5% of the requests fail by a fault of the service.",
    ),
    "DentwatchSlow": Case(
        {BUCKET % "10.0": "0+90x40", BUCKET % "30.0": "0+100x40", BUCKET % "+Inf": "0+100x40"},
        25,
        "One inspection in a hundred takes longer than 28s.",
    ),
    "DentwatchOverloaded": Case(
        {REQUESTS % "200": "0+90x20", REQUESTS % "503": "0+10x20", BUSY: "0+10x20"},
        12,
        "10% of the requests are told to come back: all places are taken.",
    ),
    "DentwatchBacklogOld": Case(
        {"dentwatch_pending_oldest_seconds": "900x20"}, 10, "An accepted inspection has waited 15m 0s for its answer."
    ),
    "DentwatchDiskFilling": Case(
        {FREE: "838860800x20", LEAST: "500000000x20"},
        10,
        "The disk of car has 800MiB left; soon no inspection is taken.",
        {"instance": "car"},
    ),
    "DentwatchNoTraffic": Case(
        {PHOTOS % "answered": "0+10x60 600x200"},
        200,
        "No photo has come for two hours, after a day on which many did.",
    ),
    "DentwatchUnreliablePhotos": Case(
        {PHOTOS % "answered": "0+40x90", PHOTOS % "unreliable": "0+50x90", PHOTOS % "failed": "0+10x90"},
        75,
        "60% of the photos fail or are turned down by the quality gate.",
    ),
    "DentwatchWebhooksFailing": Case(
        {WEBHOOKS: "0x10 1x20"},
        15,
        "Webhooks were given up: their receivers have not got answers that they asked for.",
    ),
    "DentwatchRegistryProblem": Case(
        {"dentwatch_registry_problem": "0 1x20"},
        15,
        "The model registry cannot be followed: a promotion or rollback would not go live.",
    ),
    "DentwatchIncidentOpen": Case(
        {INCIDENTS % "drift": "2x10", INCIDENTS % "critical": "0x10"},
        2,
        "Drift: 2 open at level drift.",
        {"level": "drift"},
    ),
    "DentwatchIncidentCritical": Case(
        {INCIDENTS % "critical": "1x10"}, 2, "Drift that costs more recall than is tolerated: 1 open."
    ),
    "DentwatchHarmBeyondTolerance": Case(
        {"dentwatch_harm_recall_lost": "9.25x10", "dentwatch_harm_tolerance": "5x10"},
        2,
        "A drift costs about 9.2 percentage points of recall.",
    ),
    "DentwatchDriftNotArmed": Case(
        {"dentwatch_drift_armed": "0x1500"}, 1450, "Drift is not watched: there is no reference that is large enough."
    ),
    "DentwatchMonitoringStopped": Case({UP: "1x20"}, 12, "The service answers, and nothing watches it for drift."),
    "DentwatchMonitoringBehind": Case(
        {"dentwatch_monitoring_behind": "4000x30"}, 20, "Monitoring has yet to see 4000 finished inspections."
    ),
    "DentwatchAlertsFailing": Case(
        {ALERTS % "put_off": "0x10 4x30", ALERTS % "delivered": "0+9x40"},
        30,
        "Dentwatch's own alerts do not arrive where they should.",
    ),
    "DentwatchKpiMissed": Case(
        {'dentwatch_kpi_met{kpi="recall"}': "0x90", 'dentwatch_kpi_met{kpi="adoption_rate"}': "1x90"},
        70,
        "The KPI recall misses its target.",
        {"kpi": "recall"},
    ),
}
