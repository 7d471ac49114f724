"""The manifest of a dataset version: its rows in Parquet, and the hash that names it.

The hash is taken over a canonical text of every row in the order of photo ids, never over Parquet bytes: those differ
between library versions, the rows do not.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dentwatch.errors import DatasetError
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.canonical import canonical_text, record_from_plain, record_to_plain

ROWS_PER_GROUP = 4096
_HASH_HEAD = b"dentwatch manifest 1\n"
_ANNOTATION = pa.struct(
    [
        ("label", pa.string()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("width", pa.float64()),
        ("height", pa.float64()),
        ("original_label", pa.string()),
        ("annotator", pa.string()),
    ]
)
SCHEMA = pa.schema(
    [
        ("photo_id", pa.string()),
        ("name", pa.string()),
        ("vehicle", pa.string()),
        ("split", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("annotated", pa.bool_()),
        ("annotations", pa.list_(_ANNOTATION)),
        ("source", pa.string()),
        ("licence", pa.string()),
        ("consent", pa.string()),
        ("notes", pa.list_(pa.string())),
    ]
)


class RowSorter:
    """Rows in any order in, rows by photo id out, on disk: memory stays flat however many there are."""

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(
            "CREATE TABLE rows (photo_id TEXT PRIMARY KEY, split TEXT, vehicle TEXT, row TEXT) WITHOUT ROWID"
        )

    def add(self, records: Iterable[PhotoRecord]) -> None:
        """Take the rows; raises :class:`DatasetError` when a photo comes twice."""
        self._database.execute("BEGIN")
        try:
            self._database.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?)",
                ((item.photo_id, item.split, item.vehicle, canonical_text(record_to_plain(item))) for item in records),
            )
        except sqlite3.IntegrityError as error:
            raise DatasetError(
                "A photo stands twice in the rows of one dataset version.", "Merge its rows before writing them."
            ) from error
        self._database.execute("COMMIT")

    def __iter__(self) -> Iterator[str]:
        """The canonical text of every row, by photo id."""
        for (row,) in self._database.execute("SELECT row FROM rows ORDER BY photo_id"):
            yield row

    def vehicles_by_split(self) -> dict[str, int]:
        """Split → number of different vehicles."""
        return dict(self._database.execute("SELECT split, COUNT(DISTINCT vehicle) FROM rows GROUP BY split"))

    def vehicles(self) -> int:
        """How many different vehicles there are."""
        return int(self._database.execute("SELECT COUNT(DISTINCT vehicle) FROM rows").fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def write_manifest(rows: RowSorter, path: Path, observe: Callable[[dict[str, Any]], None]) -> str:
    """Write sorted rows as a Parquet manifest and return the id of their content; memory holds one row group.

    ``observe`` is called with every row's plain values.
    """
    digest = hashlib.sha256(_HASH_HEAD)
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        group: list[dict[str, Any]] = []
        for text in rows:
            digest.update(text.encode() + b"\n")
            group.append(json.loads(text))
            observe(group[-1])
            if len(group) == ROWS_PER_GROUP:
                writer.write_batch(pa.RecordBatch.from_pylist(group, SCHEMA))
                group.clear()
        writer.write_batch(pa.RecordBatch.from_pylist(group, SCHEMA))
    return digest.hexdigest()[:32]


def read_manifest(file: IO[bytes]) -> Iterator[PhotoRecord]:
    """The rows of a manifest, streamed in the order of photo ids."""
    for batch in pq.ParquetFile(file).iter_batches(batch_size=512):
        for plain in batch.to_pylist():
            yield record_from_plain(plain)


def find_row(file: IO[bytes], photo_id: str) -> PhotoRecord | None:
    """The row of one photo; of a manifest only the row group is read in which it would lie."""
    table = pq.read_table(file, filters=[("photo_id", "=", photo_id)])
    return next((record_from_plain(plain) for plain in table.to_pylist()), None)


def read_photo_ids(file: IO[bytes]) -> list[str]:
    """The ids of all photos of a manifest, sorted; nothing else is read."""
    ids: list[str] = pq.ParquetFile(file).read(columns=["photo_id"])["photo_id"].to_pylist()
    return ids


def read_annotators(file: IO[bytes]) -> list[str | None]:
    """Who drew each box of a manifest, where that is known."""
    boxes = pc.list_flatten(pq.ParquetFile(file).read(columns=["annotations"])["annotations"])
    drawn: list[str | None] = pc.struct_field(boxes, "annotator").to_pylist()
    return drawn
