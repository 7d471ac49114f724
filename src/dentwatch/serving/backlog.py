"""Inspections that were accepted to be answered later: taken up one at a time, also those of a process that died.

Between them, Idempotency-Keys that are too old to be sent again are forgotten.
"""

import asyncio
import logging
import math
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dentwatch.errors import DentwatchError
from dentwatch.records import idempotency, inspections
from dentwatch.records.inspections import KeptInspection
from dentwatch.serving.inspection_answer import InspectionAnswer
from dentwatch.serving.intake import Intake, document_of
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.webhooks import Deliveries

_LOOK_SECONDS = 2.0  # another process may have accepted one and died
_LEASE = timedelta(seconds=15)  # an inspection of a process that died waits this long for another
_RENEW_SECONDS = 5.0
_FORGET_SECONDS = 600.0  # between looks for keys to forget
_MOST_ATTEMPTS = (
    10  # an inspection that ends the process each time must not go on doing so; kills that hit it by chance are fewer
)

_log = logging.getLogger(__name__)


class Backlog:
    """Answers pending inspections; any number of processes may do so on one database. ``deliveries`` is told.

    Idempotency-Keys are remembered for ``remembered``.
    """

    def __init__(self, intake: Intake, deliveries: Deliveries, remembered: timedelta) -> None:
        self._intake = intake
        self._deliveries = deliveries
        self._remembered = remembered
        self._forgot_at = -math.inf
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, first of all with what an earlier process left."""
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """There is another one."""
        self._changed.set()

    async def close(self) -> None:
        """Stop; an inspection under way is let go for others, or for the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                while await self._next():
                    pass
                await self._forget_keys()
            except (
                Exception
            ) as error:  # the database is gone, or a fault of ours: what is pending stays so, and is retried
                _log.error("Pending inspections wait: %s: %s", type(error).__name__, error)
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _LOOK_SECONDS)

    async def _next(self) -> bool:
        """Answer the oldest; False where there is none."""
        now = datetime.now(UTC)
        claimed = await self._intake.write(lambda connection: inspections.claim(connection, now, now + _LEASE))
        if claimed is None:
            return False
        pending, attempts = claimed
        if attempts > _MOST_ATTEMPTS:
            why = f"The service failed or ended {_MOST_ATTEMPTS} times while it looked at these photos."
            await self._give_up(pending, why)
            return True
        renewing = asyncio.create_task(self._renew(pending.id))
        try:
            await self._intake.finish(pending)
        except asyncio.CancelledError:
            await asyncio.shield(self._hold(pending.id, None))
            raise
        except RefusedError:
            raise
        except DentwatchError as error:
            await self._give_up(pending, str(error))
        finally:
            renewing.cancel()
        self._deliveries.wake()
        return True

    async def _forget_keys(self) -> None:
        if time.monotonic() - self._forgot_at < _FORGET_SECONDS:
            return
        self._forgot_at = time.monotonic()
        before = datetime.now(UTC) - self._remembered
        await self._intake.write(lambda connection: idempotency.forget(connection, before))

    async def _renew(self, inspection_id: str) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            with suppress(RefusedError):
                await self._hold(inspection_id, datetime.now(UTC) + _LEASE)

    async def _hold(self, inspection_id: str, until: datetime | None) -> None:
        await self._intake.write(lambda connection: inspections.hold(connection, inspection_id, until))

    async def _give_up(self, pending: KeptInspection, why: str) -> None:
        _log.error("The inspection %s failed: %s", pending.id, why)
        document = InspectionAnswer.model_validate(document_of(pending) | {"status": "failed", "error": why})
        failed = replace(pending, status="failed", answer=document.model_dump(mode="json"))
        await self._intake.write(lambda connection: inspections.complete(connection, failed))
        self._deliveries.wake()
