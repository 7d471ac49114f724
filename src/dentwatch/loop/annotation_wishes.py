"""The photos of an incident that are most worth annotating: those about which the model was least sure."""

from sqlalchemy import Connection

from dentwatch.monitoring import feed, review_plan, watch_state
from dentwatch.monitoring.feed import FedPhoto
from dentwatch.monitoring.incidents import Incident

MOST_WISHES = 50
_LOOKED_AT = 1_000  # last inspections
_NOTHING_FOUND = 0.25  # how sure a photo without a detection counts as: under drift that is what damage looks like


def wish_for(connection: Connection, incident: Incident) -> int:
    """Have the most telling photos since the incident began reviewed for certain; returns how many there are.

    Doubt is how near the best score is to one half; photos without a detection count as rather doubtful.
    """
    last = watch_state.read(connection).updates
    since = [
        (inspection.id, photo)
        for inspection in feed.seen_since(connection, last - _LOOKED_AT, _LOOKED_AT)
        if inspection.at >= incident.since and inspection.is_in(incident.slice)
        for photo in inspection.photos
    ]
    chosen = sorted(since, key=lambda one: _sureness(one[1]))[:MOST_WISHES]
    review_plan.plan_wanted(connection, [(inspection, photo.position) for inspection, photo in chosen])
    return len(chosen)


def _sureness(photo: FedPhoto) -> float:
    return min((abs(one.score - 0.5) for one in photo.detections), default=_NOTHING_FOUND)
