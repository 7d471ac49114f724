"""Dataset versions: immutable manifests named by the hash of what they say.

Under the store's URL lie::

    catalog.json                  which versions there are, oldest first, and which of the files below count
    <version id>/manifest.parquet the rows, sorted by photo id
    <version id>/info.json        counts and provenance
    set-aside/<name>.parquet      what validation set aside
    figures/<name>.parquet        statistics and perceptual hashes, one file per ingest

The catalog is replaced in one step and is the only thing that makes a file count: whatever is killed while writing
leaves the old state, and the next writer removes the debris.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing

from pydantic import BaseModel, ConfigDict, ValidationError

from dentwatch.errors import DatasetError
from dentwatch.records.annotations import PhotoRecord, Split
from dentwatch.records.dataset_info import DatasetInfo, Tally
from dentwatch.records.manifest import (
    RowSorter,
    find_row,
    read_annotators,
    read_manifest,
    read_photo_ids,
    write_manifest,
)
from dentwatch.records.photo_figures import PhotoFigures
from dentwatch.records.place import Place
from dentwatch.records.set_aside import SetAside
from dentwatch.records.side_tables import read_figures, read_set_aside, read_statistic, write_figures, write_set_aside

__all__ = ["Catalog", "DatasetInfo", "DatasetStore", "DatasetVersion"]

_CATALOG = "catalog.json"


class DatasetVersion:
    """One dataset version: ``id``, ``info`` and the rows."""

    def __init__(self, place: Place, info: DatasetInfo) -> None:
        self._place = place
        self.info = info

    @property
    def id(self) -> str:
        """The hash that names this version."""
        return self.info.id

    def photos(self, split: Split | None = None, annotated: bool | None = None) -> Iterator[PhotoRecord]:
        """The rows, streamed by photo id; only those of ``split``, only (un)annotated ones, where given."""
        with self._place.open(f"{self.id}/manifest.parquet") as file:
            for record in read_manifest(file):
                if split not in (None, record.split) or annotated not in (None, record.annotated):
                    continue
                yield record

    def photo(self, photo_id: str) -> PhotoRecord | None:
        """The row of one photo; None where it is not in this version."""
        with self._place.open(f"{self.id}/manifest.parquet") as file:
            return find_row(file, photo_id)

    def photo_ids(self) -> list[str]:
        """The ids of all photos, sorted."""
        with self._place.open(f"{self.id}/manifest.parquet") as file:
            return read_photo_ids(file)

    def annotators(self) -> list[str | None]:
        """Who drew each box, where that is known."""
        with self._place.open(f"{self.id}/manifest.parquet") as file:
            return read_annotators(file)


class Catalog(BaseModel):
    """Which files of the store count; replaced as a whole."""

    model_config = ConfigDict(extra="forbid")

    format: int = 1
    versions: list[str] = []
    set_aside: str | None = None
    figures: list[str] = []


class DatasetStore:
    """The dataset versions at ``url``, a folder or an fsspec URL."""

    def __init__(self, url: str) -> None:
        self.place = Place(url)

    def versions(self) -> list[DatasetInfo]:
        """Every version, newest last."""
        return [self._info(version) for version in self._catalog().versions]

    def newest(self, limit: int, skipping: int = 0) -> list[DatasetInfo]:
        """Up to ``limit`` versions, newest first, after the newest ``skipping`` of them."""
        newest_first = self._catalog().versions[::-1]
        return [self._info(version) for version in newest_first[skipping : skipping + limit]]

    def count(self) -> int:
        """How many versions there are."""
        return len(self._catalog().versions)

    def latest(self) -> DatasetVersion | None:
        """The newest version, if there is one."""
        versions = self._catalog().versions
        return DatasetVersion(self.place, self._info(versions[-1])) if versions else None

    def get(self, ref: str = "latest") -> DatasetVersion:
        """The version that ``ref`` names: ``latest``, an id, or the first 6 or more letters of one.

        Raises :class:`DatasetError` when there is none or more than one.
        """
        versions = self._catalog().versions
        if not versions:
            raise DatasetError(
                f"There is no dataset version in {self.place.url} yet.", "Make one with `dentwatch data ingest SOURCE`."
            )
        found = [version for version in versions if version.startswith(ref) and len(ref) >= 6]
        if ref == "latest":
            found = versions[-1:]
        if len(found) != 1:
            known = ", ".join(version[:12] for version in versions[-5:])
            raise DatasetError(
                f"{ref!r} names {'no' if not found else 'more than one'} dataset version.",
                f"Use `latest` or at least 6 letters of an id; the newest are {known} (`dentwatch data versions`).",
            )
        return DatasetVersion(self.place, self._info(found[0]))

    def write(self, rows: Iterable[PhotoRecord], *, parent: str | None = None, latest: bool = True) -> DatasetVersion:
        """Write rows, in any order, as a version and make it the latest (or, without ``latest``, the last but one).

        The same rows give the same id anywhere; rows that are a version already make it the latest again. Raises
        :class:`DatasetError` for a photo that comes twice, and while another process writes here.
        """
        with self.place.only_writer():
            version = self.prepare(rows, parent=parent)
            self.commit(version, latest=latest)
        return version

    def prepare(self, rows: Iterable[PhotoRecord], *, parent: str | None = None) -> DatasetVersion:
        """Write rows as a version that does not count until :meth:`commit`."""
        tally = Tally()
        with self.place.scratch() as folder:
            with closing(RowSorter(folder)) as sorter:
                sorter.add(rows)
                version = write_manifest(sorter, folder / "manifest.parquet", tally.add)
                info = tally.info(version, parent, sorter.vehicles(), sorter.vehicles_by_split())
            if version in self._catalog().versions:  # as a version is never written twice, neither is its info
                return DatasetVersion(self.place, self._info(version))
            self.place.adopt(folder / "manifest.parquet", f"{version}/manifest.parquet")
        self.place.write(f"{version}/info.json", info.model_dump_json(indent=2).encode() + b"\n")
        return DatasetVersion(self.place, info)

    def commit(
        self,
        version: DatasetVersion | None = None,
        set_aside: Iterable[SetAside] | None = None,
        figures: Iterable[PhotoFigures] | None = None,
        *,
        latest: bool = True,
    ) -> None:
        """Make a prepared version the latest, replace what is set aside, and add figures, all in one step.

        None leaves a part as it is. Without ``latest``, the version that is the latest stays so.
        """
        catalog = self._catalog()
        retired = catalog.set_aside
        with self.place.scratch() as folder:
            new = folder / uuid.uuid4().hex
            if figures is not None and write_figures(figures, new):
                catalog.figures.append(f"figures/{new.name}.parquet")
                self.place.adopt(new, catalog.figures[-1])
            if set_aside is not None:
                write_set_aside(set_aside, new)
                catalog.set_aside = f"set-aside/{new.name}.parquet"
                self.place.adopt(new, catalog.set_aside)
        if version is not None:
            others = [item for item in catalog.versions if item != version.id]
            if latest or not others:
                catalog.versions = [*others, version.id]
            elif version.id not in catalog.versions:
                catalog.versions = [*others[:-1], version.id, others[-1]]
        self.place.write(_CATALOG, catalog.model_dump_json(indent=2).encode() + b"\n")
        if set_aside is not None and retired:
            self.place.remove(retired)

    def set_aside(self) -> Iterator[SetAside]:
        """What is set aside now, streamed."""
        name = self._catalog().set_aside
        if name is not None:
            with self.place.open(name) as file:
                yield from read_set_aside(file)

    def figures(self) -> Iterator[PhotoFigures]:
        """Statistics and perceptual hash of every photo that was ever accepted, streamed; each photo once."""
        for name in self._catalog().figures:
            with self.place.open(name) as file:
                yield from read_figures(file)

    def statistic(self, name: str) -> Iterator[tuple[str, float]]:
        """One statistic of every photo that was ever accepted, by photo id, streamed."""
        for file_name in self._catalog().figures:
            with self.place.open(file_name) as file:
                yield from read_statistic(file, name)

    def _catalog(self) -> Catalog:
        data = self.place.read(_CATALOG)
        try:
            return Catalog() if data is None else Catalog.model_validate_json(data)
        except ValidationError as error:
            raise DatasetError(
                f"{self.place.path(_CATALOG)} is damaged: {error.errors()[0]['msg']}.", "Restore it from a backup."
            ) from error

    def _info(self, version: str) -> DatasetInfo:
        data = self.place.read(f"{version}/info.json")
        try:
            return DatasetInfo.model_validate_json(data or b"")
        except ValidationError as error:
            raise DatasetError(
                f"The dataset version {version[:12]} is damaged: its info.json is missing or makes no sense.",
                "Restore it from a backup, or ingest its sources again.",
            ) from error
