"""What a method did on all streams: false alarms, delays, causes, cost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from streams import CLEAN_FIRST


@dataclass(slots=True)
class Outcome:
    """``delays`` by scenario, in updates after the onset, infinite where it was missed; ``right`` says by scenario how
    often the cause was named and no other beside it; ``false_alarms`` among ``clean`` updates.
    """

    method: str
    clean: int = 0
    false_alarms: int = 0
    worst_split: int = 0
    delays: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    right: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    microseconds: float | None = None

    def add(self, alarms: Mapping[str, Sequence[int]], clean: int) -> None:
        """Take the alarms of one split by stream: ``clean``, and ``scenario|repetition``."""
        self.count(clean, len(alarms["clean"]))
        for stream, found in alarms.items():
            if stream != "clean":
                after = [number - CLEAN_FIRST + 1 for number in found if number >= CLEAN_FIRST]
                self.delays[stream.split("|")[0]].append(min(after, default=np.inf))

    def count(self, clean: int, false_alarms: int) -> None:
        """Take the false alarms of one split."""
        self.clean += clean
        self.false_alarms += false_alarms
        self.worst_split = max(self.worst_split, false_alarms)

    def delay(self, scenario: str) -> str:
        """Median and 90th percentile, as the table shows them."""
        found = self.delays.get(scenario)
        if not found:
            return ""
        middle, late = np.quantile(found, (0.5, 0.9), method="higher")
        return "/".join("missed" if value == np.inf else f"{value:.0f}" for value in (middle, late))

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "method": self.method,
            "clean_updates": self.clean,
            "false_alarms": self.false_alarms,
            "most_false_alarms_on_a_split": self.worst_split,
            "delay_median_p90": {scenario: self.delay(scenario) for scenario in self.delays},
            "cause_right": {scenario: float(np.mean(found)) for scenario, found in self.right.items()},
            "microseconds_per_update": self.microseconds,
        }


def show(outcomes: Sequence[Outcome]) -> None:
    """Print one row per scenario and one column per method."""
    table = Table(title="Updates from onset to alarm, median/p90")
    table.add_column("")
    for outcome in outcomes:
        table.add_column(outcome.method, justify="right")
    rates = [outcome.false_alarms / max(1, outcome.clean) * 100_000 for outcome in outcomes]
    table.add_row("false alarms per 100,000", *(f"{rate:.1f}" for rate in rates))
    table.add_row("clean updates", *(f"{outcome.clean:,}" for outcome in outcomes))
    for scenario in dict.fromkeys(name for outcome in outcomes for name in outcome.delays):
        table.add_row(scenario, *(outcome.delay(scenario) for outcome in outcomes))
    named = [np.concatenate([[], *outcome.right.values()]) for outcome in outcomes]
    table.add_row("cause right, and no other", *(f"{found.mean():.1%}" if found.size else "" for found in named))
    costs = ["" if outcome.microseconds is None else f"{outcome.microseconds:.0f}" for outcome in outcomes]
    table.add_row("µs per update", *costs)
    Console(width=200).print(table)
