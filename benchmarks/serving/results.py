"""What a run of the benchmark found, as a table for people and a document for programs."""

import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from load import Load, percentile
from rich.console import Console
from rich.table import Table

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Workload:
    """Photos of a kind, over a number of connections."""

    photos: str
    connections: int

    @property
    def title(self) -> str:
        """As the table's heading shows it."""
        return f"{self.photos} photos, {self.connections} connections"


@dataclass(slots=True)
class Cell:
    """One route under one workload: what each slice of time measured, what of the limit each came to, and the rest.

    ``peaks`` are the most resident bytes that were seen in each round; ``f1`` compares the answers with those after a
    full decode.
    """

    rounds: list[Load] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    f1: float | None = None

    @property
    def per_second(self) -> float:
        """Photos per second: the median of the slices."""
        return statistics.median(load.per_second for load in self.rounds)

    @property
    def share(self) -> float:
        """What of the limit that is, the limit having been measured just before and after: the median of the slices."""
        return statistics.median(self.shares)

    def milliseconds(self, share: float) -> float:
        """A percentile of the latency over all slices."""
        answered = [one.seconds for load in self.rounds for one in load.answered]
        return percentile(answered, share) * 1000

    @property
    def errors(self) -> int:
        """Requests that were not answered with success, over all slices."""
        return sum(load.errors for load in self.rounds)

    @property
    def peak_mb(self) -> float:
        """The most memory that was seen, in MB (10⁶ bytes)."""
        return max(self.peaks) / MEGABYTE

    @property
    def client_cores(self) -> float:
        """Cores' worth of processor that the client took."""
        spent = sum(load.client_cpu_seconds for load in self.rounds)
        return spent / sum(load.seconds for load in self.rounds)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "photos_per_second": self.per_second,
            "photos_per_second_slices": [load.per_second for load in self.rounds],
            "share_of_limit": self.share,
            "share_of_limit_slices": self.shares,
            "p50_ms": self.milliseconds(0.5),
            "p95_ms": self.milliseconds(0.95),
            "p99_ms": self.milliseconds(0.99),
            "answered": sum(len(load.answered) for load in self.rounds),
            "errors": self.errors,
            "statuses": [load.statuses for load in self.rounds],
            "peak_rss_mb": self.peak_mb,
            "client_cores": self.client_cores,
            "f1": self.f1,
        }


@dataclass(slots=True)
class Row:
    """One route of one system; ``note`` says why there is nothing, where there is nothing."""

    system: str
    title: str
    cells: dict[Workload, Cell] = field(default_factory=dict)
    note: str = ""

    def document(self) -> dict[str, Any]:
        """For JSON."""
        cells = [{**vars_of(workload), **cell.document()} for workload, cell in self.cells.items() if cell.rounds]
        return {"system": self.system, "title": self.title, "note": self.note, "measured": cells}


def vars_of(workload: Workload) -> dict[str, Any]:
    """A workload's fields, for JSON."""
    return {"photos": workload.photos, "connections": workload.connections}


def show(console: Console, workload: Workload, rows: Sequence[Row]) -> None:
    """Print the rows under ``workload``."""
    table = Table(title=workload.title, title_justify="left")
    table.add_column("system", no_wrap=True)
    for name in (
        "photos/s",
        "of limit",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "p99/p50",
        "errors",
        "memory MB",
        "F1",
        "client",
    ):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(row.title, *(_figures(row.cells[workload]) if _has(row, workload) else ("–",)))
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"{row.title}: {row.note}", markup=False)


def _has(row: Row, workload: Workload) -> bool:
    return workload in row.cells and bool(row.cells[workload].rounds)


def _figures(cell: Cell) -> Iterable[str]:
    median, tail = cell.milliseconds(0.5), cell.milliseconds(0.99)
    return (
        f"{cell.per_second:.1f}",
        f"{cell.share:.0%}",
        f"{median:.0f}",
        f"{cell.milliseconds(0.95):.0f}",
        f"{tail:.0f}",
        f"{tail / median:.2f}",
        str(cell.errors),
        f"{cell.peak_mb:.0f}",
        "–" if cell.f1 is None else f"{cell.f1:.3f}",
        f"{cell.client_cores:.2f}",
    )


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    load = Path("/proc/loadavg").read_text().split()[0]
    return {
        "processor": cpu[0].partition(":")[2].strip() if cpu else platform.processor(),
        "cores": len(cpu),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average_before": float(load),
    }
