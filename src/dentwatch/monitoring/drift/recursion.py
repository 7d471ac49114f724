"""The money of every bet: Shiryaev–Roberts for the alarm, CUSUM for the onset, both in O(1) memory.

The compiled part (``recursion.c``) is built on installation and pays all bets at once. Where there was no C compiler it
is missing, and NumPy does the same, to the last bit, in six steps.
"""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

MOST = 1e30
"""Money is cut off here: it cannot overflow, less of it never breaks the guarantee, and a drift that ends is seen."""

Pay = Callable[[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], int, float], None]
"""Pays e-values into ``money`` and notes the update in ``quiet``, in place; the money is cut off at the last number."""


def pay(
    money: NDArray[np.float64], quiet: NDArray[np.int64], e_values: NDArray[np.float64], update: int, most: float
) -> None:
    """A :data:`Pay` that needs no compiler."""
    roberts, cusum = money
    roberts += 1.0
    np.maximum(cusum, 1.0, out=cusum)
    money *= e_values
    np.minimum(money, most, out=money)
    quiet[cusum <= 1.0] = update


compiled_pay: Pay | None = None
"""The compiled :func:`pay`, where it was built."""
with suppress(ImportError):
    from dentwatch.monitoring.drift import _recursion

    compiled_pay = _recursion.update

paying: Pay = compiled_pay or pay
"""The one that is used."""


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
        self._roberts = self.money[0]  # a view, which takes time to make

    def update(self, e_values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pay ``e_values`` ``(B,)`` and return the mixed money of each channel, ``(C,)``."""
        self.updates += 1
        paying(self.money, self.quiet, e_values, self.updates, MOST)
        mixed: NDArray[np.float64] = self._weights.dot(self._roberts)
        return mixed
