"""The money of every bet: Shiryaev–Roberts for the alarm, CUSUM for the onset, both in O(1) memory."""

import numpy as np
from numpy.typing import NDArray

MOST = 1e30
"""Money is cut off here: it cannot overflow, less of it never breaks the guarantee, and a drift that ends is seen."""
# As arrays, which NumPy takes as they are: it would convert a number anew each time, which takes longer than the sum.
_MOST = np.array(MOST)
_ONE = np.array(1.0)


class Recursion:
    """``B`` bets that are paid update by update; ``weights`` ``(C, B)`` are the bets' shares in each channel.

    The money of a bet follows the Shiryaev–Roberts recursion ``M ← e·(M + 1)`` from 0 (Shin, Ramdas & Rinaldo,
    "E-detectors", 2024): every update starts another bet, in case the change begins here. ``M − n`` is a
    supermartingale on clean photos, so a mixture of such ``M`` reaches ``c`` within ``n`` updates with probability at
    most ``n / c``, and on average not before ``c`` updates.
    """

    def __init__(self, weights: NDArray[np.float64]) -> None:
        self._weights = weights
        bets = weights.shape[1]
        self.updates = 0
        """How many updates there have been."""
        self.money = np.zeros((2, bets))
        """Shiryaev–Roberts and CUSUM, ``(2, B)``."""
        self.quiet = np.zeros(bets, np.int64)
        """The last update at which each bet's CUSUM was at most 1, ``(B,)``: drift began after it, if at all."""
        self._roberts, self._cusum = self.money  # views, which take time to make
        self._now = np.array(0)

    def update(self, e_values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pay ``e_values`` ``(B,)`` and return the mixed money of each channel, ``(C,)``."""
        self.updates += 1
        self._now.fill(self.updates)
        self._roberts += _ONE
        np.maximum(self._cusum, _ONE, out=self._cusum)
        self._roberts *= e_values
        self._cusum *= e_values
        np.minimum(self.money, _MOST, out=self.money)
        np.putmask(self.quiet, self._cusum <= _ONE, self._now)
        mixed: NDArray[np.float64] = self._weights.dot(self._roberts)
        return mixed
