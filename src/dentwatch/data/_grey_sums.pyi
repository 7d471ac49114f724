"""The compiled part of :mod:`dentwatch.data.grey_sums`; its source is ``grey_sums.c``."""

import numpy as np
from numpy.typing import NDArray

def detail(grey: NDArray[np.uint8], counts: NDArray[np.int64], /) -> tuple[int, int, int]:
    """Fill ``counts`` with the levels of ``grey``; the sums of its Laplacian, of the squares of that, and of noise.

    Raises :class:`ValueError` for arrays of other forms, and for one that has gaps.
    """

def steps(grey: NDArray[np.uint8], /) -> tuple[int, int, int, int]:
    """As :class:`~dentwatch.data.grey_sums.StepSums`; raises :class:`ValueError` as :func:`detail` does."""
