"""An alert: one message about one thing, that it has begun, has become worse, or is over."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dentwatch.monitoring.incidents import LEVELS, Level

ALL = "all"
"""What silences name to mean every key."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What is to be told about ``key``, which names one thing for as long as it lasts (``incident/8d0f…``).

    ``level`` is how bad it is, ``at`` when it came to be so, ``details`` JSON values for machines. ``resolved`` says
    that it is over; ``level`` is then the last one that it had. Raises :class:`ValueError` for a key that is empty,
    longer than 200 letters or :data:`ALL`.
    """

    key: str
    level: Level
    title: str
    text: str
    resolved: bool = False
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.key or len(self.key) > 200 or self.key == ALL:
            raise ValueError(f"{self.key!r} cannot name what an alert is about")

    def is_worse_than(self, level: Level) -> bool:
        """Whether its level is above ``level``."""
        return LEVELS.index(self.level) > LEVELS.index(level)
