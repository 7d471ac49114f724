"""The training pipeline: candidates, the best of them, its evaluation, and the registered challenger at the gate."""

import dagster as dg

from dentwatch import settings
from dentwatch.pipelines.carrying import carried_out, shown, step_of
from dentwatch.pipelines.data import dataset_version
from dentwatch.records.admission import PARITY_BOUNDS
from dentwatch.records.model_versions import ModelVersion
from dentwatch.records.registry import Registry

GROUP = "training"


@dg.asset(
    deps=[dataset_version],
    group_name=GROUP,
    description="What was trained: one network warm from the champion, or those of a search.",
)
def candidates(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Retrain, or search."""
    return dg.MaterializeResult(metadata=shown(carried_out(context)))


@dg.asset(deps=[candidates], group_name=GROUP, description="The network that goes on: its run and settings.")
def best_model(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Show its run."""
    version = _version(context)
    return dg.MaterializeResult(
        metadata={"model": version.reference, "run": version.run_id, "detector": version.spec.detector}
    )


@dg.asset(deps=[best_model], group_name=GROUP, description="What it reached on val.")
def evaluation(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Show its figures."""
    return dg.MaterializeResult(metadata={name: float(one) for name, one in _version(context).spec.metrics.items()})


@dg.asset(deps=[evaluation], group_name=GROUP, description="The model version that wants to serve.")
def registered_challenger(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Show what it is."""
    version = _version(context)
    return dg.MaterializeResult(metadata={"model": version.reference, "digest": version.digest})


@dg.asset_check(asset=registered_challenger, description="The exported file equals the trained network.")
def parity(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Whether every difference is within its bound."""
    figures = _version(context).spec.parity
    kept = all(
        any(kind in name for name in figures) and all(abs(v) <= bound for name, v in figures.items() if kind in name)
        for kind, bound in PARITY_BOUNDS.items()
    )
    return dg.AssetCheckResult(passed=kept, metadata={name: float(value) for name, value in figures.items()})


def _version(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> ModelVersion:
    """The model version that the run's step made."""
    number = (step_of(context).result or {}).get("model")
    if number is None:
        raise dg.Failure("The step made no model version.", allow_retries=False)
    return Registry(settings.load()).get(number)
