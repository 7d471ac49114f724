"""Dark photos made brighter before a model sees them: a preprocessing that a model version may ask for.

It is done to the photo as it was fitted into the input, which is cheaper than to the whole photo and how training does
it. A photo that is not dark stays as it is, to the last bit.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.linear_light import LINEAR, encode
from dentwatch.records.model_bundle import Enhancement

_STEP = 8  # every eighth pixel of every eighth row says how bright a photo is
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_MOST_STOPS = 6.0
_TILES = (8, 8)


def brightness(rgb: NDArray[np.uint8]) -> float:
    """The mean luma of ``rgb`` ``(H, W, 3)``, 0 to 255, from one pixel in 64."""
    return float((rgb[::_STEP, ::_STEP].reshape(-1, 3).mean(axis=0) @ _LUMA).item())


def enhance(rgb: NDArray[np.uint8], how: Enhancement | None) -> NDArray[np.uint8]:
    """``rgb`` ``(H, W, 3)`` as the model wants it: brightened as ``how`` says where it is darker than ``how.below``."""
    if how is None or brightness(rgb) >= how.below:
        return rgb
    if how.kind == "clahe":
        return _clahe(rgb, how.amount)
    if how.kind == "gamma":
        return np.asarray(cv2.LUT(rgb, _gamma(how.amount)), np.uint8)
    lifted = _exposed(rgb, how.amount)
    return np.asarray(cv2.medianBlur(lifted, 3), np.uint8) if how.kind == "exposure-denoised" else lifted


def _gamma(amount: float) -> NDArray[np.uint8]:
    return np.rint(255 * (np.arange(256) / 255) ** (1 / amount)).astype(np.uint8)


def _clahe(rgb: NDArray[np.uint8], limit: float) -> NDArray[np.uint8]:
    """Contrast-limited adaptive histogram equalisation of the lightness (Zuiderveld, Graphics Gems IV, 1994)."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(limit, _TILES).apply(lab[..., 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


def _exposed(rgb: NDArray[np.uint8], wanted: float) -> NDArray[np.uint8]:
    """Another exposure in linear light, the one that brings its mean to ``wanted`` (0 to 1)."""
    mean = float(LINEAR[rgb[::_STEP, ::_STEP]].mean())
    stops = min(_MOST_STOPS, max(0.0, float(np.log2(wanted / max(mean, 1e-6)))))
    return np.asarray(cv2.LUT(rgb, encode(LINEAR * np.float32(2.0**stops))), np.uint8)
