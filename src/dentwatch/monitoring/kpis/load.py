"""What serving costs as its load grows: measured by the operating system while it is at work.

A sample covers some seconds in which photos were looked at: how many, how many requests were under way on average
(Little's law: the seconds that requests took, per second), and what the worker processes used meanwhile.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psutil
from sqlalchemy import Connection, insert, select

from dentwatch.monitoring.kpis.totals import Period
from dentwatch.records.kpi_tables import load_samples
from dentwatch.serving import metrics
from dentwatch.serving.memory import proportional

BANDS = (1.5, 3.0, 6.0, 12.0, 24.0)
"""Requests under way at which the next band of load begins."""


@dataclass(frozen=True, slots=True)
class LoadSample:
    """``photos`` looked at within ``seconds`` up to ``at``, and what all worker processes together used for it."""

    at: datetime
    seconds: float
    photos: int
    in_flight: float
    cpu_seconds: float
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    photos: float
    request_seconds: float
    cpu_by_process: dict[int, float]
    resident_bytes: int


class LoadSampler:
    """Measures the child processes of ``parent`` except ``besides``, and what they count."""

    def __init__(self, parent: int, besides: int) -> None:
        self._parent, self._besides = parent, besides
        self._before: _Reading | None = None

    def sample(self) -> LoadSample | None:
        """What happened since the last call; None at first, and where no photo was looked at since."""
        now, before = self._read(), self._before
        self._before = now
        if before is None:
            return None
        photos, seconds = round(now.photos - before.photos), now.at - before.at
        if photos <= 0 or seconds <= 0:
            return None
        cpu = sum(used - before.cpu_by_process.get(pid, 0.0) for pid, used in now.cpu_by_process.items())
        in_flight = (now.request_seconds - before.request_seconds) / seconds
        return LoadSample(datetime.now(UTC), seconds, photos, in_flight, cpu, now.resident_bytes)

    def _read(self) -> _Reading:
        cpu: dict[int, float] = {}
        resident = 0
        for process in _children(self._parent):
            if process.pid == self._besides:
                continue
            try:
                used = process.cpu_times()
            except psutil.Error:  # it ended just now
                continue
            cpu[process.pid] = used.user + used.system
            resident += proportional(process)
        counted = {"dentwatch_photos_total": 0.0, "dentwatch_http_request_duration_seconds_sum": 0.0}
        for family in metrics.of_all_processes().collect():
            for one in family.samples:
                if one.name in counted and one.labels.get("route") != "/metrics":
                    counted[one.name] += one.value
        photos, seconds = counted.values()
        return _Reading(time.monotonic(), photos, seconds, cpu, resident)


def keep(connection: Connection, sample: LoadSample) -> None:
    """Keep a sample."""
    connection.execute(insert(load_samples).values(asdict(sample)))


def within(connection: Connection, period: Period) -> list[LoadSample]:
    """The samples of a period."""
    rows, (since, until) = load_samples, (_midnight(day) for day in (period.since, period.until))
    columns = [rows.c[name] for name in LoadSample.__dataclass_fields__]
    query = select(*columns).where(rows.c.at >= since, rows.c.at < until).order_by(rows.c.at)
    return [LoadSample(*row) for row in connection.execute(query)]


def by_band(samples: Iterable[LoadSample]) -> list[Sequence[LoadSample]]:
    """The samples by how many requests were under way, fewest first; bands without one are left out."""
    bands: dict[int, list[LoadSample]] = {}
    for one in samples:
        bands.setdefault(sum(one.in_flight >= start for start in BANDS), []).append(one)
    return [bands[number] for number in sorted(bands)]


def _children(parent: int) -> Sequence[Any]:
    try:
        found: Sequence[Any] = psutil.Process(parent).children(recursive=True)
    except psutil.Error:
        return []
    return found


def _midnight(day: object) -> datetime:
    return datetime.fromisoformat(f"{day}T00:00:00+00:00")
