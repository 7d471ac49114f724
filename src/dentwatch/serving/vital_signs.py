"""How the service is: whether its parts can be used, what room is left, what waits. For probes and for metrics."""

import asyncio
import math
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from dentwatch.errors import DentwatchError
from dentwatch.records import inspections
from dentwatch.serving import metrics
from dentwatch.serving.problems import RefusedError

if TYPE_CHECKING:
    from dentwatch.serving.runtime import Runtime

OK = "ok"
"""What a part says that can be used."""

_PATIENCE_SECONDS = 3.0
_LONGEST_SECONDS = 10.0  # for all signs together, where a thread waits for them


async def parts(runtime: "Runtime") -> dict[str, str]:
    """What each part says that inspections need: :data:`OK`, or what is wrong."""
    database, photos = await asyncio.gather(_answer(runtime, _database), _answer(runtime, _photos))
    return {"database": database, "photos": photos}


async def take(runtime: "Runtime") -> None:
    """Set the gauges that nothing else sets; ``NaN`` is what cannot be read."""
    for part, said in (await parts(runtime)).items():
        metrics.READY.labels(part).set(said == OK)
    metrics.FREE_BYTES.set(shutil.disk_usage(runtime.settings.home.absolute()).free)
    metrics.LEAST_FREE_BYTES.set(runtime.settings.serving.min_free_bytes)
    try:
        pending, seconds = await runtime.intake.read(_waiting)
    except RefusedError:  # READY tells about that
        pending, seconds = math.nan, math.nan
    metrics.PENDING.set(pending)
    metrics.PENDING_SECONDS.set(seconds)


def taking(runtime: "Runtime", loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """:func:`take` for a thread beside ``loop``; what it calls raises :class:`TimeoutError` where that takes long."""
    return lambda: asyncio.run_coroutine_threadsafe(take(runtime), loop).result(_LONGEST_SECONDS)


def _waiting(connection: Connection) -> tuple[float, float]:
    oldest = inspections.oldest_pending(connection)
    waited = 0.0 if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
    return inspections.count_pending(connection), max(0.0, waited)


def _database(runtime: "Runtime") -> None:
    runtime.database.check()


def _photos(runtime: "Runtime") -> None:
    runtime.intake.check_room()
    runtime.store.check()


async def _answer(runtime: "Runtime", check: Callable[["Runtime"], None]) -> str:
    try:
        await asyncio.wait_for(runtime.intake.in_thread(check, runtime), _PATIENCE_SECONDS)
    except TimeoutError:
        return f"no answer within {_PATIENCE_SECONDS:g} s"
    except RefusedError as error:
        return str(error.detail)
    except DentwatchError as error:
        return error.message
    return OK
