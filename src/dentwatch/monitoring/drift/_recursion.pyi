"""The compiled part of :mod:`dentwatch.monitoring.drift.recursion`; its source is ``recursion.c``."""

import numpy as np
from numpy.typing import NDArray

def update(
    money: NDArray[np.float64], quiet: NDArray[np.int64], e_values: NDArray[np.float64], number: int, most: float, /
) -> None:
    """As :func:`~dentwatch.monitoring.drift.recursion.pay`.

    Raises :class:`ValueError` where the arrays' lengths do not fit, and for one that has gaps or cannot be written.
    """
