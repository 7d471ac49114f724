"""Photo statistics: named figures that say how a photo was taken, so that drift can name its cause.

The same code runs in ingest, in serving and in the evaluation's lighting slices. Figures are comparable between photos
because everything but :attr:`PhotoStatistics.blockiness` is measured at about one scale: the longer side between 320
and 720 pixels. Decode with ``target_side=STATISTICS_SIDE`` (or a larger one) to get the same figures from a reduced
decode.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.grey_sums import DetailSums, detail_sums, step_sums
from dentwatch.data.shrinking import shrink

STATISTICS_SIDE = 480
"""Longer side, in pixels, near which statistics are measured; smaller photos are measured as they are."""

Lighting = Literal["dark", "normal", "bright"]
LIGHTINGS: tuple[Lighting, ...] = ("dark", "normal", "bright")
DARK_BELOW = 64.0
"""Luma mean (0–255, sRGB) below which a photo counts as dark: some two stops under middle grey."""
BRIGHT_FROM = 180.0
"""Luma mean from which a photo counts as bright: about one stop over middle grey."""

_DARK_CLIP, _BRIGHT_CLIP = 4, 251
_LEVELS = np.arange(256)
_MOMENTS = np.stack([_LEVELS**0, _LEVELS, _LEVELS**2, _LEVELS <= _DARK_CLIP, _LEVELS >= _BRIGHT_CLIP])
"""What the counts of the levels are multiplied with: how many, their sum, that of squares, the clipped ones."""


@dataclass(frozen=True, slots=True)
class PhotoStatistics:
    """How a photo was taken, in figures.

    - ``luma_mean``, ``luma_p5``, ``luma_p95``: Rec. 601 luma (0–255) of the sRGB values, mean and percentiles;
    - ``contrast``: standard deviation of luma;
    - ``dark_clip``, ``bright_clip``: share of pixels with luma ≤ 4 and ≥ 251, in [0, 1];
    - ``sharpness``: log variance of the Laplacian − 2 log(contrast + 1), which keeps under-exposure from looking like
      blur;
    - ``noise``: standard deviation of luma noise after Immerkær, "Fast Noise Variance Estimation" (1996);
    - ``saturation``: mean of (max − min) / max over the colour channels, in [0, 1];
    - ``colour_cast``: log(mean red / mean blue); warm light is positive;
    - ``blockiness``: log ratio of luma steps across the 8-pixel grid of JPEG blocks to the steps inside blocks;
    - ``resolution``: megapixels of the upright original.
    """

    luma_mean: float
    luma_p5: float
    luma_p95: float
    contrast: float
    dark_clip: float
    bright_clip: float
    sharpness: float
    noise: float
    saturation: float
    colour_cast: float
    blockiness: float
    resolution: float

    @property
    def relative_contrast(self) -> float:
        """Contrast ÷ (luma mean + 1): low for fog, a finger or a wall, and not for a photo that is only dark."""
        return self.contrast / (self.luma_mean + 1)


STATISTIC_NAMES: tuple[str, ...] = tuple(item.name for item in fields(PhotoStatistics))


def photo_statistics(
    rgb: NDArray[np.uint8], original: tuple[int, int] | None = None, half: NDArray[Any] | None = None
) -> PhotoStatistics:
    """The statistics of an upright sRGB photo, uint8 ``(H, W, 3)``.

    ``original`` is ``(width, height)`` of the original in pixels where ``rgb`` was decoded at a reduced scale, ``half``
    is ``shrink(rgb, 2)`` where it is at hand.
    """
    height, width = rgb.shape[:2]
    full_width, full_height = original or (width, height)
    full = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    grey = _at_one_scale(full)
    sums = detail_sums(grey)
    light = _light(sums.levels)
    saturation, colour_cast = _colour(shrink(rgb, 2) if half is None else half)
    return PhotoStatistics(
        **light,
        sharpness=_sharpness(sums, grey.size, light["contrast"]),
        noise=_noise(sums, *grey.shape),
        saturation=saturation,
        colour_cast=colour_cast,
        blockiness=_blockiness(full),
        resolution=full_width * full_height / 1e6,
    )


def lighting(statistics: PhotoStatistics) -> Lighting:
    """The lighting slice of a photo: ``dark`` below :data:`DARK_BELOW`, ``bright`` from :data:`BRIGHT_FROM`."""
    if statistics.luma_mean < DARK_BELOW:
        return "dark"
    return "bright" if statistics.luma_mean >= BRIGHT_FROM else "normal"


def _at_one_scale(grey: NDArray[Any]) -> NDArray[Any]:
    """Average areas of whole pixels, so many that the longer side comes nearest to :data:`STATISTICS_SIDE`.

    A size in between would need interpolation, which costs more than all the figures and blurs by an amount that
    depends on the photo's size: sharpness and noise then differ more between sizes than they do between 320 and 720.
    """
    return shrink(grey, round(max(grey.shape) / STATISTICS_SIDE))


def _light(levels: NDArray[np.int64]) -> dict[str, float]:
    count, total, squares, dark, bright = (_MOMENTS @ levels).tolist()
    low, high = np.searchsorted(np.cumsum(levels), (0.05 * count, 0.95 * count)).tolist()
    return {
        "luma_mean": total / count,
        "luma_p5": float(low),
        "luma_p95": float(high),
        "contrast": math.sqrt(count * squares - total**2) / count,  # of whole numbers, so never of less than 0
        "dark_clip": dark / count,
        "bright_clip": bright / count,
    }


def _sharpness(sums: DetailSums, pixels: int, contrast: float) -> float:
    variance = sums.squares / pixels - (sums.laplacian / pixels) ** 2
    # + 1e-3 keeps a uniform photo finite; a real one has a variance above 1.
    return math.log(max(0.0, variance) + 1e-3) - 2 * math.log(contrast + 1)


def _noise(sums: DetailSums, height: int, width: int) -> float:
    if height < 3 or width < 3:
        return 0.0
    return math.sqrt(math.pi / 2) * sums.noise / (6.0 * (width - 2) * (height - 2))


def _colour(half: NDArray[Any]) -> tuple[float, float]:
    # Colour has little detail: a quarter of the size gives the same figures for a sixteenth of the cost.
    small = shrink(half, 2)
    saturation = cv2.mean(cv2.cvtColor(small, cv2.COLOR_RGB2HSV))[1] / 255.0
    red, _, blue, _ = cv2.mean(small)
    return saturation, math.log((red + 1.0) / (blue + 1.0))


def _blockiness(grey: NDArray[np.uint8]) -> float:
    height, width = grey.shape
    sums = step_sums(grey)
    across = _grid_log_ratio(sums.across, sums.across_borders, width - 1, height)
    down = _grid_log_ratio(sums.down, sums.down_borders, height - 1, width)
    return (across + down) / 2


def _grid_log_ratio(all_steps: int, over_borders: int, count: int, length: int) -> float:
    """Log of the mean step over borders of 8-pixel blocks ÷ the mean step inside; 0 where there are no borders.

    The sums are of ``count`` lines of steps, each ``length`` pixels long.
    """
    if count < 16:
        return 0.0
    borders = count // 8
    border = over_borders / length / borders
    inside = (all_steps - over_borders) / length / (count - borders)
    return math.log((border + 0.05) / (inside + 0.05))
