"""What a format is to the rest of Dentwatch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from dentwatch.data.formats.scan import Scan
from dentwatch.data.incoming import IncomingPhoto


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user said about reading: the field that holds the vehicle id."""

    vehicle_field: str | None = None


class Format(Protocol):
    """One annotation format, reading side."""

    name: str

    def find(self, scan: Scan) -> list[str]:
        """The tree's files that are annotations in this format, told by their content; empty when there are none.

        Raises :class:`dentwatch.errors.SourceError` when a file is too damaged to tell.
        """
        ...

    def read(self, scan: Scan, files: Sequence[str], options: ReadOptions) -> Iterator[IncomingPhoto]:
        """The photos that ``files`` (of :meth:`find`) speak of, named by their path in the tree.

        Photos that the annotation files do not speak of are left to the caller.
        """
        ...
