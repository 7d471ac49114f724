"""Inspecting photos: set up once, then decode → predict → encode, for the command line and the service alike."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.decoding import DecodedPhoto, decode
from dentwatch.data.shrinking import shrink
from dentwatch.data.statistics import STATISTIC_NAMES, STATISTICS_SIDE, PhotoStatistics, lighting, photo_statistics
from dentwatch.errors import PhotoError
from dentwatch.records.detections import Detection
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.answers import DetectionAnswer, PhotoAnswer, PhotoFailure, PhotoResult, Timing
from dentwatch.serving.detector import Detector
from dentwatch.serving.engines.contract import Network

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to inspect: its name, and how to get its bytes.

    ``read`` may raise :class:`PhotoError`; that photo then fails and the others go on.
    """

    name: str
    read: Callable[[], bytes | memoryview]

    @classmethod
    def of(cls, name: str, data: bytes | memoryview) -> "Photo":
        """A photo whose bytes are at hand."""
        return cls(name, lambda: data)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A photo on its way: pixels and statistics, and the milliseconds they took.

    ``half`` is ``shrink(pixels.rgb, 2)``, which several measurements start from.
    """

    name: str
    pixels: DecodedPhoto
    half: NDArray[Any]
    statistics: PhotoStatistics
    milliseconds: float


class Inspector:
    """A model version and everything between a photo's bytes and the answer about it.

    ``threads`` run the network; ``max_pixels`` is the most that a photo may decode to; ``network`` as in
    :class:`.engine.Engine`.
    Raises :class:`dentwatch.errors.ModelError` when the model cannot be loaded.
    """

    def __init__(self, bundle: ModelBundle, *, threads: int, max_pixels: int, network: Network | None = None) -> None:
        self.bundle = bundle
        self.model = bundle.name
        self._detector = Detector(bundle, threads, network=network)
        self.engine = self._detector.engine
        self._max_pixels = max_pixels
        self._side = max(self._detector.input_size, STATISTICS_SIDE)

    def warm_up(self) -> None:
        """Look at a grey picture of each usual shape that the model sees, so that first photos are not the slowest."""
        side = self._side
        shorter = side * 3 // 4 if self.bundle.spec.preprocessing.stride else side
        for height, width in {(side, side), (shorter, side), (side, shorter)}:
            grey = np.full((height, width, 3), 114, np.uint8)
            self._detector.detect([DecodedPhoto(grey, width, height, 1.0)])

    def decode(self, photo: Photo) -> Decoded | PhotoFailure:
        """Bytes → pixels at the size the model needs, and statistics."""
        start = time.perf_counter()
        try:
            pixels = decode(photo.read(), max_pixels=self._max_pixels, target_side=self._side)
        except PhotoError as error:
            return PhotoFailure(photo=photo.name, error=str(error), reason=error.reason, model=self.model)
        half = shrink(pixels.rgb, 2)
        statistics = photo_statistics(pixels.rgb, (pixels.width, pixels.height), half)
        return Decoded(photo.name, pixels, half, statistics, _milliseconds_since(start))

    def predict(self, decoded: Decoded, min_score: float | None = None) -> tuple[list[Detection], float]:
        """Pixels → detections (see :meth:`Detector.detect`), and the milliseconds they took."""
        start = time.perf_counter()
        [detections] = self._detector.detect([decoded.pixels], min_score)
        return detections, _milliseconds_since(start)

    def encode(self, decoded: Decoded, detections: Sequence[Detection], milliseconds: float) -> PhotoAnswer:
        """Detections → the answer."""
        return PhotoAnswer(
            photo=decoded.name,
            width=decoded.pixels.width,
            height=decoded.pixels.height,
            detections=tuple(DetectionAnswer.of(detection) for detection in detections),
            model=self.model,
            statistics=_brief(decoded.statistics),
            timing_ms=Timing(decode=decoded.milliseconds, infer=milliseconds),
        )

    def inspect(self, photos: Iterable[Photo], min_score: float | None = None, ahead: int = 2) -> Iterator[PhotoResult]:
        """Answer about each photo as soon as it is known, in the photos' order.

        Up to ``ahead`` photos are decoded in threads of their own while the network looks at the one before; no more
        than these are in memory at a time. ``min_score`` as in :meth:`Detector.detect`.
        """
        with ThreadPoolExecutor(ahead, thread_name_prefix="decode") as pool:
            for decoded in _ahead(pool, self.decode, photos, ahead):
                if isinstance(decoded, PhotoFailure):
                    yield decoded
                    continue
                yield self.encode(decoded, *self.predict(decoded, min_score))


def _ahead(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """``function`` of each item, in order, with at most ``ahead`` of them waiting or under way."""
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _brief(statistics: PhotoStatistics) -> dict[str, float | str]:
    """The statistics as an answer shows them: three digits after the point are plenty."""
    figures = {name: round(float(getattr(statistics, name)), 3) for name in STATISTIC_NAMES}
    return {"lighting": lighting(statistics), **figures}


def _milliseconds_since(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 3)
