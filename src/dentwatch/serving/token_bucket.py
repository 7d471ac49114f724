"""How often: a token bucket."""

import math
from dataclasses import dataclass


@dataclass
class TokenBucket:
    """Lets ``rate`` requests a second through for long, and ``burst`` at once after a pause.

    Every request takes a token; tokens come back at ``rate``, up to ``burst`` (RFC 2697 describes the same for
    packets). There were ``tokens`` of them ``at`` a moment, by default all. Times are seconds of one clock that never
    goes back.
    """

    rate: float
    burst: int
    at: float
    tokens: float = math.inf

    def take(self, now: float) -> float:
        """Take a token: 0, or, where there is none, the seconds until there will be one."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.rate
