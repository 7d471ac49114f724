"""The drift detector: one update per inspection, an alarm when a channel's money reaches its threshold."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dentwatch.monitoring.drift.book import Unit
from dentwatch.monitoring.drift.explanation import explain
from dentwatch.monitoring.drift.odds import Odds
from dentwatch.monitoring.drift.onset import Recent
from dentwatch.monitoring.drift.reading import DriftAlarm, DriftReading
from dentwatch.monitoring.drift.recursion import Recursion
from dentwatch.monitoring.drift.state import pack, unpack

if TYPE_CHECKING:
    from dentwatch.monitoring.reference import Reference

SETTLING = 20
"""Updates after an alarm during which its cause, onset and movements are judged anew."""
ENDED_BELOW = 1e-3
"""An alarm ends when the money of its channel has fallen to this share of the threshold."""


class DriftDetector:
    """Watches a stream of inspections for drift against ``reference``.

    ``one_in`` is the promise: on clean inspections the mean number of updates to a false alarm is at least ``one_in``,
    and a false alarm within ``n`` updates has probability at most ``n / one_in``. ``unit="photo"`` is for streams whose
    photos are independent of one another and come one by one. ``odds`` are bets made before against the same reference.

    Raises :class:`dentwatch.errors.UnarmedError` for a reference too small to keep the promise.
    """

    def __init__(
        self, reference: "Reference | None", one_in: float = 1_000_000, unit: Unit = "vehicle", odds: Odds | None = None
    ) -> None:
        if odds is None:
            from dentwatch.monitoring.features import FEATURE_NAMES

            if reference is None:
                raise TypeError("A drift detector needs a reference or odds.")
            odds = Odds(reference.features, reference.vehicles, FEATURE_NAMES, unit)
        self.odds = odds
        """The bets, which other detectors may share."""
        self.one_in = one_in
        # Channel i alarms at one_in ÷ share: money in units of that is the evidence.
        self._recursion = Recursion(odds.layout.weights * (odds.layout.shares / one_in)[:, None])
        self._channels = odds.layout.channels
        self._recent = Recent(odds.centre, odds.per_spread)
        self._alarms: tuple[DriftAlarm, ...] = ()

    @property
    def updates(self) -> int:
        """How many updates there have been."""
        return self._recursion.updates

    def update(self, photos: NDArray[np.float64]) -> DriftReading:
        """Take the features of the photos of one inspection, ``(k, F)``, NaN where missing, and say what is known."""
        return self.pay(*self.odds.of(photos))

    def pay(self, e_values: NDArray[np.float64], figures: NDArray[np.float64]) -> DriftReading:
        """As :meth:`update`, from what :meth:`Odds.of` says of the photos."""
        evidence = self._recursion.update(e_values).tolist()
        updates = self._recursion.updates
        self._recent.remember(updates, figures)
        ended: tuple[str, ...] = ()
        settled = True
        if self._alarms or max(evidence) >= 1:
            ended = self._judge(evidence)
            settled = all(updates >= alarm.raised + SETTLING for alarm in self._alarms)
        return DriftReading(updates, self._channels, evidence, self._alarms, settled, ended)

    def _judge(self, evidence: list[float]) -> tuple[str, ...]:
        """Raise, revise and end alarms; the channels whose alarm ended."""
        standing = {alarm.channel: alarm for alarm in self._alarms}
        ended: list[str] = []
        for number, channel in enumerate(self.odds.layout.channels):
            alarm = standing.get(channel)
            if alarm is None and evidence[number] >= 1:
                standing[channel] = self._described(number, self.updates, evidence)
            elif alarm is not None and evidence[number] < ENDED_BELOW:
                del standing[channel]
                ended.append(channel)
            elif alarm is not None and self.updates <= alarm.raised + SETTLING:
                standing[channel] = self._described(number, alarm.raised, evidence)
            elif alarm is not None:
                standing[channel] = replace(alarm, evidence=evidence[number])
        self._alarms = _led(list(standing.values()))
        return tuple(ended)

    def _described(self, channel: int, raised: int, evidence: list[float]) -> DriftAlarm:
        return explain(self.odds, self._recursion, self._recent, channel, raised, evidence[channel])

    def state(self) -> bytes:
        """Everything that the next update depends on, exact to the last bit; see :meth:`restore`."""
        return pack(self.odds.fingerprint, self._recursion, self._recent, self._alarms)

    def restore(self, state: bytes) -> None:
        """Go on exactly where the detector that gave ``state`` stopped.

        Raises :class:`dentwatch.errors.DriftStateError` if it is damaged or was made with another reference.
        """
        self._alarms = unpack(state, self.odds.fingerprint, self._recursion, self._recent)


def _led(alarms: list[DriftAlarm]) -> tuple[DriftAlarm, ...]:
    """The alarms, first the one whose statistics moved furthest; one that began with it only accompanies it."""
    alarms.sort(key=lambda alarm: -max(abs(movement.deviations) for movement in alarm.moved))
    return tuple(
        replace(alarm, primary=number == 0 or alarm.onset > alarms[0].raised + SETTLING)
        for number, alarm in enumerate(alarms)
    )
