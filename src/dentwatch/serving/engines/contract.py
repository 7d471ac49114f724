"""What every engine does."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Answer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Boxes float32 ``(N, A, 4)``, xyxy in pixels of the input, and scores float32 ``(N, A, C)``, before suppression."""


class Network(Protocol):
    """A graph that is loaded and can run; several threads may call it at a time."""

    @property
    def name(self) -> str:
        """What the log, ``/healthz`` and the setting call it."""

    def run(self, images: NDArray[np.uint8]) -> Answer:
        """Run ``images`` uint8 ``(N, H, W, 3)``, RGB, letterboxed; raises whatever the library raises."""
