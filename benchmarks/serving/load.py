"""What a load did: every exchange, and what follows from them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it.

    ``started`` is on :func:`time.perf_counter`'s clock, ``seconds`` from when it was due (open loop) or sent (closed
    loop) to the answer's last byte. ``status`` is 0 where the connection broke; ``retry_after`` says that the answer
    had that header. ``body`` is kept only where asked for.
    """

    started: float
    seconds: float
    status: int
    retry_after: bool = False
    body: bytes = b""

    @property
    def is_answered(self) -> bool:
        """Whether it ended in success (2xx)."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Load:
    """What a run measured: its exchanges, its length in seconds and the seconds of processor the client took."""

    exchanges: list[Exchange] = field(repr=False)
    seconds: float
    client_cpu_seconds: float
    unsent: int = 0
    """Requests of an open loop that found no free connection."""

    @property
    def answered(self) -> list[Exchange]:
        """The exchanges that ended in success (2xx)."""
        return [exchange for exchange in self.exchanges if exchange.is_answered]

    @property
    def errors(self) -> int:
        """How many exchanges ended in anything else."""
        return len(self.exchanges) - len(self.answered)

    @property
    def per_second(self) -> float:
        """Successful answers per second."""
        return len(self.answered) / self.seconds

    @property
    def statuses(self) -> dict[int, int]:
        """How often each status was answered; 0 means a broken connection."""
        return dict(sorted(Counter(exchange.status for exchange in self.exchanges).items()))


def percentile(seconds: Sequence[float], share: float) -> float:
    """The smallest of ``seconds`` that at least ``share`` of them do not exceed (nearest rank); NaN of none."""
    if not seconds:
        return float("nan")
    return float(np.percentile(seconds, share * 100, method="inverted_cdf"))
