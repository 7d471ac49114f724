"""A record of every evaluation, so that nobody picks a model by its test figures without noticing.

``evaluations.jsonl`` in ``DENTWATCH_HOME`` has one JSON line per evaluation, oldest first. Each look at test figures
that leads to a choice makes them a little less honest; they are meant to be reported once per model.
"""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from dentwatch.records.annotations import Split
from dentwatch.training.evaluation.result import EvaluationResult

LEDGER_NAME = "evaluations.jsonl"


class LedgerEntry(BaseModel):
    """One evaluation: when, which model on what, and its main figures."""

    model_config = ConfigDict(frozen=True)

    at: str
    model: str
    fingerprint: str
    dataset: str
    split: Split
    report: str
    figures: dict[str, float]


class Ledger:
    """The record of evaluations in a ``DENTWATCH_HOME``."""

    def __init__(self, home: Path) -> None:
        self.path = home / LEDGER_NAME

    def entries(self) -> list[LedgerEntry]:
        """All entries, oldest first; a line that was cut off by a crash is passed over."""
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(LedgerEntry.model_validate_json(line))
            except ValidationError:
                continue
        return found

    def reported(self, fingerprint: str, dataset: str, split: Split = "test") -> LedgerEntry | None:
        """The first time that this model's figures on this split of this dataset version were reported."""
        same = (
            entry
            for entry in self.entries()
            if (entry.fingerprint, entry.dataset, entry.split) == (fingerprint, dataset, split)
        )
        return next(same, None)

    def add(self, result: EvaluationResult, report: Path) -> LedgerEntry:
        """Append an evaluation; one write, so that evaluations running side by side do not mix."""
        entry = LedgerEntry(
            at=result.created_at,
            model=result.model.name,
            fingerprint=result.model.fingerprint,
            dataset=result.dataset.version,
            split=result.dataset.split,
            report=str(report),
            figures={name: round(value, 6) for name, value in result.metrics().items()},
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry.model_dump()) + "\n")
        return entry


def repeated(entry: LedgerEntry) -> str:
    """What to say when a model's test figures have been reported before."""
    return (
        f"The test figures of this model were reported before, on {entry.at[:10]}. "
        "Compare and choose models on val, and report test once, at the end."
    )
