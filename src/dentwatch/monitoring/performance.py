"""How right the model is, from verdicts: precision, recall and their like, over time and by slice, with intervals.

Only photos of the review plan count, once a person has said that the whole photo is reviewed. Each stands for 1 / π
photos, π its inclusion probability (:mod:`.review_plan`), times the share of its reason's items that were reviewed so
far: reviewers may take disputed photos first. A rate is a ratio of two such totals (Hájek, 1971), nearly unbiased
however lopsided the plan is. Its variance is that of the linearised ratio between inspections (Särndal, Swensson &
Wretman, "Model Assisted Survey Sampling", 5.5), whose photos are not independent; the interval is Wilson's with the
sample size that has this variance.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from statistics import NormalDist
from typing import Any, Literal

from sqlalchemy import Connection, select

from dentwatch.records import opinions, tables
from dentwatch.records.monitoring_tables import review_items

Grouping = Literal["all", "day", "channel", "hour", "model"]
GROUPINGS: tuple[Grouping, ...] = ("all", "day", "channel", "hour", "model")

RATES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "precision": ("right", ("right", "wrong")),
    "recall": ("right", ("right", "missed")),
    "false_positive_rate": ("wrong", ("right", "wrong")),
    "false_negative_rate": ("missed", ("right", "missed")),
    "accuracy": ("right", ("right", "wrong", "missed")),
}
"""Each rate: what is counted, of what."""

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class ReviewedPhoto:
    """What people said about a photo that weighs ``weight``: detections ``right``, ``wrong``, damages ``missed``."""

    inspection_id: str
    weight: float
    right: int = 0
    wrong: int = 0
    missed: int = 0

    def count(self, kinds: Iterable[str]) -> int:
        """How many detections and damages of these kinds."""
        return sum(getattr(self, kind) for kind in kinds)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A rate with its 95 % interval; ``sample`` detections or damages were judged for it."""

    value: float
    low: float
    high: float
    sample: int


@dataclass(frozen=True, slots=True)
class Performance:
    """The rates of one group of photos; None where no verdict tells."""

    group: str
    photos: int
    rates: dict[str, Estimate | None] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        """It as JSON values."""
        return asdict(self)


def measure(
    connection: Connection, by: Grouping = "all", since: datetime | None = None, until: datetime | None = None
) -> list[Performance]:
    """The rates of every group of reviewed photos whose inspection was submitted ``since`` ≤ then < ``until``."""
    groups: dict[str, list[ReviewedPhoto]] = {}
    for row, photo in _reviewed(connection, since, until):
        groups.setdefault(_GROUPS[by](row), []).append(photo)
    return [performance_of(name, groups[name]) for name in sorted(groups)]


def performance_of(group: str, photos: Sequence[ReviewedPhoto]) -> Performance:
    """The rates that ``photos`` say."""
    rates = {name: estimate(photos, counted, of) for name, (counted, of) in RATES.items()}
    return Performance(group, len(photos), rates)


def estimate(photos: Sequence[ReviewedPhoto], counted: str, of: Iterable[str]) -> Estimate | None:
    """The share that ``counted`` has of the kinds ``of``; None where there is none of them."""
    of = tuple(of)
    sample = sum(photo.count(of) for photo in photos)
    total = math.fsum(photo.weight * photo.count(of) for photo in photos)
    if not sample or total <= 0:
        return None
    value = math.fsum(photo.weight * photo.count((counted,)) for photo in photos) / total
    residuals: dict[str, float] = {}
    sizes: dict[str, float] = {}
    for photo in photos:
        residual = photo.weight * (photo.count((counted,)) - value * photo.count(of))
        residuals[photo.inspection_id] = residuals.get(photo.inspection_id, 0.0) + residual
        sizes[photo.inspection_id] = sizes.get(photo.inspection_id, 0.0) + photo.weight * photo.count(of)
    variance = math.fsum(one**2 for one in residuals.values()) / total**2
    # Without any variation (all right, all wrong) only the weights say how much the sample is worth (Kish, 1965).
    worth = value * (1 - value) / variance if variance > 0 else total**2 / math.fsum(s**2 for s in sizes.values())
    return Estimate(value, *_wilson(value, min(worth, sample)), sample)


def _wilson(share: float, size: float) -> tuple[float, float]:
    """Wilson's interval (1927) of a share of ``size`` independent observations."""
    z = NormalDist().inv_cdf((1 + _LEVEL) / 2)
    middle = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z / (1 + z**2 / size) * math.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    return max(0.0, middle - half), min(1.0, middle + half)


_GROUPS: Mapping[Grouping, Callable[[Any], str]] = {
    "all": lambda _: "all",
    "day": lambda row: f"{row.created_at:%Y-%m-%d}",
    "channel": lambda row: row.channel or "",
    "hour": lambda row: f"{row.created_at:%H}",
    "model": lambda row: row.model or "",
}


def _reviewed(
    connection: Connection, since: datetime | None, until: datetime | None
) -> list[tuple[Any, ReviewedPhoto]]:
    items, inspections = review_items, tables.inspections
    query = select(items, inspections.c.created_at, inspections.c.channel, inspections.c.model).join(
        inspections, inspections.c.id == items.c.inspection_id
    )
    if since is not None:
        query = query.where(inspections.c.created_at >= since)
    if until is not None:
        query = query.where(inspections.c.created_at < until)
    rows = connection.execute(query.order_by(items.c.number)).all()
    planned: Counter[str] = Counter(row.reason for row in rows)
    reviewed: Counter[str] = Counter(row.reason for row in rows if row.state == "reviewed")
    said = _verdicts(connection)
    found = []
    for row in rows:
        if row.state == "reviewed":
            weight = planned[row.reason] / reviewed[row.reason] / row.probability
            counts = said.get((row.inspection_id, row.position), Counter())
            found.append((row, ReviewedPhoto(row.inspection_id, weight, **counts)))
    return found


def _verdicts(connection: Connection) -> dict[tuple[str, int], Counter[str]]:
    """By inspection and position of a photo: how many verdicts of each kind count."""
    verdicts, detections, items = tables.verdicts, tables.detections, review_items
    query = (
        select(verdicts, detections.c.position.label("detected"))
        .outerjoin(detections, detections.c.id == verdicts.c.detection_id)
        .where(verdicts.c.inspection_id.in_(select(items.c.inspection_id).where(items.c.state == "reviewed")))
        .order_by(verdicts.c.created_at, verdicts.c.id)
    )
    found: dict[tuple[str, int], Counter[str]] = {}
    for row in opinions.standing(connection.execute(query)):
        position = row.position if row.detection_id is None else row.detected
        found.setdefault((row.inspection_id, position), Counter())[row.verdict] += 1
    return found
