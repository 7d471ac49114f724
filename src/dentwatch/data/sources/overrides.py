"""What the user says about photos beside the source: a file-name pattern, a CSV, a licence for all."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dentwatch.data.formats.fields import split_of
from dentwatch.data.incoming import IncomingPhoto, MissingPhoto
from dentwatch.errors import SourceError

_COLUMNS = frozenset({"name", "vehicle", "split", "licence", "consent", "source"})


@dataclass
class Overrides:
    """The user's statements; each goes before what the source itself says, except licence and consent for all."""

    pattern: re.Pattern[str] | None
    rows: dict[str, dict[str, str]]
    licence: str | None
    consent: str | None

    @classmethod
    def load(cls, pattern: str | None, sidecar: Path | None, licence: str | None, consent: str | None) -> "Overrides":
        """Check and read the statements; raises :class:`SourceError` for a bad pattern or CSV."""
        return cls(_compile(pattern) if pattern else None, _read_csv(sidecar) if sidecar else {}, licence, consent)

    def apply(self, photos: Iterator[IncomingPhoto]) -> Iterator[IncomingPhoto]:
        """The photos with the statements applied, then a missing photo for each row of the CSV that fits none."""
        unused = set(self.rows)
        for photo in photos:
            key = next((key for key in (photo.name, photo.name.rsplit("/", 1)[-1]) if key in self.rows), None)
            unused.discard(key or "")
            yield self._applied(photo, self.rows[key] if key else {})
        for name in sorted(unused):
            yield IncomingPhoto(name, MissingPhoto(name, "the sidecar CSV"))

    def _applied(self, photo: IncomingPhoto, row: dict[str, str]) -> IncomingPhoto:
        problems = photo.problems
        vehicle = row.get("vehicle")
        if not vehicle and self.pattern:
            match = self.pattern.search(photo.name)
            if match:
                vehicle = match["vehicle"] if "vehicle" in self.pattern.groupindex else match[1]
            if not vehicle:
                problems = (*problems, ("vehicle_missing", f"{photo.name} does not match {self.pattern.pattern}"))
        return replace(
            photo,
            vehicle=vehicle or photo.vehicle,
            split=split_of(row.get("split")) or photo.split,
            licence=row.get("licence") or photo.licence or self.licence,
            consent=row.get("consent") or photo.consent or self.consent,
            source=row.get("source") or photo.source,
            problems=problems,
        )


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SourceError(f"The vehicle pattern {pattern!r} is not a regular expression: {error}.") from error
    if not compiled.groups:
        raise SourceError(
            f"The vehicle pattern {pattern!r} has no group.",
            r"Put the part that is the vehicle id in brackets, such as (?P<vehicle>\d+)_.*",
        )
    return compiled


def _read_csv(path: Path) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = set(reader.fieldnames or ())
            if "name" not in columns or columns - _COLUMNS:
                raise SourceError(
                    f"{path} has the columns {', '.join(reader.fieldnames or ()) or 'none'}.",
                    f"It needs `name` and may have {', '.join(sorted(_COLUMNS - {'name'}))}.",
                )
            for row in reader:
                _check_row(path, reader.line_num, row, rows)
                rows[row["name"].strip()] = {key: (row.get(key) or "").strip() for key in columns - {"name"}}
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not a CSV in UTF-8: {error}.") from error
    return rows


def _check_row(path: Path, line: int, row: dict[str, str], rows: dict[str, dict[str, str]]) -> None:
    where = f"{path}, line {line}"
    if None in row or None in row.values():
        raise SourceError(f"{where}: the row does not have as many cells as the head.")
    if not row["name"].strip():
        raise SourceError(f"{where}: the name is empty.")
    if row["name"].strip() in rows:
        raise SourceError(f"{where}: {row['name']} has a row already.")
    if row.get("split", "").strip() and split_of(row["split"]) is None:
        raise SourceError(f"{where}: {row['split']!r} is not a split.", "Splits are train, val and test.")
