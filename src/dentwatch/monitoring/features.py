"""The features of a photo: the numbers in which drift is looked for.

Photo statistics as :mod:`dentwatch.data.statistics` measures them, the photo's shape, what the detector said, and how
far the photo is from those of the reference. The reference and production use this one function.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.statistics import STATISTIC_NAMES
from dentwatch.monitoring.embedding import EMBEDDING_FEATURES, EmbeddingSpace
from dentwatch.records.detections import Detection

DETECTOR_FEATURES = ("top_score", "boxes", "scratch_share", "mean_score")

FEATURE_NAMES: tuple[str, ...] = (*STATISTIC_NAMES, "aspect", *DETECTOR_FEATURES, *EMBEDDING_FEATURES)
"""What each number of :func:`photo_features` is.

- the photo statistics, in their units;
- ``aspect``: log(width / height); 0 is square, positive is landscape;
- ``top_score``, ``mean_score``: best and mean score of the detections; ``boxes``: how many there are;
  ``scratch_share``: share of them that are scratches. Without any detection, the top score and the count are 0 and the
  other two are missing;
- ``embedding_distance``, ``embedding_nearest``: see :class:`~dentwatch.monitoring.embedding.EmbeddingSpace`.
"""


def photo_features(
    statistics: Mapping[str, float],
    detections: Sequence[Detection],
    embedding: NDArray[np.floating] | None,
    size: tuple[int, int],
    space: EmbeddingSpace | None = None,
) -> NDArray[np.float64]:
    """The features of one photo, ``(len(FEATURE_NAMES),)``; not a number where one is missing.

    ``detections`` are those at the operating thresholds, ``size`` is ``(width, height)`` of the upright original in
    pixels, ``space`` what the embedding is held against (none: its two figures are missing).
    """
    known = None if embedding is None or space is None else space.figures(embedding)
    return np.array(
        [
            *(statistics.get(name, np.nan) for name in STATISTIC_NAMES),
            np.log(size[0] / size[1]),
            *_said(detections),
            *(known or (np.nan, np.nan)),
        ],
        np.float64,
    )


def _said(detections: Sequence[Detection]) -> tuple[float, float, float, float]:
    if not detections:
        return 0.0, 0.0, np.nan, np.nan
    scores = [one.score for one in detections]
    scratches = sum(one.label == "scratch" for one in detections)
    return max(scores), float(len(scores)), scratches / len(scores), sum(scores) / len(scores)
