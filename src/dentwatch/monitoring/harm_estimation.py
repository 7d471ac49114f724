"""How bad an incident is: its harm estimated on the champion's validation photos, beside the following of traffic."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.errors import DentwatchError
from dentwatch.monitoring import feed, watch_state
from dentwatch.monitoring.feed import FedInspection
from dentwatch.monitoring.harm import Harm, estimate_harm
from dentwatch.monitoring.incidents import Incident, Level
from dentwatch.monitoring.monitors import Monitors
from dentwatch.monitoring.signals import MOST_RECENT
from dentwatch.monitoring.validation_photos import validation_dataset
from dentwatch.records.database import Database
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.inspection import Inspector
from dentwatch.settings import Settings

Estimate = tuple[Incident, dict[str, Any], Level]


class HarmEstimation:
    """Estimates one incident's harm at a time, in a thread of its own: it takes minutes."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="harm")
        self._under_way: Future[Estimate] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether another may begin."""
        return self._under_way is None

    def begin(self, incident: Incident, bundle: ModelBundle, monitors: Monitors) -> None:
        """Start with an incident of the model ``bundle``."""
        self._under_way = self._thread.submit(self._estimate, incident, bundle, monitors)

    def finished(self) -> Estimate | None:
        """The estimate, once, when it is there."""
        if self._under_way is None or not self._under_way.done():
            return None
        done, self._under_way = self._under_way, None
        return done.result()

    def close(self) -> None:
        """Take no more; what is under way is not waited for by whoever ends the process."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _estimate(self, incident: Incident, bundle: ModelBundle, monitors: Monitors) -> Estimate:
        tolerance = self._settings.monitoring.harm_tolerance
        try:
            harm = self._measured(incident, bundle, monitors)
        except DentwatchError as error:  # of another kind of cause, or without annotated photos: it stays unknown
            return incident, {"text": str(error), "lost": None}, incident.level
        return incident, _document(harm, tolerance), "critical" if harm.beyond(tolerance) else "drift"

    def _measured(self, incident: Incident, bundle: ModelBundle, monitors: Monitors) -> Harm:
        settings = self._settings
        dataset = validation_dataset(settings, bundle)
        return estimate_harm(
            Inspector(bundle, threads=1, max_pixels=settings.data.max_pixels),
            list(dataset.photos(split="val")),
            PhotoStore(settings.photo_store_url),
            incident.cause,
            drifted_features(self._database, incident, monitors),
        )


def drifted_features(database: Database, incident: Incident, monitors: Monitors) -> NDArray[np.float64]:
    """The features ``(M, F)`` of the last photos that an incident shows, as the reference wants them."""
    with database.reading() as connection:
        last = watch_state.read(connection).updates
        recent = feed.seen_since(connection, last - MOST_RECENT, MOST_RECENT)
    drifted = [monitors.measure(one).features for one in recent if _shows(incident, one)]
    return np.concatenate(drifted) if drifted else np.empty((0, 0))


def _shows(incident: Incident, inspection: FedInspection) -> bool:
    return inspection.at >= incident.since and inspection.is_in(incident.slice)


def _document(harm: Harm, tolerance: float) -> dict[str, Any]:
    loss = harm.strict
    span = "" if loss.low is None or loss.high is None else f" (95 %: {loss.low:.1f} to {loss.high:.1f})"
    side = "beyond" if harm.beyond(tolerance) else "within"
    return {
        "text": f"It costs an estimated {loss.lost:.1f} points of recall{span}, {side} the {tolerance:g} tolerated.",
        "lost": loss.lost,
        "low": loss.low,
        "high": loss.high,
        "recall_before": loss.before,
        "recall_after": loss.after,
        "way": harm.way,
        "share": harm.share,
        "amount": harm.amount,
        "unit": harm.unit,
        "photos": harm.photos,
        "truths": harm.truths,
    }
