"""What a watcher told is taken back when another watches."""

import math

from dentwatch.monitoring import metrics


def samples() -> dict[str, float]:
    gauges = (
        metrics.DRIFT_EVIDENCE,
        metrics.DRIFT_ARMED,
        metrics.INCIDENTS_OPEN,
        metrics.HARM_RECALL_LOST,
        metrics.BEHIND,
    )
    return {
        sample.name + str(sorted(sample.labels.items())): sample.value
        for gauge in gauges
        for family in gauge.collect()
        for sample in family.samples
    }


def test_nothing_is_told_by_one_that_no_longer_watches() -> None:
    metrics.evidence_seen({("light", "all"): 0.4})
    metrics.incidents_open({"critical": 1}, 12.0, 5.0)
    metrics.DRIFT_ARMED.set(1)
    metrics.BEHIND.set(3)
    assert 0.4 in samples().values()
    metrics.no_longer_watching()
    assert all(math.isnan(value) for value in samples().values())
    metrics.evidence_seen({("light", "all"): 0.2})
    assert 0.2 in samples().values()
