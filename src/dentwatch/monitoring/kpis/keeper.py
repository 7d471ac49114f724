"""Keeps the KPIs current beside a service: counts what has changed, measures load, sets the gauges."""

import logging
import threading
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from dentwatch.errors import DentwatchError
from dentwatch.monitoring import metrics
from dentwatch.monitoring.kpis import load, rollups
from dentwatch.monitoring.kpis.load import LoadSampler
from dentwatch.monitoring.kpis.report import DAYS, report
from dentwatch.monitoring.kpis.totals import Period, Scope
from dentwatch.records.database import Database
from dentwatch.settings import Settings

_LOOK_SECONDS = 5.0
_SAMPLE_SECONDS = 30.0
_GAUGE_SECONDS = 60.0
_PATIENCE = 5.0  # seconds that the thread may take to end

_log = logging.getLogger(__name__)


class KpiKeeper:
    """A thread within the ``with`` block; ``sampler`` measures load, where there is a service to be measured."""

    def __init__(self, settings: Settings, database: Database, sampler: LoadSampler | None = None) -> None:
        self._settings, self._database, self._sampler = settings, database, sampler
        self._stop = threading.Event()
        self._due = {"sample": 0.0, "gauges": 0.0}
        self._thread = threading.Thread(target=self._run, name="kpis", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(_PATIENCE)

    def step(self) -> int:
        """Do what is due; returns how many changes were counted.

        Raises :class:`~dentwatch.errors.DatabaseError` when the database cannot be used.
        """
        counted = rollups.catch_up(self._database, rollups.BATCH)
        if self._sampler is not None and self._is_due("sample", _SAMPLE_SECONDS):
            sample = self._sampler.sample()
            if sample is not None:
                with self._database.writing() as connection:
                    load.keep(connection, sample)
        if self._is_due("gauges", _GAUGE_SECONDS):
            self._set_gauges()
        return counted

    def _run(self) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            counted = 0
            try:
                counted = self.step()
            except DentwatchError as error:
                _log.warning("The KPIs wait: %s", error)
            except Exception:  # a fault of ours must not end the counting for good
                _log.exception("The KPIs could not be brought up to date, and are tried again.")
            took = time.monotonic() - started
            self._stop.wait(took if counted == rollups.BATCH else _LOOK_SECONDS)  # half of the time is others' at least

    def _is_due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + seconds
        return True

    def _set_gauges(self) -> None:
        period = Period.last(DAYS, datetime.now(UTC).date())
        with self._database.reading() as connection:
            made = report(connection, self._settings.kpis, Scope(period))
        for kpi in made.groups[0].kpis:
            name = f"{kpi.name}_{kpi.label}" if kpi.label else kpi.name
            metrics.kpi_seen(name, kpi.value, kpi.target, kpi.is_met)
