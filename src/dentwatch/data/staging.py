"""Where an ingest collects what it saw until all of it is known: an SQLite file, so that memory stays flat."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dentwatch.records.photo_figures import PhotoFigures
from dentwatch.records.set_aside import SetAside

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE candidates (photo_id TEXT, content TEXT);
CREATE TABLE figures (
    photo_id TEXT PRIMARY KEY, own INTEGER, mirrored INTEGER, statistics TEXT, new INTEGER
) WITHOUT ROWID;
CREATE TABLE set_aside (entry TEXT PRIMARY KEY, photo_id TEXT, kind TEXT) WITHOUT ROWID;
CREATE INDEX set_aside_photos ON set_aside (photo_id, kind);
CREATE TABLE seen (photo_id TEXT, source TEXT, name TEXT, PRIMARY KEY (photo_id, source, name)) WITHOUT ROWID;
CREATE TABLE rows (
    photo_id TEXT PRIMARY KEY, vehicle TEXT, stated TEXT, split TEXT, kept INTEGER, content TEXT
) WITHOUT ROWID;
CREATE TABLE vehicles (vehicle TEXT PRIMARY KEY, split TEXT, origin TEXT) WITHOUT ROWID;
CREATE TABLE remarks (photo_id TEXT, note TEXT, PRIMARY KEY (photo_id, note)) WITHOUT ROWID;
"""


class Staging:
    """The tables of one ingest in ``folder``; thrown away with it.

    - ``candidates``: photos that passed validation, as they came;
    - ``rows``: one row per photo of the version to be, ``kept`` from the version before or new;
    - ``vehicles``: the split of each vehicle and where it comes from;
    - ``remarks``: notes that come from comparing photos;
    - ``seen``: what was looked at now, which makes older entries of ``set_aside`` for it obsolete.
    """

    def __init__(self, folder: Path) -> None:
        self.database = sqlite3.connect(folder / "staging.sqlite", isolation_level=None)
        self.database.executescript(_TABLES)
        self.database.execute("BEGIN")

    def close(self) -> None:
        """Let go of the file."""
        self.database.close()

    def add_candidate(self, candidate: dict[str, Any]) -> None:
        """Stage a photo that passed validation."""
        text = json.dumps(candidate, sort_keys=True, ensure_ascii=False)
        self.database.execute("INSERT INTO candidates VALUES (?, ?)", (candidate["photo_id"], text))

    def add_figures(self, figures: PhotoFigures, new: bool) -> None:
        """Stage a photo's figures, measured now (``new``) or known from before; known ones go before new ones."""
        own, mirrored = (_signed(value) for value in (figures.perceptual_hash, figures.mirrored_hash))
        statistics = json.dumps(figures.statistics) if new else ""
        row = (figures.photo_id, own, mirrored, statistics, int(new))
        if not new:
            self.database.execute("DELETE FROM figures WHERE photo_id = ?", (figures.photo_id,))
        self.database.execute("INSERT OR IGNORE INTO figures VALUES (?, ?, ?, ?, ?)", row)

    def add_set_aside(self, entry: SetAside) -> None:
        """Stage what is set aside; equal entries count once."""
        self.database.execute(
            "INSERT OR IGNORE INTO set_aside VALUES (?, ?, ?)", (entry.as_text(), entry.photo_id, entry.kind)
        )

    def drop_annotation_entries(self, photo: SetAside) -> None:
        """Drop the entries for annotations of a photo that is set aside as a whole: it holds them all."""
        self.database.execute(
            "DELETE FROM set_aside WHERE photo_id = ? AND kind = 'annotation'"
            " AND json_extract(entry, '$.source') = ? AND json_extract(entry, '$.name') = ?"
            " AND json_extract(entry, '$.annotations') IS NOT NULL",
            (photo.photo_id, photo.source, photo.name),
        )

    def add_seen(self, photo_id: str | None, source: str, name: str) -> None:
        """Remember that this photo was looked at."""
        self.database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (photo_id or "", source, name))

    def was_seen(self, entry: SetAside) -> bool:
        """Whether the photo that an older entry speaks of was looked at now."""
        key = (entry.photo_id or "", entry.source, entry.name)
        query = "SELECT 1 FROM seen WHERE photo_id = ? AND source = ? AND name = ?"
        return self.database.execute(query, key).fetchone() is not None

    def candidates(self) -> Iterator[list[dict[str, Any]]]:
        """The staged photos, grouped by photo id, in an order that does not depend on the order they came in."""
        group: list[dict[str, Any]] = []
        for _, text in self.database.execute("SELECT photo_id, content FROM candidates ORDER BY photo_id, content"):
            candidate = json.loads(text)
            if group and group[0]["photo_id"] != candidate["photo_id"]:
                yield group
                group = []
            group.append(candidate)
        if group:
            yield group

    def row(self, photo_id: str) -> dict[str, Any] | None:
        """A photo's row as plain values, if it has one."""
        found = self.database.execute("SELECT content FROM rows WHERE photo_id = ?", (photo_id,)).fetchone()
        return json.loads(found[0]) if found else None

    def put_rows(self, rows: Iterable[tuple[dict[str, Any], bool]]) -> None:
        """Write rows, given as plain values and whether their vehicle and split stand from the version before."""
        self.database.executemany(
            "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?, ?)",
            (
                (row["photo_id"], row["vehicle"], row["split"], row["split"] if kept else None, int(kept), text)
                for row, kept, text in ((row, kept, json.dumps(row, ensure_ascii=False)) for row, kept in rows)
            ),
        )

    def remark(self, photo_id: str, note: str) -> None:
        """Note something about a photo."""
        self.database.execute("INSERT OR IGNORE INTO remarks VALUES (?, ?)", (photo_id, note))

    def new_figures(self) -> Iterator[PhotoFigures]:
        """The figures of photos that were not in the store's figures before and have a row now."""
        query = (
            "SELECT f.photo_id, own, mirrored, statistics FROM figures f JOIN rows USING (photo_id)"
            " WHERE new ORDER BY f.photo_id"
        )
        for photo_id, own, mirrored, statistics in self.database.execute(query):
            yield PhotoFigures(photo_id, _unsigned(own), _unsigned(mirrored), json.loads(statistics))

    def set_aside(self) -> Iterator[SetAside]:
        """Everything set aside, old and new, in order."""
        for (text,) in self.database.execute("SELECT entry FROM set_aside ORDER BY entry"):
            yield SetAside.from_text(text)


def _signed(value: int) -> int:
    """SQLite's integers are signed."""
    return value - 2**64 if value >= 2**63 else value


def _unsigned(value: int) -> int:
    return value % 2**64
