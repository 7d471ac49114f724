"""Before and after: what damage of a vehicle is new since an earlier inspection of the same view.

New is said only of a place that the earlier photos show, as large and without any damage; where they do not show it,
the answer is that it cannot be compared.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from dentwatch.serving.answers import DetectionAnswer
from dentwatch.serving.same_damage import DamageGroup, DamageView, group_damages, matches, registered
from dentwatch.serving.seen_photo import Corners, SeenPhoto, centred_in, overlap, project
from dentwatch.serving.views import Registration

Status = Literal["new", "known", "gone", "not_comparable"]
Reason = Literal["not_seen", "too_small", "other_damage_there", "looks_the_same"]
_Look = Literal["clear", "too_small", "other_damage_there", "looks_the_same"]
_Registrations: TypeAlias = Mapping[tuple[int, int], Registration]

_IN_VIEW = 0.9  # of a damage's area must be in the other photo before its absence there says anything
_MIN_ZOOM = 0.5  # the other photo must show the place at least at this size relative to the first
_MIN_SIDE = 8.0  # and that large, in pixels of the shrunk photo: 1/50 of its longer side
_TOUCHES = 0.1  # IoU from which another damage lies in the same place
_SAME_LOOK = 0.5  # share of the key points on a damage that must be there in both photos to call its place unchanged


class Sighting(BaseModel):
    """A damage in one photo."""

    model_config = ConfigDict(frozen=True)

    photo: int = Field(ge=0, description="The photo's place in its inspection, from 0.")
    detection: DetectionAnswer


class Change(BaseModel):
    """One damage, and what became of it between two inspections."""

    model_config = ConfigDict(frozen=True)

    status: Status = Field(
        description="`new`: the earlier photos show the place without damage. `known`: they show the damage. `gone`: "
        "the later photos show the place without it. `not_comparable`: `reason` says why."
    )
    label: str
    reason: Reason | None = Field(
        None,
        description="`not_seen`: no photo of the other inspection can be shown to have this place in view. "
        "`too_small`: those that have it show it too small. `other_damage_there`: they show damage of another label "
        "or extent. `looks_the_same`: they look alike there, so that the model may have missed it once.",
    )
    earlier: tuple[Sighting, ...] = Field(description="Where the earlier inspection shows it.")
    later: tuple[Sighting, ...] = Field(description="Where the later inspection shows it.")


class VehicleChanges(BaseModel):
    """What happened to a vehicle between two inspections."""

    model_config = ConfigDict(frozen=True)

    changes: tuple[Change, ...] = Field(
        description="The damages of the later inspection, then what only the earlier has."
    )
    overlapping: tuple[tuple[int, int], ...] = Field(
        description="Pairs of photos (place in the earlier, place in the later) that can be shown to overlap."
    )


def changes_between(earlier: Sequence[SeenPhoto], later: Sequence[SeenPhoto]) -> VehicleChanges:
    """Compare two inspections of one vehicle.

    Photos without features (not reliable, not decodable) prove nothing: what they show is ``not_comparable``. A
    damage that is ``new`` is one that the model did not see in the earlier photo; a model that misses damage often
    makes new damage out of old, unless the photos look alike there.
    """
    found = (
        (pair, registered(earlier[pair[0]], later[pair[1]])) for pair in product(range(len(earlier)), range(len(later)))
    )
    forth = {pair: registration for pair, registration in found if registration is not None}
    back = {(two, one): registration.reversed() for (one, two), registration in forth.items()}
    same = {
        (DamageView(one, number), DamageView(two, other))
        for (one, two), registration in forth.items()
        for _, number, other in matches(earlier[one], later[two], registration)
    }
    before, after = group_damages(earlier).groups, group_damages(later).groups
    changes: list[Change] = []
    for group in after:
        known = [old for old in before if any(pair in same for pair in product(old.views, group.views))]
        status, reason = ("known", None) if known else _absence("new", group, later, earlier, back)
        old_views = [view for old in known for view in old.views]
        changes.append(
            _change(status, reason, group.label, _sightings(earlier, old_views), _sightings(later, group.views))
        )
    for group in before:
        if any(pair in same for new in after for pair in product(group.views, new.views)):
            continue
        status, reason = _absence("gone", group, earlier, later, forth)
        changes.append(_change(status, reason, group.label, _sightings(earlier, group.views), ()))
    return VehicleChanges(changes=tuple(changes), overlapping=tuple(forth))


def _absence(
    clear: Literal["new", "gone"],
    group: DamageGroup,
    photos: Sequence[SeenPhoto],
    others: Sequence[SeenPhoto],
    registrations: _Registrations,
) -> tuple[Status, Reason | None]:
    """What it means that no photo of ``others`` shows this damage of ``photos``."""
    looks = set(_looks(group, photos, others, registrations))
    doubts: tuple[Reason, ...] = ("looks_the_same", "other_damage_there")
    for doubt in doubts:
        if doubt in looks:
            return "not_comparable", doubt
    if "clear" in looks:
        return clear, None
    return "not_comparable", "too_small" if "too_small" in looks else "not_seen"


def _looks(
    group: DamageGroup, photos: Sequence[SeenPhoto], others: Sequence[SeenPhoto], registrations: _Registrations
) -> Iterator[_Look]:
    """What each photo of ``others`` that has the place in view shows there."""
    for view, (index, other) in product(group.views, enumerate(others)):
        registration = registrations.get((view.photo, index))
        if registration is not None:
            photo = photos[view.photo]
            look = _look(photo, photo.corners(photo.detections[view.number].box), other, registration)
            if look is not None:
                yield look


def _look(photo: SeenPhoto, corners: Corners, other: SeenPhoto, registration: Registration) -> _Look | None:
    if photo.features is None or other.features is None:
        return None
    projection = project(corners, registration, other.features)
    if projection is None or projection.share < _IN_VIEW:
        return None
    there = projection.corners
    if registration.agreement(corners, photo.features) >= _SAME_LOOK:
        return "looks_the_same"
    damages = [other.corners(detection.box) for detection in other.detections]
    if any(overlap(there, box) >= _TOUCHES or centred_in(there, box) or centred_in(box, there) for box in damages):
        return "other_damage_there"
    side = max(there[2] - there[0], there[3] - there[1])
    return "clear" if projection.zoom >= _MIN_ZOOM and side >= _MIN_SIDE else "too_small"


def _sightings(photos: Sequence[SeenPhoto], views: Sequence[DamageView]) -> tuple[Sighting, ...]:
    return tuple(
        Sighting(photo=view.photo, detection=DetectionAnswer.of(photos[view.photo].detections[view.number]))
        for view in views
    )


def _change(
    status: Status, reason: Reason | None, label: str, earlier: tuple[Sighting, ...], later: tuple[Sighting, ...]
) -> Change:
    return Change(status=status, label=label, reason=reason, earlier=earlier, later=later)
