"""What is usual: for each figure of photos the band in which nine of ten photos of the reference lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dentwatch.errors import MonitoringError
from dentwatch.monitoring.features import FEATURE_NAMES
from dentwatch.monitoring.reference import Reference

_QUANTILES = (0.05, 0.95)
USUALLY_OUTSIDE = 0.1
"""The share of the reference's own photos outside a band, at most."""


@dataclass(frozen=True, slots=True)
class Band:
    """From ``low`` to ``high``, both within it."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies in it."""
        return self.low <= value <= self.high


def bands(home: Path, key: Mapping[str, Any] | None) -> dict[str, Band]:
    """The bands, by figure, of the reference that monitoring compares with (``WatchState.reference``).

    Empty where there is none, or where its file in ``home`` is not to be had. The last one read stays in memory.
    """
    if key is None:
        return {}
    try:
        return _read(home.absolute() / "references", str(key["model"]), str(key["created_at"]))
    except MonitoringError:
        return {}


@lru_cache(maxsize=1)
def _read(folder: Path, model: str, created_at: str) -> dict[str, Band]:
    """Raises :class:`MonitoringError`, which is not remembered, so that a file that comes later is found."""
    for path in sorted(folder.glob(f"*{model.replace('/', '-')}-*.npz")):
        found = Reference.load(path)
        if (found.model, found.created_at) == (model, created_at):
            return _of(found)
    raise MonitoringError(f"The reference of {model} is not in {folder}.", "It is made by `dentwatch serve`.")


def _of(reference: Reference) -> dict[str, Band]:
    found = {}
    for name, column in zip(FEATURE_NAMES, reference.features.T, strict=True):
        known = column[~np.isnan(column)]
        if known.size:
            low, high = np.quantile(known, _QUANTILES)
            found[name] = Band(float(low), float(high))
    return found
