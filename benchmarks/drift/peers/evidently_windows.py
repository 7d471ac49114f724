# /// script
# dependencies = ["evidently>=0.7", "pandas<3", "numpy>=1.26"]
# ///
"""Evidently's default drift preset over windows of 200 photos: ``python evidently_windows.py STREAMS.npz``."""

import json
import sys
import warnings

import numpy as np
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

WINDOW = 200
SHARES = {"Evidently, default, window 200": 0.5, "Evidently, any statistic, window 200": 1e-9}


def drifted_share(reference: pd.DataFrame, window: pd.DataFrame) -> float:
    """The share of statistics that Evidently calls drifted."""
    found = Report([DataDriftPreset()]).run(window, reference).dict()
    counts = next(metric["value"] for metric in found["metrics"] if "DriftedColumnsCount" in str(metric))
    return float(counts["share"])


warnings.simplefilter("ignore")
found: dict[str, dict[str, list[int]]] = {method: {} for method in SHARES}
with np.load(sys.argv[1]) as kept:
    reference = pd.DataFrame(kept["reference"]).add_prefix("s")
    for name in kept.files:
        if name == "reference":
            continue
        rows = pd.DataFrame(kept[name]).add_prefix("s")
        # The windows long before a drift are those of the clean stream again; a drift begins within a window.
        first = 0 if name == "clean" else 1900
        ends = range(first + WINDOW, len(rows) + 1, WINDOW)
        shares = {end: drifted_share(reference, rows.iloc[end - WINDOW : end]) for end in ends}
        for method, limit in SHARES.items():
            found[method][name] = [end - 1 for end, share in shares.items() if share >= limit]
print(json.dumps(found))
