"""A JPEG at an eighth of its size from the means of its blocks, which takes a third of libjpeg-turbo's time.

The compiled part (``dc_jpeg/``) is built on installation. Where there was no C compiler it is missing, and callers do
without.
"""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

_fill: Callable[[bytes | memoryview, NDArray[np.uint8]], bool] | None = None
with suppress(ImportError):
    from dentwatch.data import _dc_jpeg

    _fill = _dc_jpeg.decode_eighth

COMPILED = _fill is not None
"""Whether the compiled part is there."""


def decode_eighth(data: bytes | memoryview, width: int, height: int) -> NDArray[np.uint8] | None:
    """The RGB picture ``(⌈height / 8⌉, ⌈width / 8⌉, 3)`` of a JPEG of ``width`` × ``height`` pixels, not yet upright.

    Brightness is what libjpeg makes at this scale. Where colour is stored more coarsely than that, it is interpolated
    between the means of its blocks.

    None, and another decoder has the word, for whatever is not a baseline JPEG in YCbCr or grey of that size in one
    scan, for the slightest damage, and without the compiled part. Threads may call it at the same time.
    """
    if _fill is None:
        return None
    rgb = np.empty((-(-height // 8), -(-width // 8), 3), np.uint8)
    return rgb if _fill(data, rgb) else None
