"""What damage costs: the price table that the business writes in YAML, checked when it is read.

``prices.yaml`` beside this file is the table that comes with the package and shows every field; docs/pricing.md
explains them.
"""

import hashlib
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Literal

from iso4217 import Currency
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from dentwatch.errors import DataError
from dentwatch.records.canonical import canonical_text
from dentwatch.records.labels import LABELS

SeverityLevel = Literal["minor", "moderate", "severe"]
SEVERITIES: tuple[SeverityLevel, ...] = ("minor", "moderate", "severe")


def _known_label(label: str) -> str:
    if label not in LABELS:
        raise ValueError(f"there is no such label; labels are {', '.join(LABELS)}")
    return label


def _known_currency(code: str) -> str:
    if code not in {currency.code for currency in Currency}:
        raise ValueError(f"{code!r} is no currency of ISO 4217, such as EUR, TRY or USD")
    return code


def _forward(costs: tuple[float, float]) -> tuple[float, float]:
    low, high = costs
    if low > high:
        raise ValueError(f"the range is reversed: {low:g} comes before {high:g}; write [lowest, highest]")
    return costs


Amount = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
CostRange = Annotated[tuple[Amount, Amount], AfterValidator(_forward)]
Share = Annotated[float, Field(strict=True, gt=0, le=1)]
Factor = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelPrices(_Part):
    """One label: from which size a damage counts as what, and the lowest and highest cost of each severity."""

    moderate_from: Share = Field(description="Size from which it is moderate: share of the photo's diagonal.")
    severe_from: Share = Field(description="Size from which it is severe.")
    minor: CostRange
    moderate: CostRange
    severe: CostRange

    def costs(self, level: SeverityLevel) -> tuple[float, float]:
        """The lowest and highest cost of a severity, before the factor of the vehicle's class."""
        return {"minor": self.minor, "moderate": self.moderate, "severe": self.severe}[level]

    def level(self, size: float) -> SeverityLevel:
        """The severity of a damage whose box has ``size`` of the photo's diagonal."""
        return "severe" if size >= self.severe_from else "moderate" if size >= self.moderate_from else "minor"

    @model_validator(mode="after")
    def _rises(self) -> "LabelPrices":
        if self.moderate_from >= self.severe_from:
            raise ValueError(
                f"severe_from ({self.severe_from:g}) must lie above moderate_from ({self.moderate_from:g})"
            )
        for lesser, greater in (("minor", "moderate"), ("moderate", "severe")):
            if any(less > more for less, more in zip(getattr(self, lesser), getattr(self, greater), strict=True)):
                raise ValueError(f"{greater} costs less than {lesser}: neither end of its range may lie lower")
        return self


class PriceTable(_Part):
    """A price table as it is written; see :func:`dentwatch.serving.price_file.read_table`."""

    name: str = Field(min_length=1, max_length=60, description="What the business calls this table.")
    currency: Annotated[str, AfterValidator(_known_currency)] = Field(description="ISO 4217.")
    valid_from: date = Field(description="From when the amounts hold; said in answers, not acted upon.")
    close_up_from: Share = Field(description="Size of a damage from which its photo is taken for a close-up.")
    labels: dict[Annotated[str, AfterValidator(_known_label)], LabelPrices]
    vehicle_classes: dict[str, Factor] = Field(min_length=1, description="What amounts are multiplied by, per class.")
    default_class: str = Field(description="The class of a vehicle whose class is not stated.")
    cap: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] | None = Field(
        None, description="Most that the price effect of one listing can be; none: no limit."
    )

    @cached_property
    def version(self) -> str:
        """What answers call the table: its name and the first 12 hex digits of the SHA-256 of its content.

        Comments, spacing and the order of fields do not count.
        """
        content = canonical_text(self.model_dump(mode="json"))
        return f"{self.name}/{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    @property
    def digits(self) -> int:
        """How many digits after the point an amount of the currency has."""
        return Currency(self.currency).exponent or 0

    @property
    def highest(self) -> float:
        """The highest cost of one damage, before the factor of the vehicle's class."""
        return max(prices.severe[1] for prices in self.labels.values())

    def of_label(self, label: str) -> LabelPrices:
        """The prices of ``label``; a label that Dentwatch does not know is priced as ``other``."""
        return self.labels.get(label, self.labels["other"])

    def factor(self, vehicle_class: str) -> float:
        """What amounts are multiplied by for a class; raises :class:`DataError` when the table does not have it."""
        if vehicle_class not in self.vehicle_classes:
            raise DataError(
                f"The price table {self.version} has no vehicle class {vehicle_class!r}.",
                f"Its classes are {', '.join(self.vehicle_classes)}.",
            )
        return self.vehicle_classes[vehicle_class]

    @field_validator("labels")
    @classmethod
    def _all_labels(cls, labels: Mapping[str, LabelPrices]) -> Mapping[str, LabelPrices]:
        if missing := [label for label in LABELS if label not in labels]:
            raise ValueError(
                f"no prices for {', '.join(missing)}; every label needs them, whatever today's model finds"
            )
        return labels

    @model_validator(mode="after")
    def _default_is_a_class(self) -> "PriceTable":
        if self.default_class not in self.vehicle_classes:
            raise ValueError(f"default_class {self.default_class!r} is none of vehicle_classes")
        return self
