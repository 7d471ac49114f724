"""Ten thousand spoilt photos through a running service: no failure, no crash, no leak.

::

    python benchmarks/serving/fuzz.py                  # 10,000 photos, about ten minutes
    python benchmarks/serving/fuzz.py --count 400      # only to see that it works
    python benchmarks/serving/fuzz.py --seed 7         # others

Each photo goes through ``POST /v1/inspections`` (40 at a time), ``/invocations`` and both photo routes; every tenth
inspection also becomes a condition report. The photos are those of ``tests/serving/photo_fuzz.py``. Exit code 1 when an
answer was not the one that was due, or a worker process ended.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "serving"))

from photo_fuzz import fuzzed
from photo_storm import BATCH, Storm
from processes import end_in_order_on_sigterm, resident, tree
from rectangles import rectangle_graph, write_bundle
from results import MEGABYTE, machine
from running_service import serving

_SETTLING = 0.2
"""Share of the photos, at the beginning, that the slope of the memory leaves out: caches fill then."""

Sample = tuple[int, int]
"""Photos sent, and resident bytes after them."""


def main() -> None:
    """Send the photos and print one JSON document."""
    parser = argparse.ArgumentParser(description="Dentwatch under spoilt photos.")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    end_in_order_on_sigterm()
    with tempfile.TemporaryDirectory() as folder:
        document = storm(options.count, options.seed, options.workers, Path(folder))
    print(json.dumps(document, indent=2))
    sys.exit(0 if document["as_due"] else 1)


def storm(count: int, seed: int, workers: int, folder: Path) -> dict[str, Any]:
    """Send ``count`` photos to a server of ``workers`` processes whose state is in ``folder``; what came of it."""
    bundle = write_bundle(folder / "model", rectangle_graph())
    with serving(bundle, folder / "home", folder / "log", workers=workers) as service:
        before, begin = tree(service.process.pid), time.monotonic()
        result, samples = Storm(), list[Sample]()
        for sent in result.send(service, fuzzed(count, seed)):
            samples.append((sent, resident(tree(service.process.pid))))
            if sent % (25 * BATCH) == 0:
                print(f"{sent:,} photos, {samples[-1][1] / MEGABYTE:.0f} MB", file=sys.stderr, flush=True)
        seconds, after = time.monotonic() - begin, tree(service.process.pid)
    outcomes = {f"{kind}: {reason}": number for (kind, reason), number in sorted(result.outcomes.items())}
    return {
        "machine": machine(),
        "photos": count,
        "seconds": seconds,
        "as_due": not result.wrong and before == after,
        "wrong": result.wrong,
        "processes_kept": before == after,
        "slowest_seconds": result.slowest[0],
        "slowest": result.slowest[1],
        "peak_rss_mb": max(size for _, size in samples) / MEGABYTE,
        "rss_slope_mb_per_1000_photos": slope_per_thousand(samples) / MEGABYTE,
        "outcomes": outcomes,
    }


def slope_per_thousand(samples: list[Sample]) -> float:
    """Bytes per 1,000 photos by which memory grows: least squares after the settling time."""
    settled = [sample for sample in samples if sample[0] >= samples[-1][0] * _SETTLING]
    sent, sizes = zip(*settled, strict=True)
    return 1000 * statistics.linear_regression(sent, sizes).slope if len(settled) > 1 else 0.0


if __name__ == "__main__":
    main()
