"""What an ingest did, in figures."""

import json
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from dentwatch.records.dataset_info import DatasetInfo
from dentwatch.records.set_aside import SetAside

_EXAMPLES = 20


@dataclass(slots=True)
class Finding:
    """Something that was seen several times: how often, and the first examples, a sentence each."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example)


@dataclass(slots=True)
class IngestReport:
    """What an ingest saw and made.

    ``seen`` = ``new`` + ``known`` + ``duplicates`` + photos set aside: ``new`` photos were not in the latest version
    before, ``known`` ones were, ``duplicates`` are more copies of a photo of this same ingest. ``updated`` counts rows
    that got annotations, a licence or a consent that they did not have.
    """

    source: str = ""
    format: str = ""
    seen: int = 0
    new: int = 0
    known: int = 0
    duplicates: int = 0
    updated: int = 0
    photos_set_aside: Counter[str] = field(default_factory=Counter)
    annotations_set_aside: Counter[str] = field(default_factory=Counter)
    unknown_classes: Counter[str] = field(default_factory=Counter)
    ignored_classes: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    missing_licence: int = 0
    missing_consent: int = 0
    split_origins: Counter[str] = field(default_factory=Counter)
    split_conflicts: Finding = field(default_factory=Finding)
    contradictions: Finding = field(default_factory=Finding)
    leaks: Finding = field(default_factory=Finding)
    waiting_set_aside: int = 0
    changed: bool = False
    seconds: float = 0.0
    version: DatasetInfo | None = None

    def count_set_aside(self, entry: SetAside) -> None:
        """Count an entry of what was set aside in this ingest."""
        stated = json.loads(entry.annotations or "[]")
        if entry.kind == "photo":
            self.photos_set_aside[entry.reason] += 1
            return
        self.annotations_set_aside[entry.reason] += len(stated) or 1
        if entry.reason == "unknown_class":
            self.unknown_classes.update(annotation["label"] for annotation in stated)

    def as_plain(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, Finding):
        return {"count": value.count, "examples": value.examples}
    if isinstance(value, DatasetInfo):
        return value.model_dump()
    return dict(sorted(value.items())) if isinstance(value, Counter) else value
