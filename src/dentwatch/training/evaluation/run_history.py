"""The curves of the run that made a model, from MLflow."""

from dentwatch.records import tracking
from dentwatch.settings import Settings
from dentwatch.training.evaluation.report import TrainingCurve

_PREFIXES = ("train/", "val/")


def training_curve(run_id: str, settings: Settings) -> TrainingCurve | None:
    """The logged figures of a run per epoch; None for a run that this tracking store does not know."""
    if not run_id or not tracking.has_store(settings):
        return None
    client = tracking.open_client(settings)
    from mlflow.exceptions import MlflowException

    try:
        names = list(client.get_run(run_id).data.metrics)
        epoch_of = {point.step: int(point.value) for point in client.get_metric_history(run_id, "epoch")}
        by_epoch: dict[int, dict[str, float]] = {}
        for name in names:
            if name.startswith(_PREFIXES):
                for point in client.get_metric_history(run_id, name):
                    by_epoch.setdefault(epoch_of.get(point.step, point.step), {})[name] = point.value
    except MlflowException:  # a model may come from another machine's run
        return None
    return sorted(by_epoch.items()) or None
