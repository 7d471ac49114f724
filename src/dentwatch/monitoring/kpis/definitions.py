"""What each KPI is: its unit, which way is better, and how it follows from the totals. docs/kpis.md explains them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dentwatch.monitoring.kpis import estimates
from dentwatch.monitoring.kpis.estimates import Estimate
from dentwatch.monitoring.kpis.totals import Totals
from dentwatch.monitoring.performance import RATES
from dentwatch.settings import KpiSettings

_VERDICTS = "verdicts on inspections: POST /v1/inspections/{id}/verdicts"
_JUDGED = (
    "Of all verdicts. Unless photos are reviewed as drawn, they are no random sample; "
    "`dentwatch monitor performance` weights reviewed photos without bias."
)
_TIMES = "inspections"
_RATINGS = "ratings: POST /v1/inspections/{id}/feedback"

Measure = Callable[[Totals, KpiSettings], Estimate | None]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a KPI is about; ``sample_of`` says what its sample counts, ``wanting`` what would give it a value.

    ``unit`` is "share", "ms", "s", "stars" (1 to 5), "times", "bytes", or "money": an amount in the settings' currency.
    """

    name: str
    title: str
    unit: str
    sample_of: str
    wanting: str
    label: str = ""
    higher_is_better: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """A KPI and how it follows from totals."""

    subject: Subject
    measure: Measure


def definitions(labels: tuple[str, ...]) -> tuple[Definition, ...]:
    """Every KPI that follows from totals; the rates of verdicts also for each of ``labels``."""
    rates = [_rate(name, "") for name in _TITLES]
    by_label = [_rate(name, label) for label in labels for name in _TITLES if name != "detection_accuracy"]
    return (*rates, _PHOTO_ACCURACY, *by_label, *_SPEED, *_BUSINESS)


_TITLES: Mapping[str, tuple[str, str, bool]] = {
    "detection_accuracy": ("Detection accuracy", "accuracy", True),
    "precision": ("Precision", "precision", True),
    "recall": ("Recall", "recall", True),
    "false_positive_rate": ("False-positive rate", "false_positive_rate", False),
    "false_negative_rate": ("False-negative rate", "false_negative_rate", False),
}
"""By KPI: title, the rate of :data:`RATES`, whether higher is better."""


def _rate(name: str, label: str) -> Definition:
    title, rate, higher = _TITLES[name]
    counted, of = RATES[rate]

    def measure(totals: Totals, _: KpiSettings) -> Estimate | None:
        only = label or None
        return estimates.share(totals.sum(counted, only), sum(totals.sum(kind, only) for kind in of))

    return Definition(Subject(name, title, "share", "verdicts", _VERDICTS, label, higher, _JUDGED), measure)


def _photo_accuracy(totals: Totals, _: KpiSettings) -> Estimate | None:
    return estimates.share(totals.sum("photos_right"), totals.sum("reviews"))


_PHOTO_ACCURACY = Definition(
    Subject(
        "photo_accuracy",
        "Photo-level accuracy",
        "share",
        "reviewed photos",
        "photos that were reviewed as a whole: `dentwatch monitor review`",
        note="Damaged or not. Uncertain, drifted and disputed photos are reviewed more often than others.",
    ),
    _photo_accuracy,
)


def _quantile(measure: str, title: str, sample_of: str, level: int) -> Definition:
    def of_times(totals: Totals, _: KpiSettings) -> Estimate | None:
        return estimates.quantile(totals.times.get(measure), level / 100)

    note = "Exact to 1 %; decoding and looking at photos, without waiting and network."
    name = f"{measure}_p{level}"
    subject = Subject(name, f"{title} p{level}", "ms", sample_of, _TIMES, higher_is_better=False, note=note)
    return Definition(subject, of_times)


_SPEED = (
    *(_quantile("photo_ms", "Photo", "photos", level) for level in (50, 95, 99)),
    *(_quantile("inspection_ms", "Inspection", "inspections", level) for level in (50, 95, 99)),
    _quantile("decode_ms", "Decoding", "photos", 95),
    _quantile("infer_ms", "Inference", "photos", 95),
)


def _satisfaction(totals: Totals, _: KpiSettings) -> Estimate | None:
    ratings = {int(stars): number for stars, number in totals.by_label("ratings").items()}
    total = sum(stars * number for stars, number in ratings.items())
    squares = sum(stars**2 * number for stars, number in ratings.items())
    return estimates.mean(total, squares, sum(ratings.values()))


def _satisfied(totals: Totals, _: KpiSettings) -> Estimate | None:
    satisfied = totals.sum("ratings", "4") + totals.sum("ratings", "5")
    return estimates.share(satisfied, totals.sum("ratings"))


def _adoption(totals: Totals, _: KpiSettings) -> Estimate | None:
    return estimates.share(totals.sum("listings_inspected"), totals.sum("listings"))


def _savings(totals: Totals, costs: KpiSettings) -> Estimate | None:
    inspections = totals.sum("inspections")
    if inspections == 0:
        return None
    hours = totals.sum("busy_us") / 3.6e9
    spent = totals.sum("reviews") * costs.review_cost + hours * costs.compute_cost_per_hour
    return Estimate(inspections * costs.manual_inspection_cost - spent, inspections, interval="exact count")


def _price_error(totals: Totals, costs: KpiSettings) -> Estimate | None:
    total, squares, count = (
        totals.sum(measure, costs.currency) for measure in ("price_error", "price_error_squared", "price_errors")
    )
    return estimates.mean(total / 100, squares / 10_000, count)


_BUSINESS = (
    Definition(Subject("satisfaction_mean", "User satisfaction", "stars", "ratings", _RATINGS), _satisfaction),
    Definition(Subject("satisfaction_share", "Ratings of 4 or 5", "share", "ratings", _RATINGS), _satisfied),
    Definition(
        Subject(
            "adoption_rate",
            "Adoption rate",
            "share",
            "listings",
            "listings: POST /v1/listings (they have a channel, and no model version)",
        ),
        _adoption,
    ),
    Definition(
        Subject(
            "cost_savings",
            "Cost savings",
            "money",
            "inspections",
            "inspections",
            note="Inspections at the manual cost, less reviewed photos and the hours that photos kept a core busy.",
        ),
        _savings,
    ),
    Definition(
        Subject(
            "price_error",
            "Price error",
            "money",
            "inspections",
            "verdicts on inspections with a price effect",
            higher_is_better=False,
            note="Mean absolute error of the price effect through wrong and missed detections, where verdicts tell.",
        ),
        _price_error,
    ),
)
