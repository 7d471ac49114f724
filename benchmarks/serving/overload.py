"""Three times more than the server can do: it refuses the rest at once, answers what it accepts, and stays small.

::

    python benchmarks/serving/overload.py                    # /invocations, 12-megapixel photos, a minute
    python benchmarks/serving/overload.py --seconds 5        # only to see that it works

An open loop: requests come at their times whether or not earlier ones are answered, over as many connections as that
takes (up to ``--connections``). The client shares the cores with the server; its share is printed.
"""

import argparse
import json
import sys
from http import HTTPStatus

from client import closed_loop, open_loop
from load import Exchange, percentile
from loading import add_options, chosen_route, server
from photos import photo_set
from processes import MemoryWatch, end_in_order_on_sigterm
from results import MEGABYTE, machine

TIMES = 3.0
AT_ONCE = 0.1
"""Seconds within which a refusal counts as immediate."""


def refusals(exchanges: list[Exchange]) -> dict[str, float]:
    """How the 503s came: their number, the share with ``Retry-After`` within :data:`AT_ONCE`, and their p99."""
    refused = [exchange for exchange in exchanges if exchange.status == HTTPStatus.SERVICE_UNAVAILABLE]
    prompt = [exchange for exchange in refused if exchange.retry_after and exchange.seconds <= AT_ONCE]
    return {
        "refused": len(refused),
        "refused_at_once_with_retry_after": len(prompt) / len(refused) if refused else float("nan"),
        "refused_p99_ms": percentile([exchange.seconds for exchange in refused], 0.99) * 1000,
    }


def main() -> None:
    """Overload and print one JSON document."""
    parser = argparse.ArgumentParser(description="Dentwatch at three times its limit.")
    add_options(parser)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--connections", type=int, default=256, help="most connections at a time")
    options = parser.parse_args()
    end_in_order_on_sigterm()
    photos, route = photo_set(options.photos, options.cache), chosen_route(options.route)
    with server(options) as running, running.prepared(route, photos) as requests:
        limit = closed_loop(running.address, requests, 8, options.calibrate, running.next_number()).per_second
        rate = options.rate or TIMES * limit
        print(f"limit {limit:.1f} photos/s; asking {rate:.1f} times a second", file=sys.stderr, flush=True)
        with MemoryWatch(running.pid) as memory:
            number = running.next_number()
            load = open_loop(running.address, requests, rate, options.seconds, options.connections, first_number=number)
        after = closed_loop(running.address, requests, 8, options.calibrate, running.next_number())
    accepted = [exchange.seconds for exchange in load.answered]
    document = {
        "machine": machine(),
        "route": route.path,
        "photos": options.photos,
        "limit_per_second": limit,
        "asked_per_second": rate,
        "statuses": load.statuses,
        "unsent": load.unsent,
        **refusals(load.exchanges),
        "accepted_per_second": load.per_second,
        "accepted_p50_ms": percentile(accepted, 0.5) * 1000,
        "accepted_p99_ms": percentile(accepted, 0.99) * 1000,
        "peak_rss_mb": memory.peak / MEGABYTE,
        "per_second_afterwards": after.per_second,
        "client_cores": load.client_cpu_seconds / load.seconds,
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
