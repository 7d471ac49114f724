"""The photos that engines are compared on: synthetic ones with damage, the same on every machine.

::

    python -m dentwatch.serving.engines.check_photos

writes them anew into the package.
"""

from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.decoding import decode
from dentwatch.data.letterbox import letterbox
from dentwatch.records.model_bundle import Preprocessing

SCENES = (102, 101, 53, 39, 13, 43, 57, 36)
"""Scenes in which the starter model finds several boxes: with answers without any, engines could not be told apart."""
SEED, SIDE = 11, 640
_SHORTER = slice((SIDE - SIDE * 3 // 4) // 2, (SIDE + SIDE * 3 // 4) // 2)
_CUTS = ((slice(None), slice(None)), (_SHORTER, slice(None)), (slice(None), _SHORTER))


def folder() -> Path:
    """Where they lie."""
    return Path(str(resources.files(__name__)))


def check_images(pre: Preprocessing) -> list[NDArray[np.uint8]]:
    """The eight photos as a model sees them, uint8 ``(H, W, 3)``.

    One that does not see all photos in a square sees some of them cut to 4:3, upright and across.
    """
    photos = [decode(path.read_bytes(), max_pixels=SIDE * SIDE).rgb for path in sorted(folder().glob("*.jpg"))]
    if pre.stride:
        photos = [photo[_CUTS[place % len(_CUTS)]] for place, photo in enumerate(photos)]
    return [letterbox(photo, pre.input_size, pre.pad_value, stride=pre.stride)[0] for photo in photos]
