"""A source of photos, opened: its format and its photos, one at a time."""

from collections.abc import Iterator
from typing import Protocol

from dentwatch.data.incoming import IncomingPhoto


class Source(Protocol):
    """What :func:`dentwatch.data.sources.open_source` returns."""

    @property
    def format(self) -> str:
        """The detected format's name: ``coco``, ``yolo``, ``voc``, ``label-studio``, ``cvat``, ``photos``, ``sql``."""
        ...

    def photos(self) -> Iterator[IncomingPhoto]:
        """The photos, always in the same order; raises :class:`dentwatch.errors.SourceError`."""
        ...

    def count(self) -> int | None:
        """How many photos there are, where that is known without reading them; for progress bars."""
        ...
