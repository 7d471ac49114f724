"""Which reference production is compared with: the champion's validation photos, else its first traffic.

The champion is followed as serving follows it; a promotion brings another reference. To one that was made for a drift
photos like those are normal: it is compared with its own traffic. Where its validation photos are
not at hand or too few to keep the false-alarm promise (:class:`~dentwatch.errors.UnarmedError`), the detectors warm up:
the first :data:`WARM_UP_PHOTOS` photos that it answers, more if they are of too few vehicles, are taken to be in order,
and kept in ``DENTWATCH_HOME``.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import func, select

from dentwatch.errors import DentwatchError, MonitoringError, UnarmedError
from dentwatch.monitoring.monitors import Monitors
from dentwatch.monitoring.reference import Reference
from dentwatch.records import tables
from dentwatch.records.database import Database
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.models import resolve
from dentwatch.settings import Settings

WARM_UP_PHOTOS = 600
"""Photos of production that make a reference: enough to arm, whatever part the embedding takes."""

_MOST_PHOTOS = 5_000  # of traffic in a reference
_AGAIN_SECONDS = 30.0  # between attempts to make a reference of traffic

_log = logging.getLogger(__name__)


class Arming:
    """Keeps :attr:`monitors` up to date with the model that ``ref`` names (None: the champion).

    ``monitors`` is None while nothing can be compared; ``problem`` says why, for people.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        ref: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.monitors: Monitors | None = None
        self.problem = "The reference is being made."
        self.bundle: ModelBundle | None = None
        self._settings = settings
        self._database = database
        self._ref = ref
        self._clock = clock
        self._next_look = self._next_attempt = 0.0

    @property
    def adapted_to(self) -> str | None:
        """The incident that the model was made for."""
        adapted = None if self.bundle is None else self.bundle.spec.adapted_to
        return None if adapted is None else adapted.incident

    def look(self) -> None:
        """Look for another champion, and for a reference where there is none yet; does so only now and then."""
        now = self._clock()
        if now < self._next_look:
            return
        self._next_look = now + self._settings.serving.follow_seconds
        try:
            bundle = resolve(self._ref, self._settings)
        except DentwatchError as error:
            self.problem = str(error)
            return
        if self.bundle is None or bundle.name != self.bundle.name:
            self.bundle, self.monitors, self._next_attempt = bundle, None, 0.0
        if self.monitors is None and now >= self._next_attempt:
            self._next_attempt = now + _AGAIN_SECONDS
            self._arm(bundle)

    def _arm(self, bundle: ModelBundle) -> None:
        for make in (self._of_champion, self._of_traffic):
            try:
                reference = make(bundle)
                self.monitors = Monitors(reference, self._settings.monitoring.one_in)
                self._keep(reference, bundle)
            except (UnarmedError, MonitoringError) as error:
                self.problem = error.message
            except DentwatchError as error:  # a photo of the reference is missing, say
                self.problem = str(error)
                _log.warning("%s", error)
            else:
                self.problem = ""
                _log.info("Drift is watched for against %d photos (%s).", len(reference.features), reference.source)
                return

    def _of_champion(self, bundle: ModelBundle) -> Reference:
        if self._ref not in (None, "champion"):
            raise MonitoringError(f"{bundle.name} was named by hand; it warms up on its traffic.")
        if bundle.spec.adapted_to is not None:
            raise MonitoringError(f"{bundle.name} was made for photos unlike those that it was validated on.")
        return Reference.of_champion(self._settings)

    def _of_traffic(self, bundle: ModelBundle) -> Reference:
        path = self._path(bundle)
        if path.exists():
            return Reference.load(path)
        answered = self._answered(bundle)
        if answered < WARM_UP_PHOTOS:
            raise MonitoringError(
                f"Warming up on traffic: {answered} of {WARM_UP_PHOTOS} photos of {bundle.name}.",
                "Drift is watched for once they are there.",
            )
        # More than that are only taken where so many were of too few vehicles.
        return Reference.of_traffic(self._database, bundle, photos=min(answered, _MOST_PHOTOS))

    def _keep(self, reference: Reference, bundle: ModelBundle) -> None:
        """Compare with the same traffic from now on, also after a restart."""
        path = self._path(bundle)
        if reference.source == "traffic" and not path.exists():
            reference.save(path)

    def _answered(self, bundle: ModelBundle) -> int:
        photos, inspections = tables.inspection_photos, tables.inspections
        query = (
            select(func.count())
            .select_from(photos.join(inspections, inspections.c.id == photos.c.inspection_id))
            .where(inspections.c.model == bundle.name, inspections.c.status == "done", photos.c.error.is_(None))
        )
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def _path(self, bundle: ModelBundle) -> Path:
        name = f"traffic-{bundle.name.replace('/', '-')}-{bundle.fingerprint}.npz"
        return self._settings.home.absolute() / "references" / name
