"""Photos of a store as a drift would have made them: what a model is judged by that was made for it."""

import io

import numpy as np
from PIL import Image

from dentwatch.data.decoding import decode
from dentwatch.data.remakes import way_of
from dentwatch.records.model_bundle import Adaptation
from dentwatch.records.photos import PhotoStore


class RemadePhotos(PhotoStore):
    """The photo store at ``url``, whose photos come re-made as ``drift`` says: without loss, as BMP.

    Each photo has its own random numbers, so that it is re-made in the same way each time. Raises
    :class:`~dentwatch.errors.DataError` for a drift that cannot be re-made.
    """

    def __init__(self, url: str, drift: Adaptation, max_pixels: int) -> None:
        super().__init__(url)
        self._way, self._drift, self._max_pixels = way_of(drift), drift, max_pixels

    def get(self, photo_id: str) -> bytes:
        """The photo re-made, where it is among the share of those that are; raises as the store does."""
        data = super().get(photo_id)
        rng = np.random.default_rng(int(photo_id[:16], 16))
        if rng.random() >= self._drift.share:
            return data
        rgb = decode(data, max_pixels=self._max_pixels).rgb
        buffer = io.BytesIO()
        Image.fromarray(self._way.apply(rgb, self._drift.amount, rng)).save(buffer, "BMP")
        return buffer.getvalue()
