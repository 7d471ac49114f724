"""How far a run is, and what follows from that: learning rate, mosaic, and the end."""

import math
import time
from typing import Any

from dentwatch.training.run_settings import RunSettings

_LAST_RATE = 0.02  # the cosine ends at this share of the peak learning rate


class Schedule:
    """The state of a run between 0 and 1, by steps or, with a limit of minutes, by whichever is further.

    Without a limit of minutes everything is a function of the step, so that a resumed run repeats itself exactly.
    """

    def __init__(self, settings: RunSettings, steps_per_epoch: int) -> None:
        self._settings = settings
        self._steps_per_epoch = max(1, steps_per_epoch)
        self.step = 0
        self._seconds = 0.0
        self._since: float | None = None
        self._epoch_began = 0.0
        self._validation_began = 0.0
        self._validation_seconds = 0.0

    @property
    def seconds(self) -> float:
        """Seconds trained so far, those before a resumption included."""
        return self._seconds + (time.monotonic() - self._since if self._since is not None else 0.0)

    @property
    def progress(self) -> float:
        """Share of the run that is done, in [0, 1]."""
        by_steps = self.step / (self._settings.epochs * self._steps_per_epoch)
        by_time = self.seconds / (60 * self._settings.minutes) if self._settings.minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def start(self) -> None:
        """The clock runs."""
        self._since = time.monotonic()

    def begin_epoch(self) -> None:
        """Note when the epoch began."""
        self._epoch_began = self.seconds

    def begin_validation(self) -> None:
        """Note when a validation began."""
        self._validation_began = self.seconds

    def end_validation(self) -> None:
        """Note how long it took: the one that ends the run will take as long."""
        self._validation_seconds = self.seconds - self._validation_began

    def used_up(self) -> bool:
        """Whether the minutes are, after an epoch's last step: another one would end further from the limit.

        The validation that follows counts, at the length of the one before.
        """
        validation = self._validation_seconds
        another = self.seconds - self._epoch_began + validation
        limit = 60 * self._settings.minutes if self._settings.minutes else math.inf
        return self.seconds + validation + another / 2 > limit

    def rate(self) -> float:
        """The learning rate as a share of its peak: linear warm-up, then a cosine (Loshchilov & Hutter, "SGDR")."""
        warmup = self._settings.warmup_epochs * self._steps_per_epoch
        rising = min(1.0, (self.step + 1) / warmup) if warmup >= 1 else 1.0
        return rising * (_LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * self.progress)) / 2)

    def may_mosaic(self) -> bool:
        """Whether samples may still be mosaics: the last share of the run sees photos as they are."""
        return self.progress < 1 - self._settings.plain_epochs

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"step": self.step, "seconds": self.seconds}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint was written."""
        self.step, self._seconds = int(state["step"]), float(state["seconds"])
