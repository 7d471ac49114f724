"""Simulated sellers: they submit photos of cars to a running service, while somebody turns the light down.

Their cars are annotated, so that what the service answers can be held against the truth.
"""

import asyncio
import io
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dentwatch.data.decoding import decode
from dentwatch.data.degradation import over_exposure
from dentwatch.records.annotations import Box, PhotoRecord
from dentwatch.records.detections import Detection
from dentwatch.records.photos import PhotoStore
from dentwatch.training.evaluation.matching import PhotoOutcome

CHANNEL = "app"
"""The channel that the sellers submit through."""

_QUALITY = 92  # of the JPEGs that they send
_AT_ONCE = 4  # requests
_PAUSE = 0.5  # seconds before a request that was refused or cut off is made again


@dataclass(frozen=True, slots=True)
class Car:
    """A car that is for sale: annotated photos of one vehicle."""

    vehicle: str
    photos: tuple[PhotoRecord, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """One inspection: when it was answered (seconds since the beginning), in which light (stops), by which model."""

    at: float
    stops: float
    model: str
    inspection: str
    outcomes: tuple[PhotoOutcome, ...]


class Sellers:
    """Submits an inspection ``per_second`` times a second to the service at ``address``, from a thread of its own.

    ``stops`` is the exposure, in stops of linear light (negative: darker); it may be changed at any time. Cars come
    round again, mirrored and under another name. An inspection that is refused or cut off is submitted again.
    ``answered`` grows as answers come.
    """

    def __init__(
        self, address: str, cars: Sequence[Car], photos: PhotoStore, per_second: float, max_pixels: int, seed: int = 0
    ) -> None:
        self.stops = 0.0
        self.per_second = per_second
        self.answered: list[Answered] = []
        self.refused = 0
        self._address = address
        self._cars = cars
        self._photos = photos
        self._max_pixels = max_pixels
        self._rng = np.random.default_rng(seed)
        self._ending = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="sellers", daemon=True)

    def start(self) -> None:
        """Begin to submit."""
        self._thread.start()

    def close(self) -> None:
        """Submit no more; those under way are waited for."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    async def _run(self) -> None:
        async with aiohttp.ClientSession(self._address, timeout=aiohttp.ClientTimeout(60)) as session:
            under_way: set[asyncio.Task[None]] = set()
            number = 0
            while not self._ending.is_set():
                under_way.add(asyncio.create_task(self._sell(session, number)))
                number += 1
                await asyncio.sleep(1 / self.per_second)
                while len(under_way) >= _AT_ONCE:
                    done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
            await asyncio.gather(*under_way)

    async def _sell(self, session: aiohttp.ClientSession, number: int) -> None:
        round_, place = divmod(number, len(self._cars))
        car, stops = self._cars[place], self.stops
        shots = [await asyncio.to_thread(self._shot, record, stops, bool(round_ % 2)) for record in car.photos]
        while not self._ending.is_set():
            form = aiohttp.FormData()
            form.add_field("vehicle_id", f"{car.vehicle}-{round_}")
            form.add_field("channel", CHANNEL)
            for record, data in shots:
                form.add_field("photos", data, filename=record.name.rpartition("/")[2], content_type="image/jpeg")
            try:
                async with session.post("/v1/inspections", data=form) as response:
                    if response.status < 300:
                        self._keep(await response.json(), shots, stops)
                        return
            except aiohttp.ClientError:
                pass
            self.refused += 1
            await asyncio.sleep(_PAUSE)

    def _shot(self, record: PhotoRecord, stops: float, mirrored: bool) -> tuple[PhotoRecord, bytes]:
        """The photo as it is submitted, and what is to be seen in it."""
        rgb = decode(self._photos.get(record.photo_id), max_pixels=self._max_pixels).rgb
        rgb = rgb[:, ::-1] if mirrored else rgb
        if stops:
            rgb = over_exposure(np.ascontiguousarray(rgb), stops, self._rng)
        return (_mirrored(record) if mirrored else record), _jpeg(rgb)

    def _keep(self, document: dict[str, Any], shots: list[tuple[PhotoRecord, bytes]], stops: float) -> None:
        outcomes = [
            PhotoOutcome(record, tuple(_detection(one) for one in photo.get("detections", ())))
            for (record, _), photo in zip(shots, document["photos"], strict=True)
        ]
        self.answered.append(Answered(self.seconds, stops, document["model"], document["id"], tuple(outcomes)))


def _mirrored(record: PhotoRecord) -> PhotoRecord:
    marks = [
        replace(mark, box=replace(mark.box, x=record.width - mark.box.x - mark.box.width))
        for mark in record.annotations
    ]
    return replace(record, annotations=tuple(marks))


def _detection(found: dict[str, Any]) -> Detection:
    return Detection(found["label"], found["score"], Box(found["x"], found["y"], found["width"], found["height"]))


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
