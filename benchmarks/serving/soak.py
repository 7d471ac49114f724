"""Ten minutes at 80 % of what the server can do: no error, flat memory.

::

    python benchmarks/serving/soak.py                                  # /invocations, 12-megapixel photos
    python benchmarks/serving/soak.py --route /v1/inspections --photos 640
    python benchmarks/serving/soak.py --minutes 0.2                    # only to see that it works

What the server can do is measured first, by 8 connections for ``--calibrate`` seconds. Every photo is another one:
``/v1/inspections`` keeps them all, so 12-megapixel photos need 3.5 MB of disk each (some 80 GB in ten minutes).
"""

import argparse
import json
import shutil
import statistics
import sys
from pathlib import Path

from client import closed_loop, open_loop
from load import percentile
from loading import add_options, chosen_route, server
from photos import photo_set
from processes import MemoryWatch, end_in_order_on_sigterm, last_words
from results import MEGABYTE, machine

SHARE = 0.8
_SETTLING = 0.2
"""Share of the time, at the beginning, that the slope of the memory leaves out: caches fill then."""


def slope_per_minute(samples: list[tuple[float, int]]) -> float:
    """Bytes per minute by which memory grows: least squares over ``(seconds, bytes)`` after the settling time."""
    settled = [sample for sample in samples if sample[0] >= samples[-1][0] * _SETTLING]
    seconds, sizes = zip(*settled, strict=True)
    return 60 * statistics.linear_regression(seconds, sizes).slope if len(settled) > 1 else 0.0


def main() -> None:
    """Soak and print one JSON document."""
    parser = argparse.ArgumentParser(description="Dentwatch at 80 % of its limit for ten minutes.")
    add_options(parser)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    end_in_order_on_sigterm()
    photos, route = photo_set(options.photos, options.cache), chosen_route(options.route)
    with server(options) as running, running.prepared(route, photos) as requests:
        limit = closed_loop(running.address, requests, 8, options.calibrate, running.next_number()).per_second
        rate = options.rate or SHARE * limit
        _check_disk(options.cache, route.path, rate * options.minutes * 60 * max(map(len, photos.jpegs)))
        print(f"limit {limit:.1f} photos/s; asking {rate:.1f} times a second", file=sys.stderr, flush=True)
        with MemoryWatch(running.pid, every=1.0) as memory:
            load = open_loop(running.address, requests, rate, options.minutes * 60, first_number=running.next_number())
        seconds = [exchange.seconds for exchange in load.answered]
        document = {
            "machine": machine(),
            "route": route.path,
            "photos": options.photos,
            "limit_per_second": limit,
            "asked_per_second": rate,
            "answered": len(load.answered),
            "errors": load.errors + load.unsent,
            "statuses": load.statuses,
            "p50_ms": percentile(seconds, 0.5) * 1000,
            "p99_ms": percentile(seconds, 0.99) * 1000,
            "peak_rss_mb": memory.peak / MEGABYTE,
            "rss_slope_mb_per_minute": slope_per_minute(memory.samples) / MEGABYTE,
            "client_cores": load.client_cpu_seconds / load.seconds,
        }
    print(json.dumps(document, indent=2))
    if document["errors"]:
        print(f"The server's last words: {last_words(options.cache / 'dentwatch.log')}", file=sys.stderr)


def _check_disk(cache: Path, path: str, needed: float) -> None:
    free = shutil.disk_usage(cache).free
    if path == "/v1/inspections" and needed > free * 0.9:
        raise SystemExit(
            f"The photos would fill the disk: {needed / 1e9:.0f} GB, and {cache} has {free / 1e9:.0f} GB. "
            "Take --photos 640, fewer --minutes, or another --cache."
        )


if __name__ == "__main__":
    main()
