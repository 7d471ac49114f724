"""A compact embedding of a photo: what kind of picture it is, whatever the light and the lens.

Where edges lie and which way they run (histograms of oriented gradients: Dalal & Triggs, 2005), how light and dark are
laid out, and how much detail of each size there is. All of it is taken from a 64 × 64 thumbnail whose mean and spread
are made equal first, so that exposure, haze and a colour cast hardly move it, nor does blur below the size of a cell.
Interiors, documents, walls and close-ups do. The same code runs in serving and where the reference is made.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.shrinking import shrink

_SIDE = 64  # cells of the thumbnail, in each direction
_REGIONS = 3  # the thumbnail is cut into 3 × 3 regions, each with its own histogram
_DIRECTIONS = 4  # bins of a histogram: an edge and its mirror image in contrast are one direction
_LOW = 4  # lowest frequencies of the layout, in each direction
_OCTAVES = ((4, 8), (8, 16), (16, 32))  # cycles per two sides
_FLOOR = 2.0  # levels of spread below which a photo shows nothing: its noise is not blown up to a picture

EMBEDDING_SIZE = _REGIONS**2 * _DIRECTIONS + _LOW**2 - 1 + len(_OCTAVES)
"""How many numbers an embedding has."""

_STORED = np.dtype("<f2")
_EDGES = np.linspace(0, _SIDE, _REGIONS + 1).round().astype(int)
_ROW_REGION = np.repeat(np.arange(_REGIONS), np.diff(_EDGES))
_BIN = (_ROW_REGION[:, None] * _REGIONS + _ROW_REGION[None, :]) * _DIRECTIONS  # first bin of each pixel's region
_FREQUENCY = np.maximum(*np.mgrid[:_SIDE, :_SIDE])


def photo_embedding(rgb: NDArray[np.uint8], half: NDArray[Any] | None = None) -> NDArray[np.float32]:
    """The embedding of an upright sRGB photo, uint8 ``(H, W, 3)``, as float32 ``(EMBEDDING_SIZE,)``.

    ``half`` is ``shrink(rgb, 2)`` where it is at hand: it is most of the work.
    """
    grey = cv2.cvtColor(shrink(rgb, 2) if half is None else half, cv2.COLOR_RGB2GRAY)
    cells = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    cells = (cells - cells.mean()) / max(float(cells.std()), _FLOOR)
    spectrum = cv2.dct(cells) / _SIDE
    return np.concatenate([_gradients(cells), spectrum[:_LOW, :_LOW].ravel()[1:], _detail(spectrum)])


def packed(embedding: NDArray[np.float32]) -> bytes:
    """An embedding as it is kept: half precision, two bytes a number."""
    return embedding.astype(_STORED).tobytes()


def unpacked(data: bytes) -> NDArray[np.float32]:
    """A kept embedding; raises :class:`ValueError` for bytes that are none."""
    embedding = np.frombuffer(data, _STORED).astype(np.float32)
    if embedding.shape != (EMBEDDING_SIZE,):
        raise ValueError(f"an embedding has {EMBEDDING_SIZE} numbers, and this one has {embedding.size}")
    return embedding


def _gradients(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Square roots of the shares that each region and direction has of all edges, ``(regions² · directions,)``."""
    across = cv2.Sobel(cells, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(cells, cv2.CV_32F, 0, 1)
    strength, angle = cv2.cartToPolar(across, down)
    direction = np.rint(angle * (_DIRECTIONS / np.pi)).astype(np.intp) % _DIRECTIONS
    sums = np.bincount((_BIN + direction).ravel(), strength.ravel(), _REGIONS**2 * _DIRECTIONS)
    return np.sqrt(sums / max(float(sums.sum()), 1e-6)).astype(np.float32)


def _detail(spectrum: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log of the energy in each octave; of one whose cells are as unlike as they can be, the octaves sum to 1."""
    energy = np.bincount(_FREQUENCY.ravel(), (spectrum**2).ravel())
    return np.log([energy[low:high].sum() + 1e-4 for low, high in _OCTAVES]).astype(np.float32)
