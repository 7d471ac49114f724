"""The models that answer now: the champion, and beside it a challenger in the shadow or for a share of vehicles.

A promotion or rollback in the registry is noticed here, the new model is loaded and tried while the old one goes on
answering, and from one photo to the next the new one answers. Nothing waits and nothing is dropped.
"""

import hashlib
import logging
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

from dentwatch.errors import DentwatchError, MissingExtraError
from dentwatch.records import model_failures, rollouts
from dentwatch.records.database import Database
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.rollouts import Rollout
from dentwatch.serving import metrics
from dentwatch.serving.engines.choice import choose
from dentwatch.serving.engines.comparison import compare_apart
from dentwatch.serving.inspection import Inspector
from dentwatch.serving.models import resolve
from dentwatch.serving.quality_gate import QualityGate
from dentwatch.settings import Settings

_CHALLENGER = "challenger"
_FOLLOWED = (None, "champion")  # references that mean another model after a promotion

_log = logging.getLogger(__name__)


class LiveModels:
    """What answers, kept up to date with the registry every ``serving.follow_seconds``.

    ``ref`` as in :func:`~dentwatch.serving.models.resolve`; a model that is named by number or folder stays.
    Besides what the settings say, a challenger is in the shadow or the canary while its rollout in ``database`` is.
    ``engines`` is the folder over which processes agree on the engine of each model, see :func:`.choice.choose`. Raises
    :class:`dentwatch.errors.ModelError` when it cannot be loaded.
    """

    def __init__(
        self,
        settings: Settings,
        ref: str | None = None,
        engines: Path | None = None,
        database: Database | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._engines = engines
        self._ref = ref
        self._rollout: Rollout | None = None
        self._told: tuple[str, str, datetime | None] | None = None
        self.champion = self._tried("champion", resolve(ref, settings))
        metrics.MODEL.labels("champion", self.champion.model).set(1)
        self.challenger: Inspector | None = None
        self.problem: str | None = None
        """What keeps the registry from being followed, for a person; None while all is well."""
        serving = settings.serving
        self._follows_champion = ref in _FOLLOWED
        self._always_challenged = serving.shadow or serving.canary_share > 0
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self) -> None:
        """Start following the registry, where there is anything to follow."""
        if self._follows_champion or self._always_challenged:
            self._thread = threading.Thread(target=self._run, name="follow-registry", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def answering(self, vehicle_id: str | None) -> Inspector:
        """The model that answers about a vehicle: the challenger for the canary's share of them.

        Which ones depends on the vehicle's id alone, so that a vehicle is always answered by the same model. Photos
        without a vehicle are the champion's.
        """
        challenger, share = self.challenger, self._canary_share
        if challenger is None or vehicle_id is None or not share:
            return self.champion
        place = int.from_bytes(hashlib.sha256(f"canary/{vehicle_id}".encode()).digest()[:8], "big") / 2**64
        return challenger if place < share else self.champion

    @property
    def shadow(self) -> Inspector | None:
        """The challenger, where it is to see every photo without being heard."""
        rollout = self._rollout
        seen = self._settings.serving.shadow or (rollout is not None and rollout.stage == "shadow")
        return self.challenger if seen else None

    @property
    def _canary_share(self) -> float:
        rollout = self._rollout
        return (
            rollout.share if rollout is not None and rollout.stage == "canary" else self._settings.serving.canary_share
        )

    def refresh(self) -> None:
        """Look at the registry once; a model that cannot be loaded leaves the one before in place."""
        problem: str | None = None
        if self._follows_champion:
            problem = self._renewed("champion", lambda: resolve(self._ref, self._settings))
        if self._follows_champion or self._always_challenged:
            problem = self._renewed("challenger", self._challenger) or problem
        if problem and problem != self.problem:
            _log.error("The registry cannot be followed, and the models stay as they are: %s", problem)
        self.problem = problem
        metrics.REGISTRY_PROBLEM.set(problem is not None)

    def _run(self) -> None:
        self.refresh()
        while not self._ending.wait(self._settings.serving.follow_seconds):
            self.refresh()

    def _renewed(
        self, role: Literal["champion", "challenger"], current: Callable[[], ModelBundle | None]
    ) -> str | None:
        """Put what the registry says in place; returns what went wrong."""
        try:
            bundle = current()
            present: Inspector | None = getattr(self, role)
            now, before = bundle.name if bundle else None, present.model if present else None
            if now == before:
                return None
            loaded = self._tried(role, bundle) if bundle else None
        except DentwatchError as error:
            return str(error)
        except Exception as error:  # whatever MLflow, its database or its server raise
            return f"{type(error).__name__}: {error}"
        setattr(self, role, loaded)
        metrics.model_swapped(role, before, now)
        _log.info("The %s is now %s.", role, now or "nobody")
        return None

    def _challenger(self) -> ModelBundle | None:
        from dentwatch.records.registry import challenger

        under_way = self._under_way()
        if not under_way and not self._always_challenged:  # the registry, perhaps a server, is not asked in vain
            self._rollout = None
            return None
        bundle = challenger(self._settings)
        if bundle is None or bundle.name == self.champion.model:
            self._rollout = None
            return None
        self._rollout = next((one for one in under_way if one.model == bundle.name), None)
        heard = self._rollout is not None and self._rollout.stage != "approval"
        return bundle if heard or self._always_challenged else None

    def _under_way(self) -> list[Rollout]:
        if self._database is None:
            return []
        with self._database.reading() as connection:
            return rollouts.under_way(connection)

    def _tried(self, role: str, bundle: ModelBundle) -> Inspector:
        """As :meth:`_loaded`; that it cannot be loaded is kept, once for each stage of its rollout."""
        try:
            return self._loaded(bundle)
        except MissingExtraError:  # a matter of this installation
            raise
        except Exception as error:  # whatever an engine raises
            stage = self._rollout.stage_since if role == _CHALLENGER and self._rollout else None
            # A stage looks only at what failed in its own time.
            if self._database is not None and self._told != (bundle.name, role, stage):
                with self._database.writing() as connection:
                    model_failures.note_unloadable(connection, bundle.name, f"{type(error).__name__}: {error}")
                self._told = bundle.name, role, stage
            raise

    def _loaded(self, bundle: ModelBundle) -> Inspector:
        """A model ready to answer: it has seen one grey picture, so that its first photo is not its slowest."""
        QualityGate.of(bundle)  # else each of its inspections would fail for it
        serving = self._settings.serving
        if self._engines is not None:
            compare_apart(bundle, serving, self._engines)
        network = choose(bundle, serving, self._engines)
        inspector = Inspector(bundle, threads=serving.threads, max_pixels=serving.max_pixels, network=network)
        inspector.warm_up()
        return inspector
