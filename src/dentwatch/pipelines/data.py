"""The data pipeline: annotated photos that arrived become a dataset version."""

import dagster as dg

from dentwatch import settings
from dentwatch.pipelines.carrying import carried_out, shown, step_of
from dentwatch.records.datasets import DatasetStore

GROUP = "data"


@dg.asset(group_name=GROUP, description="A batch of annotated photos from the inbox or from review, checked.")
def ingested_batch(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Take the batch in."""
    return dg.MaterializeResult(metadata=shown(carried_out(context)))


@dg.asset(deps=[ingested_batch], group_name=GROUP, description="The immutable dataset version that the batch made.")
def dataset_version(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Show what it holds."""
    version = (step_of(context).result or {}).get("version")
    if version is None:
        return dg.MaterializeResult(metadata={"made": dg.MetadataValue.bool(False)})
    info = DatasetStore(settings.load().dataset_store_url).get(version).info
    figures = {name: getattr(info, name) for name in ("photos", "annotated", "boxes", "vehicles")}
    return dg.MaterializeResult(metadata={"version": info.id, **figures, "boxes_by_label": info.boxes_by_label})


@dg.asset_check(asset=ingested_batch, description="Every check that guards against poisoned batches.")
def validation_report(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Whether the batch passed them."""
    step = step_of(context)
    state = (step.result or {}).get("state")
    return dg.AssetCheckResult(passed=state == "taken", metadata=shown(step, "state", "text", "checks", "report"))


@dg.asset_check(asset=dataset_version, description="No vehicle is in two splits.")
def no_leakage() -> dg.AssetCheckResult:
    """Whether every vehicle of the newest version has one split."""
    split_of: dict[str, str] = {}
    leaking = set()
    for record in DatasetStore(settings.load().dataset_store_url).get("latest").photos():
        if split_of.setdefault(record.vehicle, record.split) != record.split:
            leaking.add(record.vehicle)
    return dg.AssetCheckResult(
        passed=not leaking, metadata={"vehicles": len(split_of), "leaking": sorted(leaking)[:20]}
    )


@dg.asset_check(asset=dataset_version, description="Scratches and dents are in every split that has photos.")
def class_balance() -> dg.AssetCheckResult:
    """Whether no label has gone missing in a split of the newest version."""
    info = DatasetStore(settings.load().dataset_store_url).get("latest").info
    missing = [
        f"{label} in {split}"
        for split, photos in info.photos_by_split.items()
        for label in ("scratch", "dent")
        if photos and not info.boxes_by_split.get(split, {}).get(label)
    ]
    return dg.AssetCheckResult(passed=not missing, metadata={"boxes": info.boxes_by_split, "missing": missing})
