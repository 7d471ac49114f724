"""Everything that Dagster loads: ``dagster-webserver -m dentwatch.pipelines.definitions`` or ``dentwatch up``."""

import dagster as dg

from dentwatch.pipelines import data, deployment, jobs, response, sensors, training

defs = dg.Definitions(
    assets=[
        data.ingested_batch,
        data.dataset_version,
        training.candidates,
        training.best_model,
        training.evaluation,
        training.registered_challenger,
        deployment.gate_ruling,
        deployment.deployment,
        response.drift_window,
        response.incident,
        response.diagnosis,
        response.remedy,
        jobs.night,
    ],
    asset_checks=[
        data.validation_report,
        data.no_leakage,
        data.class_balance,
        training.parity,
        deployment.gate,
        deployment.latency_budget,
    ],
    jobs=list(jobs.JOBS),
    sensors=list(sensors.SENSORS),
    schedules=[sensors.nightly],
)
