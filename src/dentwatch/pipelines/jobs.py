"""The jobs: one for each part of the loop, run within one process to save memory."""

from typing import TYPE_CHECKING

import dagster as dg

from dentwatch.pipelines import data, deployment, response, training
from dentwatch.pipelines.carrying import carried_out, shown

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


@dg.asset(group_name="night", description="The champion on the frozen test set, and KPIs that are up to date.")
def night(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Do the night's work."""
    return dg.MaterializeResult(metadata=shown(carried_out(context)))


def _job(name: str, description: str, *assets: dg.AssetsDefinition) -> "UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*assets) | dg.AssetSelection.checks_for_assets(*assets),
        executor_def=dg.in_process_executor,
        description=description,
    )


data_job = _job("data_pipeline", "Take a batch in.", data.ingested_batch, data.dataset_version)
training_job = _job(
    "training_pipeline",
    "Train a challenger.",
    training.candidates,
    training.best_model,
    training.evaluation,
    training.registered_challenger,
)
gate_job = _job("gate_pipeline", "Hold a challenger against the champion.", deployment.gate_ruling)
deployment_job = _job("inference_pipeline", "Roll a challenger out, and guard it.", deployment.deployment)
remedy_job = _job(
    "monitoring_pipeline",
    "Investigate an incident, compare remedies, verify its end.",
    response.drift_window,
    response.incident,
    response.diagnosis,
    response.remedy,
)
night_job = _job("night_work", "The night's work.", night)

JOBS = (data_job, training_job, gate_job, deployment_job, remedy_job, night_job)
