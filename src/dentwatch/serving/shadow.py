"""The challenger in the shadow: it sees what the champion saw, after the champion has answered, and is only recorded.

It may fail, be slow or be swapped: nobody waits for it. What it cannot keep up with it does not see; how much that was
is counted, and so is what it failed on.
"""

import logging
import os
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection

from dentwatch.records import model_failures
from dentwatch.records.model_failures import FailedPhoto
from dentwatch.records.shadow_answers import ShadowAnswer, keep
from dentwatch.serving.inspection import Decoded, Inspector
from dentwatch.serving.ledger import Ledger
from dentwatch.serving.live_models import LiveModels

_WAITING = 8  # photos that may wait; each holds its pixels, a megabyte or so
_COURTESY = 15  # how much lower than the champion's the priority of the thread is

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShadowedPhoto:
    """A photo that the champion has answered about: the inspection, its place in it, and its pixels."""

    inspection_id: str
    position: int
    decoded: Decoded
    min_score: float | None


class Shadow:
    """Shows photos to the challenger in a thread of its own, at a lower priority, and keeps what it says."""

    def __init__(self, models: LiveModels, ledger: Ledger) -> None:
        self._models = models
        self._ledger = ledger
        self._waiting: queue.Queue[ShadowedPhoto | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self.missed = 0
        """Photos that came while too many were waiting."""

    @property
    def watches(self) -> bool:
        """Whether there is a challenger to show photos to."""
        return self._models.shadow is not None

    def start(self) -> None:
        """Begin to take photos."""
        self._thread.start()

    def offer(self, photos: Sequence[ShadowedPhoto]) -> None:
        """Show photos of one inspection, where there is room; never waits."""
        for photo in photos:
            try:
                self._waiting.put_nowait(photo)
            except queue.Full:
                self.missed += 1

    def close(self) -> None:
        """Finish the photo under way; those that wait are not looked at any more."""
        if self._thread.is_alive():
            while not self._waiting.empty():
                with suppress(queue.Empty):
                    self._waiting.get_nowait()
            self._waiting.put(None)
            self._thread.join()

    def _run(self) -> None:
        with suppress(OSError, AttributeError):  # a matter of the operating system: on Linux threads have priorities
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _COURTESY)
        while (photo := self._waiting.get()) is not None:
            if (challenger := self._models.shadow) is not None:
                try:
                    self._look(challenger, photo)
                except Exception as error:  # whatever is wrong with the challenger is no matter of the champion's
                    why = f"{type(error).__name__}: {error}"
                    self._note(FailedPhoto(challenger.model, photo.inspection_id, photo.position, why))

    def _note(self, failed: FailedPhoto) -> None:
        _log.warning("The challenger %s failed on a photo: %s", failed.model, failed.reason)
        with suppress(RuntimeError):  # the ledger is closed: the service is ending
            self._ledger.write(lambda connection: model_failures.note_photo(connection, failed))

    def _look(self, challenger: Inspector, photo: ShadowedPhoto) -> None:
        detections, milliseconds = challenger.predict(photo.decoded, photo.min_score)
        answer = ShadowAnswer(photo.inspection_id, photo.position, challenger.model, tuple(detections), milliseconds)

        def change(connection: Connection) -> None:
            keep(connection, answer)

        self._ledger.write(change)
