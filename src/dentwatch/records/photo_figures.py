"""What was measured once on each photo and is kept beside the dataset versions: statistics and perceptual hash."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dentwatch.records.manifest import ROWS_PER_GROUP


@dataclass(frozen=True, slots=True)
class PhotoFigures:
    """The figures of one photo: 64-bit perceptual hashes of it and of its mirror image, and its named statistics."""

    photo_id: str
    perceptual_hash: int
    mirrored_hash: int
    statistics: dict[str, float]


def write_figures(figures: Iterable[PhotoFigures], path: Path) -> int:
    """Write figures as Parquet, one column per statistic (the same for all); returns how many there were.

    No figures make no file.
    """
    count = 0
    writer: pq.ParquetWriter | None = None
    group: list[dict[str, Any]] = []
    try:
        for item in figures:
            count += 1
            hashes = {"perceptual_hash": item.perceptual_hash, "mirrored_hash": item.mirrored_hash}
            group.append({"photo_id": item.photo_id, **hashes, **item.statistics})
            if writer is None:
                writer = pq.ParquetWriter(path, _schema(item.statistics), compression="zstd")
            if len(group) == ROWS_PER_GROUP:
                writer.write_batch(pa.RecordBatch.from_pylist(group, writer.schema))
                group.clear()
        if writer is not None and group:
            writer.write_batch(pa.RecordBatch.from_pylist(group, writer.schema))
    finally:
        if writer is not None:
            writer.close()
    return count


def read_figures(file: IO[bytes]) -> Iterator[PhotoFigures]:
    """The figures of a file, streamed."""
    for batch in pq.ParquetFile(file).iter_batches(batch_size=4096):
        for row in batch.to_pylist():
            yield PhotoFigures(row.pop("photo_id"), row.pop("perceptual_hash"), row.pop("mirrored_hash"), row)


def _schema(names: Iterable[str]) -> Any:
    hashes = [("perceptual_hash", pa.uint64()), ("mirrored_hash", pa.uint64())]
    return pa.schema([("photo_id", pa.string()), *hashes, *[(name, pa.float64()) for name in names]])
