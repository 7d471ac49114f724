"""Ten minutes at 80 % of what the server can do: no error, flat memory.

::

    python benchmarks/serving/soak.py                                  # /invocations, 12-megapixel photos
    python benchmarks/serving/soak.py --route /v1/inspections --photos 640
    python benchmarks/serving/soak.py --minutes 0.2                    # only to see that it works

What the server can do is measured at the beginning of every minute, by 8 connections for ``--calibrate`` seconds: on a
virtual machine that is not the same from minute to minute. Every photo is another one:
``/v1/inspections`` keeps them all, so 12-megapixel photos need 3.5 MB of disk each (some 80 GB in ten minutes).
"""

import argparse
import json
import shutil
import statistics
import sys
from collections import Counter
from pathlib import Path

from client import closed_loop, open_loop
from load import Load, percentile
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
    rates, limits, loads = list[float](), list[float](), list[Load]()
    with server(options) as running, running.prepared(route, photos) as requests:
        with MemoryWatch(running.pid) as memory:
            for seconds in _minutes(options.minutes):
                limit = closed_loop(running.address, requests, 8, options.calibrate, running.next_number()).per_second
                limits.append(limit)
                rates.append(options.rate or SHARE * limit)
                if len(loads) == 0:
                    size = max(map(len, photos.jpegs))
                    _check_disk(options.cache, route.path, rates[0] / SHARE * options.minutes * 60 * size)
                load = open_loop(
                    running.address,
                    requests,
                    rates[-1],
                    max(1.0, seconds - options.calibrate),
                    first_number=running.next_number(),
                )
                loads.append(load)
                told = f"of {limit:.1f} photos/s {rates[-1]:.1f} asked, {len(load.answered):,} answered"
                print(f"minute {len(loads)}: {told}, {load.errors + load.unsent} not", file=sys.stderr, flush=True)
        latency = [exchange.seconds for load in loads for exchange in load.answered]
        document = {
            "machine": machine(),
            "route": route.path,
            "photos": options.photos,
            "limits_per_second": limits,
            "asked_per_second": rates,
            "answered": len(latency),
            "errors": sum(load.errors + load.unsent for load in loads),
            "statuses": dict(sum((Counter(load.statuses) for load in loads), Counter[int]())),
            "p50_ms": percentile(latency, 0.5) * 1000,
            "p99_ms": percentile(latency, 0.99) * 1000,
            "peak_rss_mb": memory.peak / MEGABYTE,
            "rss_slope_mb_per_minute": slope_per_minute(memory.samples) / MEGABYTE,
            "client_cores": sum(load.client_cpu_seconds for load in loads) / sum(load.seconds for load in loads),
        }
    print(json.dumps(document, indent=2))
    if document["errors"]:
        print(f"The server's last words: {last_words(options.cache / 'dentwatch.log')}", file=sys.stderr)


def _minutes(minutes: float) -> list[float]:
    """Whole minutes, in seconds, and what is left of the last."""
    whole, rest = divmod(minutes * 60, 60)
    return [60.0] * int(whole) + ([rest] if rest else [])


def _check_disk(cache: Path, path: str, needed: float) -> None:
    free = shutil.disk_usage(cache).free
    if path == "/v1/inspections" and needed > free * 0.9:
        raise SystemExit(
            f"The photos would fill the disk: {needed / 1e9:.0f} GB, and {cache} has {free / 1e9:.0f} GB. "
            "Take --photos 640, fewer --minutes, or another --cache."
        )


if __name__ == "__main__":
    main()
