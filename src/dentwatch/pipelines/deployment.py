"""The inference pipeline: a challenger at the gate, in the shadow, as canary, as champion under guard."""

import dagster as dg

from dentwatch.pipelines.carrying import carried_out, shown, step_of
from dentwatch.pipelines.training import registered_challenger

GROUP = "deployment"


@dg.asset(deps=[registered_challenger], group_name=GROUP, description="Champion and challenger side by side.")
def gate_ruling(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Hold the challenger against the champion."""
    return dg.MaterializeResult(metadata=shown(carried_out(context), "text", "champion", "challenger", "report"))


@dg.asset_check(asset=gate_ruling, description="Every rule of the gate is kept.")
def gate(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Whether the challenger passed."""
    step = step_of(context)
    return dg.AssetCheckResult(passed=bool((step.result or {}).get("passed")), metadata=shown(step, "rules"))


@dg.asset_check(asset=gate_ruling, description="The challenger is fast enough.")
def latency_budget(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Whether it keeps the gate's rule of time; kept where it is the champion already, and was not timed."""
    rules = {rule["name"]: rule for rule in (step_of(context).result or {}).get("rules", ())}
    rule = rules.get("latency", {"passed": True, "text": "It was not timed."})
    return dg.AssetCheckResult(passed=bool(rule["passed"]), description=rule["text"])


@dg.asset(
    deps=[gate_ruling],
    group_name=GROUP,
    description="How far the challenger has come: shadow, canary, champion; guarded afterwards.",
)
def deployment(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Roll it out, or guard it."""
    return dg.MaterializeResult(metadata=shown(carried_out(context)))
