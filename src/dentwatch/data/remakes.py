"""How each cause of drift is re-made on photos, and by which statistics one sees that it is as strong as in production.

Causes are those that :mod:`dentwatch.monitoring.drift.causes` names. One that comes in several ways (darkness without
noise, or with that of a low or high ISO) is re-made in each of them, and the one that fits best counts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from dentwatch.data.degradation import Photo, defocus, jpeg, low_light, motion, noise, over_exposure, veil
from dentwatch.data.linear_light import LINEAR, darken, encode
from dentwatch.errors import DataError
from dentwatch.records.model_bundle import Adaptation

Apply = Callable[[Photo, float, np.random.Generator], Photo]

_AIRLIGHT = 0.8  # what fog adds, as a share of white
_LOWER_ISO = 2.0  # stops below the ISO of an ordinary low light: a quarter of its photon noise


@dataclass(frozen=True, slots=True)
class Way:
    """One way to re-make a cause: ``amounts`` rise in harm, in ``unit``; what lies between them is interpolated.

    ``nothing`` is the amount that stands for the photo as it was taken.
    """

    name: str
    unit: str
    amounts: tuple[float, ...]
    make_worse: Apply
    nothing: float = 0.0

    def apply(self, rgb: Photo, amount: float, rng: np.random.Generator) -> Photo:
        """The photo re-made."""
        return rgb if amount == self.nothing else self.make_worse(rgb, amount, rng)

    def between(self, amount: float, part: float) -> float:
        """``part`` of the way from nothing to ``amount``, and never beyond the amounts that are known."""
        wanted = self.nothing + part * (amount - self.nothing)
        return min(max(wanted, min(self.amounts)), max(self.amounts))


@dataclass(frozen=True, slots=True)
class Remake:
    """A cause: ``statistics`` show how strong it is, ``ways`` re-make it."""

    statistics: tuple[str, ...]
    ways: tuple[Way, ...]


def _under_exposure(rgb: Photo, stops: float, rng: np.random.Generator) -> Photo:
    return over_exposure(rgb, -stops, rng)


def _low_light_little_noise(rgb: Photo, stops: float, rng: np.random.Generator) -> Photo:
    """As dark as ``low_light``: more light reaches the sensor, and the camera amplifies it less."""
    return darken(rgb, _LOWER_ISO - stops, rng, amplified=-_LOWER_ISO)


def _gaussian(rgb: Photo, sigma: float, _rng: np.random.Generator) -> Photo:
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma / 1000 * max(rgb.shape[:2])), np.uint8)


def _fog(rgb: Photo, share: float, _rng: np.random.Generator) -> Photo:
    table = encode(LINEAR * np.float32(1 - share) + np.float32(share * _AIRLIGHT))
    return np.asarray(cv2.LUT(rgb, table), np.uint8)


def _tint(rgb: Photo, strength: float, _rng: np.random.Generator) -> Photo:
    gains = np.exp(np.array([strength / 2, 0, -strength / 2], np.float32))
    return np.asarray(cv2.LUT(rgb, encode(LINEAR[:, None] * gains)[None]), np.uint8)


def _cool(rgb: Photo, strength: float, rng: np.random.Generator) -> Photo:
    return _tint(rgb, -strength, rng)


_LIGHT = ("luma_mean", "luma_p5", "luma_p95", "contrast")
_STOPS = (0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6)
_SHARES = (0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.85, 0.92)
_BLURS = (0.5, 1, 1.5, 2, 3, 4, 6, 9, 14)
_AMPLIFIED = (-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5)  # below 0 is the noise of a lower ISO than an ordinary one
_QUALITIES = (80, 60, 45, 30, 20, 12, 8, 5, 3)
_TINTS = (0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5)

REMAKES: dict[str, Remake] = {
    "dark": Remake(
        (*_LIGHT, "noise"),
        (
            Way("under-exposure", "stops less light", _STOPS, _under_exposure),
            Way("low light with its noise", "stops less light", _STOPS, low_light),
            Way("low light with a little noise", "stops less light", _STOPS, _low_light_little_noise),
        ),
    ),
    "overexposed": Remake((*_LIGHT, "bright_clip"), (Way("over-exposure", "stops more light", _STOPS, over_exposure),)),
    "haze": Remake(
        (*_LIGHT, "saturation"),
        (
            Way("veil", "share of veiling light", _SHARES, veil),
            Way("fog", "share of fog", _SHARES, _fog),
        ),
    ),
    "blur": Remake(
        ("sharpness", "noise"),
        (
            Way("Gaussian blur", "σ, ‰ of the longer side", _BLURS, _gaussian),
            Way("defocus", "radius, ‰ of the longer side", _BLURS, defocus),
            Way("motion", "path, ‰ of the longer side", tuple(4 * one for one in _BLURS), motion),
        ),
    ),
    "noisy": Remake(
        ("noise", "sharpness"), (Way("noise", "stops amplified", _AMPLIFIED, noise, nothing=_AMPLIFIED[0] - 1),)
    ),
    "compressed": Remake(
        ("blockiness", "noise", "sharpness"), (Way("JPEG", "JPEG quality", _QUALITIES, jpeg, nothing=100),)
    ),
    "warm": Remake(("colour_cast", "saturation"), (Way("warm cast", "ln(red ÷ blue gain)", _TINTS, _tint),)),
    "cool": Remake(("colour_cast", "saturation"), (Way("cool cast", "ln(blue ÷ red gain)", _TINTS, _cool),)),
}
"""By cause. Causes of content and of detector outputs are not here: photos of other things cannot be made."""


def way_of(drift: Adaptation) -> Way:
    """How a drift is re-made; raises :class:`DataError` where it cannot be."""
    remake = REMAKES.get(drift.cause)
    way = next((way for way in remake.ways if way.name == drift.way), None) if remake else None
    if way is None:
        raise DataError(
            f"Photos cannot be re-made for {drift.cause!r} by {drift.way!r}.",
            f"It can be done for {', '.join(REMAKES)}. Annotate photos that drifted, and ingest them.",
        )
    return way
