"""How long a network takes for a photo, before anybody has trained it: its exported graph, timed as serving runs it."""

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime as ort

from dentwatch.errors import TrainingError
from dentwatch.training.detectors import check, create
from dentwatch.training.export import export_onnx
from dentwatch.training.search.search_settings import SearchSettings

_WARM_UPS, _RUNS = 2, 7


def candidates(search: SearchSettings) -> list[str]:
    """Every network with every input size that it can take, as in ``yolo:nano@416``.

    Raises :class:`TrainingError` for a network that does not exist, or when none is left.
    """
    found = []
    for network in search.networks:
        detector, _, size = network.partition(":")
        stride = check(detector, size or None, search.base.labels, search.base.input_size).stride
        found += [f"{network}@{side}" for side in search.input_sizes if side % stride == 0]
    if not found:
        raise TrainingError(
            f"None of the networks takes an input of {', '.join(map(str, search.input_sizes))} pixels.",
            "Choose multiples of 32.",
        )
    return found


def parts(candidate: str) -> tuple[str, str | None, int]:
    """Detector, size and input size of a candidate."""
    network, _, side = candidate.partition("@")
    detector, _, size = network.partition(":")
    return detector, size or None, int(side)


def milliseconds(candidate: str, labels: tuple[str, ...], threads: int) -> float:
    """Median time that ONNX Runtime takes for one photo on this machine now, with ``threads`` threads."""
    detector, size, side = parts(candidate)
    photo = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(create(detector, size, labels, side).eval(), path, photo)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    times = []
    for _ in range(_WARM_UPS + _RUNS):
        start = time.perf_counter()
        session.run(None, {"images": photo})
        times.append((time.perf_counter() - start) * 1000)
    return round(median(times[_WARM_UPS:]), 3)


def within_budget(latencies: dict[str, float], most: float | None) -> list[str]:
    """The candidates that are fast enough; raises :class:`TrainingError` when none is."""
    found = [candidate for candidate, taken in latencies.items() if most is None or taken <= most]
    if not found:
        fastest = min(latencies, key=lambda candidate: latencies[candidate])
        raise TrainingError(
            f"No network answers within {most:g} ms: the fastest, {fastest}, takes {latencies[fastest]:.0f} ms.",
            "Allow more, or search smaller networks and input sizes.",
        )
    return found


def measured(wanted: Iterable[str], known: dict[str, float], labels: tuple[str, ...], threads: int) -> dict[str, float]:
    """The milliseconds of each wanted candidate; those that are known are not measured again."""
    return {one: known[one] if one in known else milliseconds(one, labels, threads) for one in wanted}
