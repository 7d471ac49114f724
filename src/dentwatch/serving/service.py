"""Looking at photos without blocking: a few threads look, the event loop goes on."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from dentwatch.data.embedding import packed, photo_embedding
from dentwatch.data.perceptual_hash import perceptual_hashes
from dentwatch.data.statistics import PhotoStatistics
from dentwatch.records.detections import Detection
from dentwatch.serving import metrics
from dentwatch.serving.answers import PhotoAnswer, PhotoFailure, PhotoResult
from dentwatch.serving.inspection import Decoded, Inspector, Photo
from dentwatch.serving.live_models import LiveModels
from dentwatch.serving.photo_reuse import is_distinctive
from dentwatch.serving.pixel_limit import check_pixels, may_exceed
from dentwatch.serving.stages import stage
from dentwatch.serving.tracing import in_context
from dentwatch.serving.views import ViewFeatures, features_of
from dentwatch.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Examined:
    """A photo that was looked at for an inspection: the answer, and what else its pixels were needed for.

    ``hashes`` are the perceptual hashes of the photo and of its mirror image, None where it shows too little to be
    told from others; ``embedding`` is the packed embedding; ``features`` what makes it findable in other photos of the
    vehicle, None where nothing asks. ``decoded`` are the pixels, kept where a challenger is to see them, too.
    """

    answer: PhotoAnswer
    detections: tuple[Detection, ...]
    statistics: PhotoStatistics
    hashes: tuple[int, int] | tuple[None, None]
    embedding: bytes
    features: ViewFeatures | None
    decoded: Decoded | None = None


class InspectionService:
    """Models that answer about photos, ``serving.concurrency`` at a time, in threads of their own.

    Photos of one request take turns with those of others, so that a large request does not hold up small ones.
    """

    def __init__(self, settings: Settings, models: LiveModels) -> None:
        self.models = models
        self._limits = settings.serving
        self._most = settings.serving.concurrency
        self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="look")
        self._started = time.monotonic()

    @property
    def model(self) -> str:
        """The model version that answers."""
        return self.models.champion.model

    @property
    def uptime(self) -> float:
        """Seconds since the models were loaded."""
        return time.monotonic() - self._started

    async def check(self, photos: Sequence[Photo]) -> None:
        """Raise :class:`.problems.RefusedError` (413) for photos of more than ``serving.max_request_pixels`` together.

        Their headers are read for it, and only where so many photos may have so many pixels.
        """
        if may_exceed(len(photos), self._limits):
            await self.run(check_pixels, photos, self._limits)

    async def inspect(self, photos: Sequence[Photo], min_score: float | None) -> list[PhotoResult]:
        """One answer per photo, in their order; ``min_score`` as in :meth:`.detector.Detector.detect`.

        Raises what :meth:`check` raises.
        """
        await self.check(photos)
        inspector = self.models.champion
        return await self._each(photos, lambda photo: _inspected(inspector, photo, min_score))

    async def examine(
        self, photos: Sequence[Photo], inspector: Inspector, min_score: float | None
    ) -> list[Examined | PhotoFailure]:
        """The same with all that an inspection keeps; features of photos with damage, where there are several."""
        compare = len(photos) > 1
        shadowed = self.models.shadow is not None and inspector is self.models.champion
        return await self._each(photos, lambda photo: _examined(inspector, photo, min_score, compare, shadowed))

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Other work that needs a core, in one of the threads that look."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, in_context(work, *arguments))

    def close(self) -> None:
        """Finish what is under way and end the threads."""
        self._pool.shutdown()

    async def _each(self, photos: Sequence[Photo], look: Callable[[Photo], Result]) -> list[Result]:
        loop = asyncio.get_running_loop()
        if len(photos) == 1:
            return [await loop.run_in_executor(self._pool, in_context(look, photos[0]))]
        turn = asyncio.Semaphore(self._most)

        async def one(photo: Photo) -> Result:
            async with turn:
                return await loop.run_in_executor(self._pool, in_context(look, photo))

        return await asyncio.gather(*map(one, photos))


def _inspected(inspector: Inspector, photo: Photo, min_score: float | None) -> PhotoResult:
    decoded = _decoded(inspector, photo)
    if isinstance(decoded, PhotoFailure):
        metrics.photo_seen("failed", [decoded.reason])
        return decoded
    metrics.photo_seen("answered")
    return inspector.encode(decoded, *_predicted(inspector, decoded, min_score))


def _examined(
    inspector: Inspector, photo: Photo, min_score: float | None, compare: bool, shadowed: bool
) -> Examined | PhotoFailure:
    decoded = _decoded(inspector, photo)
    if isinstance(decoded, PhotoFailure):
        return decoded
    detections, milliseconds = _predicted(inspector, decoded, min_score)
    rgb = decoded.pixels.rgb
    return Examined(
        answer=inspector.encode(decoded, detections, milliseconds),
        detections=tuple(detections),
        statistics=decoded.statistics,
        hashes=perceptual_hashes(rgb, decoded.half) if is_distinctive(decoded.statistics) else (None, None),
        embedding=packed(photo_embedding(rgb, decoded.half)),
        features=features_of(rgb) if compare and detections else None,
        decoded=decoded if shadowed else None,
    )


def _decoded(inspector: Inspector, photo: Photo) -> Decoded | PhotoFailure:
    with stage("decode") as span:
        decoded = inspector.decode(photo)
        if isinstance(decoded, PhotoFailure):
            span.set_attribute("dentwatch.photo.fault", decoded.reason)
        else:
            pixels = decoded.pixels
            span.set_attributes({"dentwatch.photo.width": pixels.width, "dentwatch.photo.height": pixels.height})
        return decoded


def _predicted(inspector: Inspector, decoded: Decoded, min_score: float | None) -> tuple[list[Detection], float]:
    with stage("infer") as span:
        detections, milliseconds = inspector.predict(decoded, min_score)
        span.set_attributes({"dentwatch.model": inspector.model, "dentwatch.detections": len(detections)})
    for label, count in Counter(detection.label for detection in detections).items():
        metrics.DETECTIONS.labels(label, inspector.model).inc(count)
    return detections, milliseconds
