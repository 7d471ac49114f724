"""The compiled part of :mod:`dentwatch.data.eighth`; its sources are in ``dc_jpeg/``."""

import numpy as np
from numpy.typing import NDArray

def decode_eighth(data: bytes | memoryview, rgb: NDArray[np.uint8]) -> bool:
    """Fill ``rgb`` ``(⌈height / 8⌉, ⌈width / 8⌉, 3)`` with a JPEG at an eighth of its size; whether that was possible.

    If not, what ``rgb`` holds has no meaning. The GIL is released. Raises :class:`ValueError` for an array of another
    form, and for one that has gaps or cannot be written.
    """
