"""How long an eighth of a 12-megapixel JPEG takes: from DC coefficients alone, and by libjpeg-turbo (simplejpeg).

::

    python benchmarks/decode.py                 # makes its eight photos the first time, 40 s
    python benchmarks/decode.py --rounds 20     # steadier on a busy machine

Both decode each photo in turns, on one core. Reported is the processor time of the fastest round, averaged over the
photos, and how far the pictures are apart.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent / "serving"))

from loading import CACHE
from photos import LARGE, photo_set
from results import machine

from dentwatch.data.eighth import decode_eighth

WIDTH, HEIGHT = 4032, 3024
Pixels = NDArray[np.uint8]
Way = Callable[[bytes], Pixels]


def by_libjpeg(jpeg: bytes) -> Pixels:
    """An eighth as libjpeg-turbo makes it; raises :class:`ValueError` for damage."""
    return np.asarray(
        simplejpeg.decode_jpeg(jpeg, "RGB", min_width=WIDTH // 8, min_height=HEIGHT // 8, strict=True), np.uint8
    )


def by_dc(jpeg: bytes) -> Pixels:
    """An eighth from DC coefficients alone; raises :class:`RuntimeError` where that decoder was not built."""
    rgb = decode_eighth(jpeg, WIDTH, HEIGHT)
    if rgb is None:
        raise RuntimeError("the compiled decoder was not built: install Dentwatch where there is a C compiler")
    return rgb


def milliseconds(way: Way, jpeg: bytes) -> float:
    """Processor time of one decode."""
    begin = time.thread_time()
    way(jpeg)
    return 1000 * (time.thread_time() - begin)


def measure(jpegs: tuple[bytes, ...], rounds: int) -> dict[str, float]:
    """Milliseconds per photo of both, their ratio, and the mean difference of a channel."""
    fastest = {way: [float("inf")] * len(jpegs) for way in (by_dc, by_libjpeg)}
    for _ in range(rounds):
        for number, jpeg in enumerate(jpegs):
            for way, times in fastest.items():
                times[number] = min(times[number], milliseconds(way, jpeg))
    dc_ms, libjpeg_ms = (statistics.mean(fastest[way]) for way in (by_dc, by_libjpeg))
    apart = [np.abs(by_dc(jpeg).astype(int) - by_libjpeg(jpeg)).mean() for jpeg in jpegs]
    return {
        "dc_ms": dc_ms,
        "libjpeg_turbo_ms": libjpeg_ms,
        "ratio": dc_ms / libjpeg_ms,
        "mean_difference_levels": float(np.mean(apart)),
    }


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser(description="An eighth of a JPEG, two ways.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=CACHE)
    options = parser.parse_args()
    jpegs = photo_set(LARGE, options.cache).jpegs
    print(json.dumps({"machine": machine(), "photos": len(jpegs), **measure(jpegs, options.rounds)}, indent=2))


if __name__ == "__main__":
    main()
