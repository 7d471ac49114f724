"""Operating thresholds of a model that is made for a drift: good in photos as taken and in those that drifted."""

from collections.abc import Mapping, Sequence

from dentwatch.training.evaluation.curves import curve
from dentwatch.training.evaluation.matching import MatchTable, PhotoOutcome, match
from dentwatch.training.evaluation.operating import (
    OPERATING_IOU,
    ThresholdChoice,
    ThresholdRule,
    choose_thresholds,
    f1,
)

PRICE = 0.01
"""How much of the best F1 recall in drifted photos may cost."""


def choose_thresholds_for_drift(
    taken: Sequence[PhotoOutcome],
    drifted: Sequence[PhotoOutcome],
    labels: Sequence[str],
    least_recall: Mapping[str, float],
) -> dict[str, ThresholdChoice]:
    """The thresholds of the best F1 over photos as taken and as the drift makes them, or lower ones for recall.

    Where those find less than the recall of a label that ``least_recall`` asks for, lower ones are chosen: as low as
    that takes in photos as taken, and in drifted ones as low as that takes for at most :data:`PRICE` of the best F1. F1
    is flat around its best, so that much recall may cost little of it.
    """
    before, after, both = (match(seen, labels) for seen in (taken, drifted, [*taken, *drifted]))
    chosen = choose_thresholds(both)
    for label, least in least_recall.items():
        for table, target in ((before, least), (after, min(least, _affordable_recall(both, after, label)))):
            keeping = choose_thresholds(table, ThresholdRule("recall", target))[label]
            if keeping.fallback is None and keeping.threshold < chosen[label].threshold:
                chosen[label] = keeping
    return chosen


def _affordable_recall(both: MatchTable, drifted: MatchTable, label: str) -> float:
    """The most recall in drifted photos that costs at most :data:`PRICE` of the best F1; 0 where nothing is found."""
    points, there = curve(both, OPERATING_IOU, label), curve(drifted, OPERATING_IOU, label)
    scores = f1(points)
    lowest = points.threshold[scores >= scores.max(initial=0.0) - PRICE].min(initial=1.0)
    return float(there.recall[there.threshold >= lowest].max(initial=0.0))
