"""A load generator that leaves the cores to the server: one process, one thread, plain non-blocking sockets.

A request is made before the clock starts: its bytes are a head, a place for a number, and a tail that lies in memory of
the kernel (``memfd``) and goes out by ``sendfile`` without passing through Python. The number makes each photo another
file (it stands in a JPEG comment), so that nothing can be answered from memory and nothing stored twice is stored once.

- :func:`closed_loop`: a fixed number of connections, each asking again as soon as it is answered.
- :func:`open_loop`: requests at a fixed rate, whether or not earlier ones are answered.
"""

import itertools
import time
from collections.abc import Sequence

from connections import Address, Connections, Request
from load import Exchange, Load


def ask(address: Address, request: Request, number: int = 0, timeout: float = 60.0) -> Exchange:
    """One request on a connection of its own, with the answer's body."""
    with Connections(address, keep_bodies=True, first_number=number) as loop:
        loop.start(loop.connect(), request, time.perf_counter())
        deadline = time.perf_counter() + timeout
        while not loop.exchanges and time.perf_counter() < deadline:
            loop.turn(0.2)
        return loop.exchanges[0] if loop.exchanges else Exchange(0.0, timeout, 0)


def closed_loop(
    address: Address,
    requests: Sequence[Request],
    connections: int,
    seconds: float,
    first_number: int = 0,
    grace: float = 60.0,
) -> Load:
    """Keep ``connections`` busy, and count what is answered in ``seconds``.

    The requests are taken in turn. The clock starts when as many answers have come as there are connections: until then
    the server begins with nothing, and what is under way at the end, which does not count, was begun in the time that
    does. Of those first answers only failures are kept. What is under way at the end is waited for up to ``grace``
    seconds, as are the first answers: a server that still works on what nobody waits for would begin its next
    measurement late.
    """
    turns = itertools.cycle(requests)
    with Connections(address, first_number=first_number) as loop:

        def keep_busy(until: float) -> None:
            while loop.free:
                loop.start(loop.free.popleft(), next(turns), time.perf_counter())
            for _ in range(connections - loop.open):
                loop.start(loop.connect(), next(turns), time.perf_counter())
            loop.turn(max(0.0, until - time.perf_counter()))

        latest = time.perf_counter() + grace
        while len(loop.exchanges) < connections and time.perf_counter() < latest:
            keep_busy(latest)
        first = len(loop.exchanges)
        failed = [exchange for exchange in loop.exchanges if not exchange.is_answered]
        cpu, begin = time.thread_time(), time.perf_counter()
        while time.perf_counter() < begin + seconds:
            keep_busy(begin + seconds)
        load = Load(failed + loop.exchanges[first:], time.perf_counter() - begin, time.thread_time() - cpu)
        while loop.busy and time.perf_counter() < begin + seconds + grace:
            loop.turn(0.2)
        return load


def open_loop(
    address: Address,
    requests: Sequence[Request],
    rate: float,
    seconds: float,
    most_connections: int = 256,
    grace: float = 30.0,
    first_number: int = 0,
) -> Load:
    """Ask ``rate`` times a second for ``seconds`` and wait up to ``grace`` seconds for the last answers.

    Latency counts from the moment when a request was due, so a client that falls behind does not flatter the server
    (no "coordinated omission"). A request that finds ``most_connections`` busy is not sent, and counted as unsent.
    """
    turns = itertools.cycle(requests)
    unsent = 0
    with Connections(address, first_number=first_number) as loop:
        cpu, begin = time.thread_time(), time.perf_counter()
        for due in (begin + number / rate for number in range(int(rate * seconds))):
            while (now := time.perf_counter()) < due:
                loop.turn(due - now)
            loop.turn(0)
            if not loop.free and loop.open >= most_connections:
                unsent += 1
                continue
            loop.start(loop.free.popleft() if loop.free else loop.connect(), next(turns), due)
        while loop.busy and time.perf_counter() < begin + seconds + grace:
            loop.turn(0.2)
        loop.give_up()
        return Load(loop.exchanges, time.perf_counter() - begin, time.thread_time() - cpu, unsent)
