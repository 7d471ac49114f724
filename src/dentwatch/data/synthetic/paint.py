"""The paint of a vehicle: base coat, flakes and clear coat."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Paint:
    """Linear reflectances (3,): ``base`` is the diffuse base coat, ``metal`` the glossy reflectance of its flakes."""

    name: str
    base: NDArray[np.float32]
    metal: NDArray[np.float32]

    @property
    def luminance(self) -> float:
        """How light the paint is, 0 to 1."""
        return float((self.base + self.metal) @ np.array([0.2126, 0.7152, 0.0722], np.float32))

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Paint":
        """A paint, with the frequency that its colour has on the road."""
        names = list(_COLOURS)
        weights = np.array([_COLOURS[name][0] for name in names])
        name = str(rng.choice(names, p=weights / weights.sum()))
        _, encoded, flakes = _COLOURS[name]
        colour = np.clip(
            (np.array(encoded) / 255) ** 2.2 * np.exp(rng.normal(0, 0.16)) * np.exp(rng.normal(0, 0.04, 3)), 0.003, 0.86
        )
        share = float(np.clip(flakes + rng.normal(0, 0.12), 0, 0.75)) if flakes else 0.0
        return cls(name, (colour * (1 - share)).astype(np.float32), (colour * share * 1.15).astype(np.float32))


_COLOURS: dict[str, tuple[float, tuple[int, int, int], float]] = {
    "white": (0.26, (232, 232, 230), 0.0),
    "pearl": (0.04, (226, 224, 218), 0.3),
    "silver": (0.15, (176, 178, 180), 0.55),
    "grey": (0.13, (104, 107, 110), 0.5),
    "anthracite": (0.08, (58, 61, 65), 0.4),
    "black": (0.13, (20, 20, 22), 0.2),
    "blue": (0.07, (32, 62, 124), 0.4),
    "navy": (0.03, (22, 30, 58), 0.4),
    "light blue": (0.02, (110, 146, 176), 0.45),
    "red": (0.09, (168, 20, 22), 0.15),
    "burgundy": (0.03, (92, 18, 28), 0.4),
    "orange": (0.015, (214, 84, 24), 0.2),
    "yellow": (0.015, (228, 178, 30), 0.0),
    "green": (0.02, (34, 74, 54), 0.35),
    "beige": (0.025, (178, 164, 140), 0.45),
    "brown": (0.02, (80, 62, 50), 0.45),
}
