"""Everything that a worker process serves with, put together once and started and ended in order."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

from dentwatch.records import api_keys, inspections
from dentwatch.records.database import Database
from dentwatch.records.photos import PhotoStore
from dentwatch.serving import vital_signs
from dentwatch.serving.access import Access
from dentwatch.serving.backlog import Backlog
from dentwatch.serving.intake import Intake, document_of, without_others
from dentwatch.serving.ledger import Ledger
from dentwatch.serving.live_models import LiveModels
from dentwatch.serving.metric_export import MetricExport
from dentwatch.serving.photo_reuse import ReuseIndex
from dentwatch.serving.price_file import path_in_use, read_table
from dentwatch.serving.server import is_loopback
from dentwatch.serving.service import InspectionService
from dentwatch.serving.shadow import Shadow
from dentwatch.serving.webhooks import Deliveries
from dentwatch.settings import Settings


class Runtime:
    """The parts of a service over the model that ``ref`` names.

    ``shared`` is a folder over which the worker processes of one service agree: on the use of API keys
    (:class:`Access`) and on engines (:class:`LiveModels`). Raises :class:`~dentwatch.errors.ModelError`,
    :class:`~dentwatch.errors.SettingsError` and :class:`~dentwatch.errors.DatabaseError` where one of them cannot be
    had.
    """

    def __init__(self, settings: Settings, ref: str | None = None, shared: Path | None = None) -> None:
        self.settings = settings
        settings.home.mkdir(parents=True, exist_ok=True)  # with a database elsewhere nothing else needs it at once
        self.database = Database.of(settings)
        self.database.check()
        self.models = LiveModels(settings, ref, shared and shared / "engines", self.database)
        self.service = InspectionService(settings, self.models)
        self.store = PhotoStore(settings.photo_store_url)
        self.ledger = Ledger(self.database)
        self.reuse = ReuseIndex(settings.data.near_duplicate_distance)
        self.prices = read_table(path_in_use(settings))
        self.shadow = Shadow(self.models, self.ledger)
        self.intake = Intake(settings, self.service, self.ledger, self.prices, self.reuse, self.shadow)
        self.intake.assembly_of(self.models.champion)  # what is wrong with it shows now, not with the first photo
        self.deliveries = Deliveries(self.database, settings, self._answer_of)
        self.backlog = Backlog(self.intake, self.deliveries, timedelta(hours=settings.serving.idempotency_hours))
        self.export = MetricExport()
        self.access = Access(
            self.database, settings.serving, is_open=self._is_open(), counts=shared and shared / "keys"
        )

    def start(self) -> None:
        """Begin what runs beside requests; call it within the event loop."""
        self.models.follow()
        self.shadow.start()
        self.deliveries.start()
        self.backlog.start()
        self.export.start(vital_signs.taking(self, asyncio.get_running_loop()))

    async def close(self) -> None:
        """End everything, when no request is under way any more."""
        await asyncio.to_thread(self.export.close)
        await self.backlog.close()
        self.models.close()
        self.shadow.close()
        self.deliveries.close()
        self.service.close()
        self.intake.close()
        self.ledger.close()
        self.access.close()
        self.database.close()

    def _is_open(self) -> bool:
        """Whether everybody of this machine may come in: nobody else can, and there are no keys."""
        with self.database.reading() as connection:
            return is_loopback(self.settings.serving.host) and not api_keys.any_valid(connection)

    def _answer_of(self, inspection_id: str) -> bytes:
        with self.database.reading() as connection:
            kept = inspections.find(connection, inspection_id)
        if kept is None:
            raise LookupError(f"There is no inspection {inspection_id}.")
        document = document_of(kept)
        if kept.owner is not None:  # it goes to where the owner of the inspection says
            document = without_others(document)
        return json.dumps(document, ensure_ascii=False).encode()
