"""Class imbalance: photos that show a rarer label are drawn more often.

A photo's weight is that of its rarest label: how many times as many photos show the most common label, to the power of
``balance``. 0.5 gives the square root of repeat-factor sampling (Gupta, Dollár & Girshick, "LVIS: A Dataset for Large
Vocabulary Instance Segmentation", 2019). Photos without damage weigh as much as those with the most common label.
"""

import numpy as np
from numpy.typing import NDArray

from dentwatch.training.augmentation import IGNORE
from dentwatch.training.photo_batches import LabelledPhotos


def photo_weights(photos: LabelledPhotos, balance: float) -> NDArray[np.float64] | None:
    """The weight of each photo, ``(N,)``, at least 1; None where all weigh the same."""
    shown = [set(photos.labels_of(place).tolist()) - {IGNORE} for place in range(len(photos))]
    labels = sorted(set().union(*shown))
    counts = {label: sum(label in one for one in shown) for label in labels}
    if balance == 0 or len(labels) < 2:
        return None
    most = max(counts.values())
    factor = {label: (most / count) ** balance for label, count in counts.items()}
    return np.array([max((factor[label] for label in one), default=1.0) for one in shown])


def drawn(weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """As many places as there are weights, ``(N,)``, each about as often as its weight says, in random order.

    Drawn systematically: one random start, then equal steps, so that none is drawn one time too often or too seldom.
    """
    count = len(weights)
    marks = (rng.random() + np.arange(count)) * (weights.sum() / count)
    places = np.searchsorted(np.cumsum(weights), marks, side="right")
    return rng.permutation(np.minimum(places, count - 1).astype(np.int64))
