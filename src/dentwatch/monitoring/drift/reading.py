"""What a detector says after an update: how much evidence there is, and which alarms stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Pace = Literal["sudden", "gradual"]


@dataclass(frozen=True, slots=True)
class Movement:
    """One statistic that moved: by ``deviations`` reference standard deviations (negative: it fell)."""

    statistic: str
    deviations: float

    @property
    def direction(self) -> Literal["up", "down"]:
        """Which way it moved."""
        return "up" if self.deviations > 0 else "down"


@dataclass(frozen=True, slots=True)
class DriftAlarm:
    """A channel whose evidence reached its threshold.

    - ``cause``: ``dark``, ``overexposed``, ``haze``, ``blur``, ``noisy``, ``compressed``, ``warm``, ``cool``; else what
      moved, as ``new camera``, ``detector outputs``, ``other photos`` or the statistic and its direction;
    - ``onset``: number of the first update (from 1) that belongs to the drift, as estimated;
    - ``raised``: number of the update at which the evidence first reached the threshold;
    - ``evidence``: money ÷ threshold;
    - ``pace``: ``gradual`` where the statistic had begun to move before the onset, as with the seasons;
    - ``moved``: statistics of the channel by how far they moved since the onset;
    - ``primary``: false where the change began together with a larger one in another channel, so that its cause is no
      second one.
    """

    channel: str
    cause: str
    onset: int
    raised: int
    evidence: float
    pace: Pace
    moved: tuple[Movement, ...]
    primary: bool = True


class DriftReading(NamedTuple):
    """What is known after ``updates``; a tuple, since one is made for every slice of every inspection.

    ``money`` (money ÷ threshold) is by the ``channels``. ``alarms`` are those that stand; ``settled`` is false while an
    alarm's cause may still change: for the first 20 updates after it was raised. ``ended`` names channels whose alarm
    ended with this update.
    """

    updates: int = 0
    channels: tuple[str, ...] = ()
    money: Sequence[float] = ()
    alarms: tuple[DriftAlarm, ...] = ()
    settled: bool = True
    ended: tuple[str, ...] = ()

    @property
    def evidence(self) -> dict[str, float]:
        """How much evidence each channel has, as a share of what raises its alarm."""
        return dict(zip(self.channels, self.money, strict=True))

    @property
    def cause(self) -> str | None:
        """The cause of the first primary alarm; none where all is calm."""
        return next((alarm.cause for alarm in self.alarms if alarm.primary), None)
