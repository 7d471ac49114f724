"""How often: a token bucket."""

from dataclasses import dataclass


@dataclass
class TokenBucket:
    """Lets ``rate`` requests a second through for long, and ``burst`` at once after a pause.

    Every request takes a token; tokens come back at ``rate``, up to ``burst`` (RFC 2697 describes the same for
    packets). Times are seconds of one clock that never goes back.
    """

    rate: float
    burst: int
    at: float

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)

    def take(self, now: float) -> float:
        """Take a token: 0, or, where there is none, the seconds until there will be one."""
        self._tokens = min(self.burst, self._tokens + (now - self.at) * self.rate)
        self.at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.rate
