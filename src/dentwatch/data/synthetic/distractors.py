"""What a damage detector must not fall for: dust, mud, water drops and dappled shade; ``stickers.py`` adds stickers."""

from dataclasses import dataclass

import cv2
import numpy as np

from dentwatch.data.synthetic.noise import Floats, fractal


@dataclass(frozen=True, slots=True)
class Distractors:
    """``dust``, ``mud``, ``shade`` and ``drops`` are amounts from 0 to 1.

    ``dirt`` (256, 256) is noise that repeats every ``dirt_scale`` metres; ``water`` (256, 256, 2) holds the slopes of
    drops on a tile of 0.2 m; ``colour`` (3,) is the albedo of dust and mud.
    """

    dirt: Floats
    dirt_scale: float
    dust: float
    mud: float
    shade: float
    drops: float
    water: Floats
    colour: Floats

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Distractors":
        """The state of a car on some day: mostly clean."""
        drops = float(rng.uniform(0.4, 1.0)) if rng.random() < 0.09 else 0.0
        return cls(
            dirt=fractal(rng, 256, 5, 5, 0.65),
            dirt_scale=float(rng.uniform(0.5, 1.6)),
            dust=float(rng.uniform(0, 0.3)) if rng.random() < 0.5 else 0.0,
            mud=float(rng.uniform(0.2, 1.0)) if rng.random() < 0.2 else 0.0,
            shade=float(rng.uniform(0.5, 1.0)) if rng.random() < 0.35 else 0.0,
            drops=drops,
            water=_water(rng) if drops else np.zeros((2, 2, 2), np.float32),
            colour=np.array([0.24, 0.19, 0.14], np.float32) * np.float32(rng.uniform(0.5, 1.3)),
        )


def _water(rng: np.random.Generator) -> Floats:
    height = np.zeros((256, 256), np.float32)
    for _ in range(170):
        centre = tuple(int(value) for value in rng.integers(8, 248, 2))
        radius = int(np.clip(rng.lognormal(np.log(3), 0.5), 1, 9))
        cv2.ellipse(
            height,
            centre,
            (radius, max(1, round(radius * rng.uniform(0.7, 1)))),
            0,
            0,
            360,
            float(radius),
            -1,
            cv2.LINE_AA,
        )
    height = cv2.GaussianBlur(height, (0, 0), 1.2)
    slopes = [cv2.Sobel(height, cv2.CV_32F, 1, 0), cv2.Sobel(height, cv2.CV_32F, 0, 1)]
    return np.ascontiguousarray(np.stack(slopes, -1) * np.float32(0.08))
