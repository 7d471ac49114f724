# /// script
# dependencies = ["river>=0.22", "numpy>=1.26"]
# ///
"""River's detectors, one per statistic; any of them is an alarm: ``python river_detectors.py STREAMS.npz``."""

import json
import sys
from collections.abc import Callable

import numpy as np
from river.drift import ADWIN, PageHinkley

METHODS: dict[str, Callable[[int], object]] = {
    "river ADWIN, default": lambda _columns: ADWIN(),
    "river ADWIN, δ = 1e-5 ÷ statistics": lambda columns: ADWIN(delta=1e-5 / columns),
    "river PageHinkley, default": lambda _columns: PageHinkley(),
}


def alarms(make: Callable[[int], object], reference: np.ndarray, stream: np.ndarray) -> list[int]:
    """Numbers of the photos at which an alarm was raised; figures are in reference standard deviations."""
    spread = reference.std(axis=0)
    scaled = (stream - reference.mean(axis=0)) / np.where(spread > 0, spread, 1)
    detectors = [make(stream.shape[1]) for _ in range(stream.shape[1])]
    found = []
    for number, photo in enumerate(scaled.tolist()):
        for detector, value in zip(detectors, photo, strict=True):
            detector.update(value)
        if any(detector.drift_detected for detector in detectors):
            found.append(number)
            detectors = [make(stream.shape[1]) for _ in range(stream.shape[1])]
    return found


with np.load(sys.argv[1]) as kept:
    reference = kept["reference"]
    streams = {name: kept[name] for name in kept.files if name != "reference"}
print(json.dumps({m: {n: alarms(make, reference, s) for n, s in streams.items()} for m, make in METHODS.items()}))
