"""Charts: how metres on the car become pixels of its texture atlas."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Chart:
    """A rectangle of the atlas: its left top corner in pixels, the metres that lie there, and pixels per metre."""

    left: int
    top: int
    width: int
    height: int
    u0: float
    v0: float
    density: float

    def pixels(self, u: NDArray[np.floating] | float, v: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """Atlas pixels ``(..., 2)`` of chart coordinates ``u`` and ``v`` in metres."""
        across = np.clip((np.asarray(u) - self.u0) * self.density, 0, self.width - 1)
        down = np.clip((np.asarray(v) - self.v0) * self.density, 0, self.height - 1)
        return np.stack(np.broadcast_arrays(self.left + across, self.top + down), -1)


DENSITY = 200.0
WALL = Chart(4, 4, 1300, 260, -0.1, 0.0, DENSITY)
"""The lower body's wall: arc length from the middle of the front, height above ground."""
TOP = Chart(4, 272, 1120, 220, -2.8, 0.0, DENSITY)
"""The lower body's top: x, and distance from the middle."""
GREENHOUSE = Chart(4, 500, 1300, 120, -0.1, -0.05, DENSITY)
"""The greenhouse's wall: arc length from the middle of the windscreen, level from belt 0 to roof 0.5."""
WHEEL = Chart(4, 628, 264, 264, -0.44, -0.44, 300.0)
"""A wheel seen from outside: metres from its hub."""
PLATE = Chart(280, 628, 216, 56, -0.27, -0.07, 400.0)
"""A number plate: metres from its middle."""
PAINTED = Chart(540, 640, 16, 16, 0, 0, DENSITY)
BLACK = Chart(580, 640, 16, 16, 0, 0, DENSITY)
CHROME = Chart(620, 640, 16, 16, 0, 0, DENSITY)
SIZE = (1312, 900)
