"""How bad a damage is: minor, moderate or severe, from its label and how large it looks.

A photo carries no scale, and nothing here finds the car or its panels in it. What is known is how much of the *photo* a
box takes. That stands for the size on the car as long as the photo shows a car or a side of it, as photos of listings
do; distance and lens move it by a factor of two or so, which is why there are three levels and not centimetres. Where
it does not stand for the size, this says so and names the levels between which the truth lies:

- **a close-up**: from the size ``close_up_from`` of the price table on, a box fills so much of the photo that the photo
  was most likely taken of the damage. A short scratch looks as long in it as a ruined door in a photo of the whole car,
  so no size in that photo counts, not that of smaller boxes beside it either. A close-up in which no box is that large
  is *not* noticed: the damage in it then seems worse than it is;
- **cut off**: a box at the photo's edge goes on outside; the damage is as bad as it looks, or worse.

Depth, and whether the paint is through, cannot be told from a box and are not claimed.
"""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from dentwatch.records.annotations import Box
from dentwatch.records.detections import Detection
from dentwatch.serving.price_table import SEVERITIES, PriceTable, SeverityLevel

EDGE = 0.01
"""A box this close to the photo's edge, as a share of the photo's side, is taken to go on outside."""


class Severity(BaseModel):
    """How bad one detection looks, how bad it may be, and why."""

    model_config = ConfigDict(frozen=True)

    level: SeverityLevel = Field(description="The best guess.")
    at_least: SeverityLevel = Field(description="The lowest level that the photo leaves open.")
    at_most: SeverityLevel = Field(description="The highest level that the photo leaves open.")
    size: float = Field(ge=0, le=1, description="The box's diagonal as a share of the photo's.")
    reason: str = Field(description="Why, for a person.")

    @property
    def doubt(self) -> int:
        """How many levels above the lowest the photo leaves open; 0 when the size counts as it is."""
        return SEVERITIES.index(self.at_most) - SEVERITIES.index(self.at_least)


def severities(detections: Sequence[Detection], photo: tuple[int, int], table: PriceTable) -> tuple[Severity, ...]:
    """The severity of each detection of one photo of ``(width, height)`` pixels, in their order."""
    sizes = [_size(one.box, photo) for one in detections]
    close_up = max(sizes, default=0.0) >= table.close_up_from
    return tuple(_severity(one, size, photo, table, close_up) for one, size in zip(detections, sizes, strict=True))


def clearest(sightings: Sequence[Severity]) -> Severity:
    """The severity of one damage that several photos show; ``sightings`` must not be empty.

    The photo that leaves the fewest levels open counts; of those, the one in which the damage looks smallest: it was
    taken from farthest away, so it shows most of the car.
    """
    return min(sightings, key=lambda one: (one.doubt, one.size, SEVERITIES.index(one.level), one.reason))


def _size(box: Box, photo: tuple[int, int]) -> float:
    return min(1.0, math.hypot(box.width, box.height) / math.hypot(*photo))


def _severity(detection: Detection, size: float, photo: tuple[int, int], table: PriceTable, close_up: bool) -> Severity:
    level = table.of_label(detection.label).level(size)
    seen = f"its box has {size:.0%} of the photo's diagonal"
    if close_up:
        reason = f"{seen}, in a photo that seems to be a close-up: how large it is on the car cannot be told"
        return Severity(level="moderate", at_least="minor", at_most="severe", size=size, reason=reason)
    if _is_cut(detection.box, photo):
        reason = f"{seen} and is cut off by the photo's edge: it may be larger"
        return Severity(level=level, at_least=level, at_most="severe", size=size, reason=reason)
    return Severity(level=level, at_least=level, at_most=level, size=size, reason=seen)


def _is_cut(box: Box, photo: tuple[int, int]) -> bool:
    width, height = photo
    left, top, right, bottom = box.xyxy
    across, down = EDGE * width, EDGE * height
    return left <= across or top <= down or right >= width - across or bottom >= height - down
