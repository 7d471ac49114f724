"""What is kept beside the manifests as Parquet, written and read streamed: what was set aside, and photos' figures."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dentwatch.records.manifest import ROWS_PER_GROUP
from dentwatch.records.photo_figures import PhotoFigures
from dentwatch.records.set_aside import SetAside

_SET_ASIDE = pa.schema(
    [
        *[(name, pa.string()) for name in ("kind", "reason", "detail", "photo_id", "name", "annotations")],
        ("width", pa.int32()),
        ("height", pa.int32()),
        *[(name, pa.string()) for name in ("vehicle", "split", "licence", "consent", "source")],
    ]
)


def write_set_aside(entries: Iterable[SetAside], path: Path) -> int:
    """Write the entries as Parquet; returns how many there were."""
    count = 0
    with pq.ParquetWriter(path, _SET_ASIDE, compression="zstd") as writer:
        group: list[dict[str, Any]] = []
        for entry in entries:
            group.append(asdict(entry))
            count += 1
            if len(group) == ROWS_PER_GROUP:
                writer.write_batch(pa.RecordBatch.from_pylist(group, _SET_ASIDE))
                group.clear()
        writer.write_batch(pa.RecordBatch.from_pylist(group, _SET_ASIDE))
    return count


def read_set_aside(file: IO[bytes]) -> Iterator[SetAside]:
    """The entries, streamed."""
    for batch in pq.ParquetFile(file).iter_batches(batch_size=512):
        for plain in batch.to_pylist():
            yield SetAside(**plain)


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
                writer = pq.ParquetWriter(path, _figures_schema(item.statistics), compression="zstd")
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


def read_statistic(file: IO[bytes], name: str) -> Iterator[tuple[str, float]]:
    """Photo id and one statistic of each photo of a file; nothing for a statistic that was not measured then."""
    figures = pq.ParquetFile(file)
    if name in figures.schema_arrow.names:
        for batch in figures.iter_batches(columns=["photo_id", name]):
            yield from zip(batch["photo_id"].to_pylist(), batch[name].to_pylist(), strict=True)


def _figures_schema(names: Iterable[str]) -> Any:
    hashes = [("perceptual_hash", pa.uint64()), ("mirrored_hash", pa.uint64())]
    return pa.schema([("photo_id", pa.string()), *hashes, *[(name, pa.float64()) for name in names]])
