"""What the detectors cost per inspection: ``python benchmarks/drift/cost.py``. On an idle core; figures are random.

``--numpy`` pays the money as a machine without a compiler does.
"""

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from dentwatch.monitoring.drift import recursion
from dentwatch.monitoring.drift.detector import DriftDetector
from dentwatch.monitoring.drift.odds import Odds
from dentwatch.monitoring.drift.slices import SlicedDetector
from dentwatch.monitoring.features import FEATURE_NAMES

VEHICLES, PHOTOS = 350, 4
"""Of the reference."""
PARTS, INSPECTIONS = 10, 300
"""The median of so many runs over so many inspections is told."""
SLICES = {"channel": "app", "device": "phone", "region": "north", "hour": "7"}


def main() -> None:
    """Measure inspections of one photo to eight."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numpy", action="store_true", help="without the compiled recursion")
    if parser.parse_args().numpy:
        recursion.paying = recursion.pay
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(VEHICLES * PHOTOS, len(FEATURE_NAMES)))
    odds = Odds(reference, [str(number // PHOTOS) for number in range(len(reference))], FEATURE_NAMES)
    how = "NumPy" if recursion.paying is recursion.pay else "compiled"
    table = Table(title=f"µs of processor time: {len(odds.statistics)} figures, {len(odds.layout.labels)} bets, {how}")
    for name in ("photos", "all bets", "per photo", "with four slices", "per photo"):
        table.add_column(name, justify="right")
    for count in (1, 2, 4, 8):
        whole, sliced = _microseconds(odds, rng.normal(size=(PARTS, INSPECTIONS, count, len(FEATURE_NAMES))))
        table.add_row(str(count), *(f"{value:.0f}" for value in (whole, whole / count, sliced, sliced / count)))
    Console().print(table)


def _microseconds(odds: Odds, inspections: np.ndarray) -> tuple[float, float]:
    """Of an update of one detector, and of one with those of four slices."""
    whole, sliced = DriftDetector(None, odds=odds), SlicedDetector(odds, tuple(SLICES))
    spent = []
    for part in inspections:
        start = time.process_time()
        for photos in part:
            whole.update(photos)
        between = time.process_time()
        for photos in part:
            sliced.update(photos, SLICES)
        spent.append((between - start, time.process_time() - between))
    first, second = np.median(spent, axis=0) / inspections.shape[1] * 1e6
    return float(first), float(second)


if __name__ == "__main__":
    main()
