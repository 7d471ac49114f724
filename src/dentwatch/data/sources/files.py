"""A source of files: annotated in a format that is found by looking, or plain photos."""

from collections.abc import Iterator
from dataclasses import dataclass

from dentwatch.data.formats.contract import Format, ReadOptions
from dentwatch.data.formats.fields import split_of_path
from dentwatch.data.formats.registry import FORMATS
from dentwatch.data.formats.scan import Scan
from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.sources.overrides import Overrides
from dentwatch.errors import SourceError

PHOTOS = "photos"
"""The format's name where there are no annotations."""


@dataclass
class FileSource:
    """Photos of a tree: first those that annotations speak of, then the others, which wait for review."""

    format: str
    _scan: Scan
    _reading: tuple[Format, list[str]] | None
    _options: ReadOptions
    _overrides: Overrides

    def count(self) -> int:
        """How many photo files the tree holds."""
        return len(self._scan.photos)

    def photos(self) -> Iterator[IncomingPhoto]:
        """The photos, always in the same order; raises :class:`SourceError`."""
        return self._overrides.apply(self._photos())

    def _photos(self) -> Iterator[IncomingPhoto]:
        seen: set[str] = set()
        if self._reading:
            chosen, files = self._reading
            for photo in chosen.read(self._scan, files, self._options):
                seen.add(photo.name)
                yield self._scan.remembered.apply(photo, keep_vehicle=self._options.vehicle_field is not None)
        for path in self._scan.photos:
            if path not in seen:
                photo = IncomingPhoto(path, self._scan.tree.reader(path), split=split_of_path(path))
                yield self._scan.remembered.apply(photo)


def open_files(scan: Scan, chosen: str | None, options: ReadOptions, overrides: Overrides) -> FileSource:
    """The source in a tree; ``chosen`` names the format where several are found.

    Raises :class:`SourceError` when there is nothing, when annotations are damaged, or when several formats are found
    and none is chosen.
    """
    if chosen == PHOTOS:
        found = []
    else:
        found = [(form, form.find(scan)) for name, form in FORMATS.items() if chosen in (None, name)]
        found = [(form, files) for form, files in found if files]
    if len(found) > 1:
        both = " and ".join(f"{form.name} ({files[0]})" for form, files in found)
        raise SourceError(
            f"{scan.tree.location} holds annotations in more than one format: {both}.",
            f"Choose one with --format {found[0][0].name}.",
        )
    if chosen not in (None, PHOTOS) and not found:
        raise SourceError(f"{scan.tree.location} holds no annotations in the format {chosen}.")
    if chosen is None and not found:
        _refuse_unknown(scan)
    if not found and not scan.photos:
        raise SourceError(
            f"{scan.tree.location} holds neither photos nor annotations.", "Name the folder or zip that holds them."
        )
    reading = found[0] if found else None
    return FileSource(reading[0].name if reading else PHOTOS, scan, reading, options, overrides)


def _refuse_unknown(scan: Scan) -> None:
    """Annotations that cannot be read must not pass for none at all."""
    beside = (path for path in scan.ending(".txt") if path.removesuffix(".txt") in scan.photo_by_stem)
    stray = next(iter(scan.ending(".json", ".xml")), None) or next(beside, None)
    if stray and scan.photos:
        raise SourceError(
            f"{scan.tree.location} holds photos and {stray}, which is no annotation in a format that is known.",
            f"Formats are {', '.join(FORMATS)}; to take the photos without annotations, add --format {PHOTOS}.",
        )
