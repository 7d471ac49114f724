"""What writes one annotation format, and the class ids that all of them share."""

from pathlib import Path
from typing import Protocol

from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.labels import LABELS


class Writer(Protocol):
    """Writes annotations beside photos that the export has put into a folder, one record at a time."""

    keeps_annotation_fields: bool
    """Whether the format has a place for an annotation's annotator and original label."""

    def __init__(self, folder: Path) -> None: ...

    def folder_for(self, record: PhotoRecord) -> str:
        """The folder, relative to the export's, that the record's photo belongs in."""
        ...

    def add(self, record: PhotoRecord, file: str) -> None:
        """Write what the record says about its photo, which lies at ``file`` (relative to the export's folder)."""
        ...

    def close(self) -> None:
        """Write what can only be known at the end."""
        ...


class Classes:
    """Class names in a fixed order: Dentwatch's labels, then others as they are met."""

    def __init__(self) -> None:
        self.names = list(LABELS)

    def number(self, label: str) -> int:
        """The position of a label, from 0."""
        if label not in self.names:
            self.names.append(label)
        return self.names.index(label)
