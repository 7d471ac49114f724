"""A phone camera in linear light: exposure, white balance, blur, noise, vignetting, tone curve and JPEG."""

from dataclasses import dataclass, fields
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic.noise import Floats
from dentwatch.errors import SettingsError

_TABLE = 4096
_WHITE = 4.0
"""Linear radiance at the end of the tone curve's table."""


@dataclass(frozen=True, slots=True)
class Camera:
    """How radiance becomes a JPEG.

    ``stops`` is the exposure relative to a correct one (−1 halves the light); ``red`` and ``blue`` are white balance
    gains; ``full_well`` is the number of electrons at radiance 1 (shot noise), ``read_noise`` the electrons read out on
    top; ``motion`` is the length in pixels of motion blur at ``motion_angle`` radians, ``defocus`` the radius in pixels
    of the blur disc; ``vignetting`` is the share of light lost in the corners; ``contrast`` bends the tone curve
    (1: sRGB); ``quality`` is that of the JPEG, 1 to 100.
    """

    stops: float = 0.0
    red: float = 1.0
    blue: float = 1.0
    full_well: float = 8000.0
    read_noise: float = 6.0
    motion: float = 0.0
    motion_angle: float = 0.0
    defocus: float = 0.0
    vignetting: float = 0.1
    contrast: float = 1.0
    quality: int = 90

    def __post_init__(self) -> None:
        """Refuse values that no camera has."""
        limits = {
            "stops": (-12, 6), "red": (0.2, 5), "blue": (0.2, 5), "full_well": (10, 1e6), "read_noise": (0, 1e3),
            "motion": (0, 64), "motion_angle": (-7, 7), "defocus": (0, 32), "vignetting": (0, 0.95),
            "contrast": (0.3, 3), "quality": (1, 100),
        }  # fmt: skip
        for entry in fields(self):
            low, high = limits[entry.name]
            value = getattr(self, entry.name)
            if not low <= value <= high:
                raise SettingsError(f"The camera's {entry.name} is {value}.", f"It must lie between {low} and {high}.")

    @classmethod
    def sample(cls, rng: np.random.Generator, **fixed: float | None) -> "Camera":
        """A camera and hand as they come; ``fixed`` fields keep their value, those given as None are drawn."""
        warm = float(rng.normal(0, 0.06))
        drawn: dict[str, float] = {
            "stops": float(np.clip(rng.normal(0.0, 0.45), -1.5, 1.0)),
            "red": float(np.exp(warm + rng.normal(0, 0.02))),
            "blue": float(np.exp(-warm + rng.normal(0, 0.02))),
            "full_well": float(np.exp(rng.uniform(np.log(500), np.log(12000)))),
            "read_noise": float(rng.uniform(2, 10)),
            "motion": float(rng.uniform(1, 6)) if rng.random() < 0.12 else 0.0,
            "motion_angle": float(rng.uniform(0, np.pi)),
            "defocus": float(rng.uniform(0.6, 2.2)) if rng.random() < 0.22 else 0.0,
            "vignetting": float(rng.uniform(0, 0.3)),
            "contrast": float(rng.uniform(0.85, 1.3)),
            "quality": float(rng.integers(55, 96)),
        }
        drawn.update({name: value for name, value in fixed.items() if value is not None})
        quality = int(drawn.pop("quality"))
        return cls(**drawn, quality=quality)

    def expose(self, radiance: Floats, rng: np.random.Generator) -> Floats:
        """The sensor's linear answer (H, W, 3) to radiance (H, W, 3), 1 being white: optics, exposure and noise."""
        light = self._blur(radiance)
        falloff = _corner_falloff(light.shape[0], light.shape[1], self.vignetting)
        electrons = np.clip(light * (falloff * np.float32(2.0**self.stops)), 0, _WHITE)
        electrons *= np.float32(self.full_well)
        deviation = np.sqrt(electrons + np.float32(self.read_noise**2))
        deviation *= _grain(rng, electrons.shape)
        electrons += deviation
        electrons *= np.array([self.red, 1.0, self.blue], np.float32) / np.float32(self.full_well)
        return np.asarray(np.maximum(electrons, 0, out=electrons))

    def encode(self, linear: Floats) -> NDArray[np.uint8]:
        """sRGB bytes (H, W, 3) of linear light, through the tone curve."""
        index = np.sqrt(np.minimum(linear, np.float32(_WHITE)) * np.float32((_TABLE - 1) ** 2 / _WHITE))
        return np.asarray(tone_curve(self.contrast)[index.astype(np.uint16)])

    def photograph(self, radiance: Floats, rng: np.random.Generator) -> bytes:
        """The JPEG of a scene's radiance (H, W, 3)."""
        picture = self.encode(self.expose(radiance, rng))
        _, data = cv2.imencode(
            ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, self.quality]
        )
        return bytes(data)

    def _blur(self, radiance: Floats) -> Floats:
        light = cv2.GaussianBlur(radiance, (0, 0), 0.55)  # no lens is sharper than its pixels
        if self.defocus > 0:
            side = 2 * int(np.ceil(self.defocus)) + 1
            y, x = np.mgrid[:side, :side] - side // 2
            disc = np.clip(self.defocus + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
            light = cv2.filter2D(light, -1, disc / disc.sum())
        if self.motion > 0:
            side = 2 * int(np.ceil(self.motion / 2)) + 1
            line = np.zeros((side, side), np.float32)
            centre = np.array([side // 2, side // 2])
            reach = np.array([np.cos(self.motion_angle), np.sin(self.motion_angle)]) * self.motion / 2
            ends = [tuple(np.round((centre + sign * reach) * 16).astype(int).tolist()) for sign in (-1, 1)]
            cv2.line(line, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
            light = cv2.filter2D(light, -1, line / line.sum()) if line.sum() > 0 else light
        return np.asarray(light)


def _grain(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Normal noise (H, W, 3). The channels share one draw, rolled far apart: a third of the cost."""
    height, width, channels = shape
    flat = rng.standard_normal(height * width, np.float32)
    grain = np.empty(shape, np.float32)
    for channel in range(channels):
        grain[..., channel] = np.roll(flat, channel * (height * width // 3 + 11)).reshape(height, width)
    return grain


def _corner_falloff(height: int, width: int, amount: float) -> Floats:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    return np.asarray(1 - np.float32(amount / 2) * (x * x + y * y))


@lru_cache(maxsize=4)
def tone_curve(contrast: float) -> NDArray[np.uint8]:
    """Bytes (4096,) for linear values spaced evenly in their square root from 0 to 4.

    A shoulder compresses highlights, the sRGB transfer function (IEC 61966-2-1) encodes, and a power about middle grey
    sets the contrast.
    """
    linear = np.linspace(0, 1, _TABLE) ** 2 * _WHITE
    shoulder = np.where(linear < 0.6, linear, 0.6 + 0.4 * (1 - np.exp(-(linear - 0.6) / 0.4)))
    encoded = np.where(shoulder <= 0.0031308, shoulder * 12.92, 1.055 * shoulder ** (1 / 2.4) - 0.055)
    grey = 0.46
    bent = np.where(
        encoded < grey, grey * (encoded / grey) ** contrast, 1 - (1 - grey) * ((1 - encoded) / (1 - grey)) ** contrast
    )
    return np.asarray(np.clip(bent * 255 + 0.5, 0, 255), np.uint8)
