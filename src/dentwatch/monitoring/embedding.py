"""How far a photo is from those of a reference, as its embedding sees them: another kind of photo is far away."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EMBEDDING_FEATURES = ("embedding_distance", "embedding_nearest")
"""Names of what :meth:`EmbeddingSpace.figures` returns."""

FEWEST_PHOTOS = 100
"""Photos below which no space is made: their spread in 30 directions would mostly be chance."""

_COMPONENTS = 30  # of the Mahalanobis distance; more are noise, fewer miss other crops
_NEAR_COMPONENTS = 12  # of the neighbours' distance: in more directions everything is equally far
_NEIGHBOUR = 5  # the fifth nearest, so that one odd photo in the reference does not make its like look ordinary
_RIDGE = 1e-6


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """The photos of a reference as directions of unit spread: ``centre`` ``(E,)``, ``whitening`` ``(E, K)``.

    ``neighbours`` ``(M, 12)`` are its photos in the first directions. It is made from other vehicles than those that
    it is then asked about, because a photo is never far from a space that was made with it.
    """

    centre: Floats
    whitening: Floats
    neighbours: Floats

    @classmethod
    def of(cls, embeddings: Floats) -> "EmbeddingSpace":
        """The space of photos with these embeddings ``(M, E)``.

        Raises :class:`ValueError` for fewer than :data:`FEWEST_PHOTOS`.
        """
        if len(embeddings) < FEWEST_PHOTOS:
            raise ValueError(f"{len(embeddings)} photos are fewer than {FEWEST_PHOTOS}")
        centre = embeddings.mean(axis=0)
        spread, directions = np.linalg.eigh(np.cov(embeddings, rowvar=False))
        most = slice(None, -_COMPONENTS - 1, -1)  # eigh gives the widest spread last
        whitening = directions[:, most] / np.sqrt(np.maximum(spread[most], 0) + _RIDGE)
        return cls(centre, whitening, ((embeddings - centre) @ whitening)[:, :_NEAR_COMPONENTS])

    def figures(self, embedding: NDArray[np.floating]) -> tuple[float, float]:
        """``embedding_distance`` and ``embedding_nearest`` of a photo's embedding ``(E,)``.

        The first is the Mahalanobis distance to the centre over the root of the number of directions, about 1 for
        ordinary photos; the second the distance to the fifth nearest photo.
        """
        place = (np.asarray(embedding, np.float64) - self.centre) @ self.whitening
        apart = self.neighbours - place[:_NEAR_COMPONENTS]
        squares = np.einsum("ij,ij->i", apart, apart)
        nearest = np.partition(squares, _NEIGHBOUR - 1)[_NEIGHBOUR - 1]
        return float(np.sqrt(place @ place / place.size)), float(np.sqrt(nearest))
