"""A check of a batch or a model: what was measured, what it may be, and the sentence that says so."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    ``figure`` is what was measured and ``limit`` what it may be at most or at least, as ``text`` says; both are None
    where there was too little to judge, which is no reason to refuse anything.
    """

    name: str
    passed: bool
    text: str
    figure: float | None = None
    limit: float | None = None

    def as_plain(self) -> dict[str, Any]:
        """The check as plain values for JSON."""
        return asdict(self)
