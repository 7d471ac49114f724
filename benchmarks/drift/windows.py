"""Tumbling windows of Kolmogorov–Smirnov tests with Bonferroni's correction: what one would write by hand."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

LEVEL = 1e-6


def _windowed(size: int) -> Callable[[NDArray[np.float64], NDArray[np.float64]], list[int]]:
    def alarms(reference: NDArray[np.float64], stream: NDArray[np.float64]) -> list[int]:
        """The last photo of each window in which any statistic's p-value is below the level ÷ statistics.

        Drifts begin at a multiple of the size, so the first window is half as long: they then begin within one.
        """
        limit = LEVEL / stream.shape[1]
        return [
            start + size - 1
            for start in range(size // 2, len(stream) - size + 1, size)
            if ks_2samp(reference, stream[start : start + size], method="asymp").pvalue.min() < limit
        ]

    return alarms


METHODS = {f"Kolmogorov–Smirnov, p < 1e-6 ÷ statistics, window {size}": _windowed(size) for size in (200, 50)}
