"""What a dataset version holds, in figures."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dentwatch.records.annotations import SPLITS


class DatasetInfo(BaseModel):
    """What a dataset version holds, in figures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    created: str = Field(description="UTC, ISO 8601.")
    parent: str | None = Field(None, description="The version that this one grew from.")
    photos: int = 0
    annotated: int = Field(0, description="Photos that a person has looked at; the others wait for review.")
    undamaged: int = Field(0, description="Annotated photos without annotations.")
    boxes: int = 0
    vehicles: int = 0
    photos_by_split: dict[str, int] = {}
    vehicles_by_split: dict[str, int] = {}
    boxes_by_label: dict[str, int] = {}
    boxes_by_split: dict[str, dict[str, int]] = Field({}, description="Split → label → boxes.")
    sources: dict[str, int] = Field({}, description="Source → photos.")
    licences: dict[str, int] = Field({}, description="Licence → photos; an empty name is a missing licence.")
    consents: dict[str, int] = Field({}, description="Consent → photos; an empty name is a missing consent.")
    notes: dict[str, int] = Field({}, description="Note of validation → photos.")


class Tally:
    """Counts the rows of a manifest while they are written."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._by: dict[str, Counter[str]] = {
            name: Counter() for name in ("split", "label", "source", "licence", "consent", "note", *SPLITS)
        }

    def add(self, row: dict[str, Any]) -> None:
        """Count one row, given as its plain values."""
        labels = [annotation["label"] for annotation in row["annotations"]]
        self._counts["photos"] += 1
        self._counts["annotated"] += row["annotated"]
        self._counts["undamaged"] += row["annotated"] and not labels
        self._counts["boxes"] += len(labels)
        for name in ("split", "source", "licence", "consent"):
            self._by[name][row[name]] += 1
        self._by["label"].update(labels)
        self._by[row["split"]].update(labels)
        self._by["note"].update(row["notes"])

    def info(self, version: str, parent: str | None, vehicles: int, vehicles_by_split: dict[str, int]) -> DatasetInfo:
        """The counts as the info of ``version``."""
        by = {name: dict(sorted(counter.items())) for name, counter in self._by.items()}
        return DatasetInfo(
            id=version,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            parent=parent,
            **{name: self._counts[name] for name in ("photos", "annotated", "undamaged", "boxes")},
            vehicles=vehicles,
            photos_by_split={split: by["split"].get(split, 0) for split in SPLITS},
            vehicles_by_split={split: vehicles_by_split.get(split, 0) for split in SPLITS},
            boxes_by_label=by["label"],
            boxes_by_split={split: by[split] for split in SPLITS},
            sources=by["source"],
            licences=by["licence"],
            consents=by["consent"],
            notes=by["note"],
        )
