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


def folder() -> Path:
    """Where they lie."""
    return Path(str(resources.files(__name__)))


def check_images(preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """The photos as a model sees them, uint8 ``(8, S, S, 3)``."""
    photos = [decode(path.read_bytes(), max_pixels=SIDE * SIDE) for path in sorted(folder().glob("*.jpg"))]
    return np.stack([letterbox(photo.rgb, preprocessing.input_size, preprocessing.pad_value)[0] for photo in photos])
