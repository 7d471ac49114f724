"""What validation set aside: a photo or some of its annotations, the reason, and everything needed to try again."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dentwatch.records.annotations import Split
from dentwatch.records.manifest import ROWS_PER_GROUP

_SCHEMA = pa.schema(
    [
        *[(name, pa.string()) for name in ("kind", "reason", "detail", "photo_id", "name", "annotations")],
        ("width", pa.int32()),
        ("height", pa.int32()),
        *[(name, pa.string()) for name in ("vehicle", "split", "licence", "consent", "source")],
    ]
)


@dataclass(frozen=True, slots=True)
class SetAside:
    """One thing that did not pass validation.

    ``kind`` is ``photo`` (nothing of it is in a dataset version on account of this source) or ``annotation`` (the
    photo is in, these annotations of it are not). ``reason`` is the machine-readable name, ``detail`` the sentence for
    people. ``photo_id`` is None where not even bytes could be read; otherwise the photo store holds them.
    ``annotations`` is a JSON list of the annotations as the source stated them, or None for a photo that was never
    annotated. The rest is what the source said about the photo.
    """

    kind: str
    reason: str
    detail: str
    photo_id: str | None
    name: str
    annotations: str | None = None
    width: int | None = None
    height: int | None = None
    vehicle: str | None = None
    split: Split | None = None
    licence: str | None = None
    consent: str | None = None
    source: str = ""

    def as_text(self) -> str:
        """The canonical JSON text of this entry; equal entries have equal texts."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> "SetAside":
        """The inverse of :meth:`as_text`."""
        return cls(**json.loads(text))


def write_set_aside(entries: Iterable[SetAside], path: Path) -> int:
    """Write the entries as Parquet; returns how many there were."""
    count = 0
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        group: list[dict[str, Any]] = []
        for entry in entries:
            group.append(asdict(entry))
            count += 1
            if len(group) == ROWS_PER_GROUP:
                writer.write_batch(pa.RecordBatch.from_pylist(group, _SCHEMA))
                group.clear()
        writer.write_batch(pa.RecordBatch.from_pylist(group, _SCHEMA))
    return count


def read_set_aside(file: IO[bytes]) -> Iterator[SetAside]:
    """The entries, streamed."""
    for batch in pq.ParquetFile(file).iter_batches(batch_size=512):
        for plain in batch.to_pylist():
            yield SetAside(**plain)
