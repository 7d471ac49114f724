"""The same damage in several photos of one vehicle counts once, where the photos can be shown to overlap.

``docs/vehicles.md`` says how sure that is, and what it costs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from dentwatch.records.detections import Detection
from dentwatch.serving.seen_photo import SeenPhoto, agrees, overlap, project
from dentwatch.serving.views import Registration, register

_MIN_IN_VIEW = 0.5  # of a damage's area must be in the other photo to be looked for there


@dataclass(frozen=True, slots=True, order=True)
class DamageView:
    """One detection: the photo's place in the request, and the detection's place in the photo, both from 0."""

    photo: int
    number: int


@dataclass(frozen=True, slots=True)
class DamageGroup:
    """One damage and every detection of it; ``views`` are sorted, at most one a photo."""

    label: str
    views: tuple[DamageView, ...]


@dataclass(frozen=True, slots=True)
class DamageGroups:
    """The damages of a vehicle, and between which photos overlap could be shown.

    ``overlapping`` and ``unproven`` are pairs of photos (places from 0) that show damage of the same label. Where a
    pair is unproven, a damage that both show is counted twice: ``damages`` is then an upper bound.
    """

    groups: tuple[DamageGroup, ...]
    overlapping: tuple[tuple[int, int], ...]
    unproven: tuple[tuple[int, int], ...]

    @property
    def damages(self) -> int:
        """How many damages there are, each counted once."""
        return len(self.groups)


@dataclass(slots=True)
class _Links:
    """Union-find over detections in which no damage may show twice in one photo."""

    members: dict[DamageView, list[DamageView]] = field(default_factory=dict)

    def add(self, view: DamageView) -> None:
        self.members[view] = [view]

    def join(self, one: DamageView, other: DamageView) -> None:
        first, second = self.members[one], self.members[other]
        if first is second or {view.photo for view in first} & {view.photo for view in second}:
            return
        first += second
        for view in second:
            self.members[view] = first


def worth_comparing(detections: Sequence[Sequence[Detection]]) -> list[bool]:
    """Which photos of a vehicle need features: those that show a label which another photo shows, too."""
    labels = [{detection.label for detection in found} for found in detections]
    return [any(own & other for j, other in enumerate(labels) if j != i) for i, own in enumerate(labels)]


def group_damages(photos: Sequence[SeenPhoto]) -> DamageGroups:
    """Group the detections of one vehicle's photos into damages; only photos that share a label are compared.

    Two detections are one damage where the photos register, the label is the same, and the box of the one lies on the
    box of the other. Links are made best first, and never so that one damage shows twice in a photo.
    """
    links = _Links()
    for index, photo in enumerate(photos):
        for number in range(len(photo.detections)):
            links.add(DamageView(index, number))
    found: list[tuple[float, DamageView, DamageView]] = []
    overlapping, unproven = [], []
    shared = worth_comparing([photo.detections for photo in photos])
    for i, j in combinations([index for index, shares in enumerate(shared) if shares], 2):
        if not _labels(photos[i]) & _labels(photos[j]):
            continue
        registration = registered(photos[i], photos[j])
        if registration is None:
            unproven.append((i, j))
            continue
        overlapping.append((i, j))
        matched = matches(photos[i], photos[j], registration)
        found += [(likeness, DamageView(i, one), DamageView(j, other)) for likeness, one, other in matched]
    for _, one, other in sorted(found, key=lambda match: (-match[0], match[1], match[2])):
        links.join(one, other)
    distinct = {min(views): tuple(sorted(views)) for views in links.members.values()}
    groups = tuple(
        DamageGroup(photos[first.photo].detections[first.number].label, distinct[first]) for first in sorted(distinct)
    )
    return DamageGroups(groups, tuple(overlapping), tuple(unproven))


def registered(one: SeenPhoto, other: SeenPhoto) -> Registration | None:
    """Where the one photo lies in the other; None where that cannot be shown, or one of them is not compared."""
    if one.features is None or other.features is None:
        return None
    return register(one.features, other.features)


def matches(one: SeenPhoto, other: SeenPhoto, registration: Registration) -> Iterator[tuple[float, int, int]]:
    """Detections that may be one damage: the overlap (IoU, in [0, 1]) and the place of each in its photo."""
    if other.features is None:
        return
    for i, detection in enumerate(one.detections):
        projection = project(one.corners(detection.box), registration, other.features)
        if projection is None or projection.share < _MIN_IN_VIEW:
            continue
        for j, candidate in enumerate(other.detections):
            corners = other.corners(candidate.box)
            if candidate.label == detection.label and agrees(projection.corners, corners):
                yield overlap(projection.corners, corners), i, j


def _labels(photo: SeenPhoto) -> set[str]:
    return {detection.label for detection in photo.detections}
