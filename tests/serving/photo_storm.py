"""Spoilt photos sent to a running service through every route that a photo passes, and what came of it."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import httpx
from photo_fuzz import FuzzedPhoto
from running_service import Service, upload

BATCH = 40
"""Photos in one inspection: the most that the service takes."""

_REPORT_EVERY = 10  # inspections, because Typst takes a while


@dataclass
class Storm:
    """What came of the photos so far.

    ``outcomes`` counts per kind the reasons that were given, ``answered`` among them. ``wrong`` names each answer that
    should not have been. ``slowest`` are seconds and name of the photo that ``/invocations`` took longest for.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    inspections: int = 0

    def send(self, service: Service, photos: Iterable[FuzzedPhoto]) -> Iterator[int]:
        """Send the photos in inspections of :data:`BATCH`; yields how many were sent, after each."""
        sent = 0
        waiting = iter(photos)
        while batch := list(islice(waiting, BATCH)):
            self._inspect(service, batch)
            sent += len(batch)
            yield sent

    def _inspect(self, service: Service, batch: list[FuzzedPhoto]) -> None:
        answer = service.inspect(*(upload(photo.name, photo.data) for photo in batch), vehicle_id="STORM")
        self.inspections += 1
        if answer.status_code != 200:
            self.wrong.append(f"an inspection of {batch[0].name} and others: {_said(answer)}")
            return
        place = answer.headers["location"]
        for position, (photo, result) in enumerate(zip(batch, answer.json()["photos"], strict=True)):
            reason = result.get("reason", "answered")
            self.outcomes[photo.kind, reason] += 1
            seen = 200 if reason == "answered" else 422
            self._invoke(service, photo, seen)
            for shown in ("", "/drawn"):
                route = f"{place}/photos/{position}{shown}"
                self._check(photo, seen, service.client.get(route))
        if self.inspections % _REPORT_EVERY == 0:
            self._check(batch[0], 200, service.client.get(f"{place}/report.pdf"))

    def _invoke(self, service: Service, photo: FuzzedPhoto, due: int) -> None:
        start = time.perf_counter()
        headers = {"content-type": "application/octet-stream"}
        answer = service.client.post("/invocations", content=photo.data, headers=headers)
        self.slowest = max(self.slowest, (time.perf_counter() - start, photo.name))
        self._check(photo, due, answer)

    def _check(self, photo: FuzzedPhoto, due: int, answer: httpx.Response) -> None:
        if answer.status_code != due:
            self.wrong.append(f"{photo.kind}, {photo.name}: {due} was due, {_said(answer)}")


def _said(answer: httpx.Response) -> str:
    return f"{answer.request.method} {answer.request.url.path} said {answer.status_code}: {answer.text[:200]}"
