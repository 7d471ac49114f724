"""What two processes do without HTTP: decode, letterbox, ONNX Runtime with one thread each, and nothing else."""

import itertools
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from multiprocessing.synchronize import Barrier
from pathlib import Path

import cv2
import numpy as np
from answers import Found, in_square, of_detection
from load import Exchange, Load
from photos import PhotoSet
from processes import MemoryWatch
from systems import WATCH_SECONDS, WORKERS, Route

from dentwatch.data.decoding import decode
from dentwatch.data.letterbox import letterbox
from dentwatch.records.model_bundle import ModelBundle, Preprocessing
from dentwatch.serving.detector import Detector
from dentwatch.serving.engine import Engine
from dentwatch.serving.engines import simplified
from dentwatch.serving.engines.onnx_runtime import OnnxRuntime

_PIXELS = 100_000_000


class InProcess:
    """The limit with the product's decoder (``reduced``), or with whole decodes; with the model's file as it is and
    photos in a square, or ``as_served``: photos in their own shape, and the graph that the service runs.
    """

    def __init__(self, bundle: ModelBundle, *, reduced: bool, as_served: bool = False) -> None:
        self.key = ("limit" if reduced else "limit-full") + ("-as-served" if as_served else "")
        decoded = "decoded at scale" if reduced else "decoded whole"
        self.routes = (Route(f"two processes, {decoded}" + (", as served" if as_served else "")),)
        self._bundle = bundle if as_served else in_square(bundle)
        self._reduced = reduced
        self._as_served = as_served

    @contextmanager
    def start(self) -> Iterator["RunningProcesses"]:
        """Start the processes; they end with the block."""
        context = multiprocessing.get_context("spawn")
        loaded = context.Barrier(WORKERS)
        with ProcessPoolExecutor(WORKERS, context, _load, (self._bundle, self._as_served, loaded)) as pool:
            # As many tasks as processes, so that all are started; none takes one before all have loaded the model.
            for task in [pool.submit(int) for _ in range(WORKERS)]:
                task.result()
            yield RunningProcesses(pool, self._bundle, self._reduced)


class RunningProcesses:
    """The processes at work."""

    def __init__(self, pool: ProcessPoolExecutor, bundle: ModelBundle, reduced: bool) -> None:
        self._pool = pool
        self._bundle = bundle
        self._side = bundle.spec.preprocessing.input_size if reduced else None

    def answers(self, _route: Route, photos: PhotoSet) -> list[list[Found]]:
        """What the same decoder and model say about each photo, boxes included."""
        detector = Detector(self._bundle)
        decoded = [decode(jpeg, max_pixels=_PIXELS, target_side=self._side) for jpeg in photos.jpegs]
        return [[of_detection(one) for one in found] for found in detector.detect(decoded)]

    def measure(self, _route: Route, photos: PhotoSet, _connections: int, seconds: float) -> Load:
        """Both processes go through the photos for ``seconds``; there are no connections."""
        return self.work_on(photos, seconds)

    def watch(self) -> MemoryWatch:
        """See :class:`systems.Running`."""
        children = (child.pid for child in multiprocessing.active_children() if child.pid is not None)
        return MemoryWatch(*children, every=WATCH_SECONDS)

    def work_on(self, photos: PhotoSet, seconds: float) -> Load:
        """What both processes answer about the photos in ``seconds``, and until they are done with the last of them."""
        begin = time.perf_counter() + 0.2  # by then both have received the photos
        tasks = [
            self._pool.submit(_work, photos.jpegs, self._side, number * len(photos.jpegs) // WORKERS, begin, seconds)
            for number in range(WORKERS)
        ]
        done = [task.result() for task in tasks]
        took = statistics.fmean(one[-1].started + one[-1].seconds - begin for one in done)
        return Load([exchange for one in done for exchange in one], took, 0.0)


_loaded: list[tuple[Engine, Preprocessing]] = []
"""What a worker process runs, once loaded."""


def _load(bundle: ModelBundle, as_served: bool, loaded: Barrier) -> None:
    cv2.setNumThreads(1)
    network = None
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "simplified.onnx"
        if as_served and simplified.write(bundle, path):
            network = OnnxRuntime(bundle, path=path, name=simplified.NAME)
    _loaded.append((Engine(bundle, network=network), bundle.spec.preprocessing))
    loaded.wait()


def _work(jpegs: Sequence[bytes], side: int | None, first: int, begin: float, seconds: float) -> list[Exchange]:
    """Answer about ``jpegs`` in turn, from number ``first`` on; the last of them ends after the time."""
    engine, pre = _loaded[0]
    turns = itertools.islice(itertools.cycle(jpegs), first, None)
    done: list[Exchange] = []
    time.sleep(max(0.0, begin - time.perf_counter()))
    while True:
        started = time.perf_counter()
        photo = decode(next(turns), max_pixels=_PIXELS, target_side=side)
        engine.run(letterbox(photo.rgb, pre.input_size, pre.pad_value, stride=pre.stride)[0][np.newaxis])
        ended = time.perf_counter()
        done.append(Exchange(started, ended - started, HTTPStatus.OK))
        if ended > begin + seconds:
            return done
