"""The inspection service without its transport: takes photos, keeps the event loop free, and knows when it is full."""

import asyncio
import functools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.answers import PhotoResult
from dentwatch.serving.inspection import Inspector, Photo
from dentwatch.serving.problems import RefusedError
from dentwatch.settings import Settings


class InspectionService:
    """A loaded model that answers up to ``serving.concurrency`` inspections at a time, in threads of its own.

    Raises :class:`dentwatch.errors.ModelError` when the model cannot be loaded.
    """

    def __init__(self, settings: Settings, bundle: ModelBundle) -> None:
        serving = settings.serving
        self._inspector = Inspector(bundle, threads=serving.threads, max_pixels=settings.data.max_pixels)
        self._pool = ThreadPoolExecutor(serving.concurrency, thread_name_prefix="inspection")
        self._room = serving.concurrency + serving.queue
        self._present = 0
        self._started = time.monotonic()

    @property
    def model(self) -> str:
        """The model version that answers."""
        return self._inspector.model

    @property
    def uptime(self) -> float:
        """Seconds since the model was loaded."""
        return time.monotonic() - self._started

    async def inspect(self, photos: Sequence[Photo], min_score: float | None) -> list[PhotoResult]:
        """One answer per photo, in their order; waits its turn.

        Raises :class:`RefusedError` (503) when ``serving.queue`` inspections are waiting already.
        """
        if self._present >= self._room:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "busy",
                "All places are taken. Try again in a moment.",
                {"Retry-After": "1"},
            )
        self._present += 1
        try:
            work = functools.partial(self._answer, photos, min_score)
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._present -= 1

    def close(self) -> None:
        """Finish what is under way and end the threads."""
        self._pool.shutdown()

    def _answer(self, photos: Sequence[Photo], min_score: float | None) -> list[PhotoResult]:
        return list(self._inspector.inspect(photos, min_score))
