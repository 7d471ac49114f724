"""Stricter photo rules as a remedy: photos that drifted too far are asked for again, and the others relied on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dentwatch.data.statistics import PhotoStatistics
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.quality_limits import QualityLimit, QualityLimits, QualityReason, Retained
from dentwatch.serving.quality_gate import QualityGate

_REASONS: dict[str, QualityReason] = {
    "dark": "too_dark",
    "overexposed": "too_bright",
    "blur": "blurred",
    "noisy": "noisy",
    "haze": "empty",
}
"""Which rule speaks of photos that a cause has made worse."""
_PARTS = (1 / 3, 2 / 3, 1.0)  # of the most photos that may be asked for again


@dataclass(frozen=True, slots=True)
class Stricter:
    """``limits`` of which ``limit`` is stricter than before; they ask for a share of the drifted photos again."""

    limits: QualityLimits
    limit: QualityLimit
    asked_again: float


def is_spoken_of(cause: str) -> bool:
    """Whether there is a photo rule about what ``cause`` does to photos."""
    return cause in _REASONS


def stricter_rules(
    champion: ModelBundle,
    cause: str,
    taken: Sequence[PhotoStatistics],
    drifted: Sequence[PhotoStatistics],
    most_asked_again: float,
) -> Iterator[Stricter]:
    """The champion's quality limits with a stricter one for ``cause``, for a few shares of photos asked for again.

    ``taken`` and ``drifted`` are the statistics of the same photos as taken and as the drift makes them. At most 2 % of
    those as taken are refused, as everywhere. None where no rule speaks of the cause, or it is as strict already.
    """
    from dentwatch.training.evaluation.quality_limits import MOST_REFUSED, RULES

    limits = QualityGate.of(champion).limits
    rule = next((one for one in RULES if one.reason == _REASONS.get(cause)), None)
    if rule is None:
        return
    usual, worse = (np.array([rule.sign * getattr(one, rule.statistic) for one in seen]) for seen in (taken, drifted))
    known = next((one for one in limits.limits if one.reason == rule.reason), None)
    strictest = -np.inf if known is None else rule.sign * known.limit
    for part in _PARTS:
        level = min(float(np.quantile(worse, part * most_asked_again)), float(np.quantile(usual, MOST_REFUSED)))
        if level <= strictest:
            continue
        strictest = level
        limit = QualityLimit(
            reason=rule.reason,
            statistic=rule.statistic,
            side="below" if rule.bad == "below" else "above",
            limit=rule.sign * level,
            set_by="drift",
            beyond=Retained(value=None, looks=int((worse < level).sum())),
            within=Retained(value=None, looks=int((worse >= level).sum())),
            false_refusals=float((usual < level).mean()),
        )
        others = tuple(one for one in limits.limits if one.reason != rule.reason)
        stricter = limits.model_copy(update={"limits": (*others, limit)})
        gate = QualityGate(stricter)
        refused, asked_again = (
            float(np.mean([not gate.check(one).reliable for one in seen])) for seen in (taken, drifted)
        )
        if asked_again <= most_asked_again:  # with what the other limits refuse
            yield Stricter(stricter.model_copy(update={"false_refusals": refused}), limit, asked_again)
