"""What the damage in the photos of one vehicle does to its price, as an interval that says how sure that is.

Each damage is real with a probability (the model's score, calibrated on validation photos where the model carries a
calibration) and then costs between the ends of a range of the price table. The price effect is their sum: its mean, and
the interval that holds it with 80 % (from the 10 % to the 90 % quantile), computed by
:class:`~dentwatch.serving.cost_sum.CostSum`. A few doubtful damages make a distribution so lopsided that its mean lies
outside that interval; the interval is then stretched to the mean, which only makes it more cautious.

Three things are assumed and not known: that damages are real independently of each other (mistakes that come together,
as reflections on one door do, make the true interval wider), that every cost within a range is equally likely, and that
damages add up (a repair shop may give a discount, a buyer may not care about a second scratch).

**Damage that was missed is not in the interval.** What it would add depends on how much damage cars of this kind have,
and photos without detections do not tell: the model finds some share of what is there, so nothing found is compatible
with nothing there and with a good deal. Any upper end would be invented. So the interval is that of the detected
damage, zero without any, and :attr:`PriceEffect.missed` stands beside it: which share the model missed where all
damage is known, and what one such damage costs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from dentwatch.records.calibration import probability
from dentwatch.records.detections import Detection
from dentwatch.records.labels import LABELS
from dentwatch.records.model_bundle import ModelSpec
from dentwatch.serving.cost_sum import CostSum, UncertainCost
from dentwatch.serving.price_table import PriceTable
from dentwatch.serving.severity import Severity, clearest

LOW, HIGH = 0.1, 0.9
"""The quantiles between which the price effect lies with 80 %."""

_CELLS_PER_COST = 4096
"""Cells that the highest cost of the price table is divided into: finer than anybody quotes a repair."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A detection in the photo at ``position`` (from 0) of an inspection.

    ``reliable`` says whether that photo passed the quality gate: others are not priced.
    """

    detection: Detection
    severity: Severity
    position: int
    reliable: bool = True


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class PriceLine(_Answer):
    """One damage: how sure it is and what it costs; amounts in the currency of the price effect."""

    label: str
    severity: Severity
    probability: float = Field(ge=0, le=1, description="How likely it is real: of several photos, the largest.")
    calibrated: bool = Field(description="Whether that was measured on validation photos; else it is the bare score.")
    low: float = Field(ge=0, description="Lowest cost if it is real.")
    high: float = Field(ge=0, description="Highest cost if it is real.")
    expected: float = Field(ge=0, description="Probability × middle of the range.")
    photos: tuple[int, ...] = Field(description="Positions, from 0, of the reliable photos that show it.")


class MissedDamage(_Answer):
    """Damage of one label that the model may have missed: not in the interval."""

    label: str
    share: float = Field(ge=0, le=1, description="Share of the annotated damages that the model missed when measured.")
    split: str = Field(description="Where that was measured: test, or val, which flatters a little.")
    low: float = Field(ge=0, description="Lowest cost of one such damage.")
    high: float = Field(ge=0, description="Highest cost of one such damage.")


class PriceEffect(_Answer):
    """By how much the detected damage lowers the price; amounts are positive and in ``currency``."""

    currency: str = Field(description="ISO 4217.")
    low: float | None = Field(description="10 % quantile; none when no photo could be judged.")
    expected: float | None = Field(description="Mean; none when no photo could be judged.")
    high: float | None = Field(description="90 % quantile, for the detected damage alone; see `missed`.")
    table: str = Field(description="Name and version of the price table.")
    vehicle_class: str = Field(description="Class of the price table that was taken.")
    reliable: bool = Field(description="Whether every photo was judged; else some of the damage may be left out.")
    calibrated: bool = Field(description="Whether all probabilities were measured on validation photos.")
    capped: bool = Field(description="Whether `high` is the price table's limit for one listing, not more.")
    lines: tuple[PriceLine, ...] = Field(description="The priced damages, the most expensive on average first.")
    missed: tuple[MissedDamage, ...] = Field(description="What may have been missed besides, by label.")
    note: str = Field(description="What the figures do and do not say, for a person.")


class Valuation:
    """A price table together with what is known about the model whose detections it prices."""

    def __init__(self, table: PriceTable, model: ModelSpec) -> None:
        self.table = table
        self.model = model

    def effect(
        self,
        groups: Sequence[Sequence[Sighting]],
        *,
        photos: int,
        unreliable: int = 0,
        vehicle_class: str | None = None,
    ) -> PriceEffect:
        """The price effect of one inspection.

        A group is one damage, seen in one photo or several, and counts once: with the largest probability of its
        sightings (two photos of one reflection are not two proofs), and the severity of the clearest one
        (:func:`~dentwatch.serving.severity.clearest`). ``photos`` is how many were submitted, ``unreliable`` how many
        of them failed the quality gate or could not be read. The order of groups and sightings makes no difference.
        Raises :class:`~dentwatch.errors.DataError` for a ``vehicle_class`` that the price table does not have.
        """
        vehicle_class = self.table.default_class if vehicle_class is None else vehicle_class
        factor = self.table.factor(vehicle_class)
        priced = [[one for one in group if one.reliable] for group in groups]
        lines = sorted((self._line(group, factor) for group in priced if group), key=_order)
        low, expected, high, capped = self._interval(lines, factor)
        judged = photos > unreliable
        return PriceEffect(
            currency=self.table.currency,
            low=self._amount(low) if judged else None,
            expected=self._amount(expected) if judged else None,
            high=self._amount(high) if judged else None,
            table=self.table.version,
            vehicle_class=vehicle_class,
            reliable=judged and not unreliable,
            calibrated=all(line.calibrated for line in lines),
            capped=capped,
            lines=tuple(self._rounded(line) for line in lines),
            missed=self._missed(factor),
            note=_note(len(lines), photos, unreliable),
        )

    def _line(self, group: Sequence[Sighting], factor: float) -> PriceLine:
        chances = [(*probability(self.model.calibration, s.detection.label, s.detection.score), s) for s in group]
        chance, calibrated, surest = max(chances, key=lambda one: (one[0], one[2].detection.label, one[1]))
        label = surest.detection.label
        severity = clearest([sighting.severity for sighting in group])
        prices = self.table.of_label(label)
        low, high = prices.costs(severity.at_least)[0] * factor, prices.costs(severity.at_most)[1] * factor
        return PriceLine(
            label=label,
            severity=severity,
            probability=chance,
            calibrated=calibrated,
            low=low,
            high=high,
            expected=chance * (low + high) / 2,
            photos=tuple(sorted({sighting.position for sighting in group})),
        )

    def _interval(self, lines: Sequence[PriceLine], factor: float) -> tuple[float, float, float, bool]:
        """Low, expected, high, and whether the price table's limit lowered the last."""
        cell = max(10.0**-self.table.digits, self.table.highest * factor / _CELLS_PER_COST)
        costs = CostSum([UncertainCost(line.probability, line.low, line.high) for line in lines], cell)
        limit = math.inf if self.table.cap is None else self.table.cap
        low, high, mean = costs.quantile(LOW), costs.quantile(HIGH), costs.mean_below(limit)
        return min(low, mean, limit), mean, max(min(high, limit), mean), high > limit

    def _missed(self, factor: float) -> tuple[MissedDamage, ...]:
        found = []
        for label in (one for one in LABELS if one in self.model.labels):
            prices = self.table.of_label(label)
            for split in ("test", "val"):
                share = self.model.metrics.get(f"{split}/false_negative_rate_{label}")
                if share is not None:
                    low, high = self._amount(prices.minor[0] * factor), self._amount(prices.severe[1] * factor)
                    found.append(MissedDamage(label=label, share=share, split=split, low=low, high=high))
                    break
        return tuple(found)

    def _rounded(self, line: PriceLine) -> PriceLine:
        amounts = {name: self._amount(getattr(line, name)) for name in ("low", "expected", "high")}
        return line.model_copy(update={**amounts, "probability": round(line.probability, 6)})

    def _amount(self, value: float) -> float:
        return round(value, self.table.digits)


def _order(line: PriceLine) -> tuple[object, ...]:
    return -line.expected, line.label, line.low, line.high, line.probability, line.photos, line.severity.reason


def _note(damages: int, photos: int, unreliable: int) -> str:
    if photos <= unreliable:
        return "No photo could be judged, so nothing is said about the price."
    said = (
        "The figures are those of the detected damage; what the model missed is not in them."
        if damages
        else "No damage was detected that could be priced; that is no proof that there is none."
    )
    if unreliable:
        said += f" {unreliable} of {photos} photos could not be judged, and damage in them is not priced."
    return said
