"""A read-only tree of files: what every format reads from, wherever the files lie."""

from collections.abc import Callable, Sequence
from typing import IO, Protocol


class FileTree(Protocol):
    """Files by path relative to the tree's root, with forward slashes.

    A tree never leaves its root: formats only ask for paths out of :meth:`files`.
    """

    @property
    def location(self) -> str:
        """Where the tree is, as the user named it; for messages."""
        ...

    def files(self) -> Sequence[str]:
        """Every visible file, sorted; the same list at every call."""
        ...

    def open(self, path: str) -> IO[bytes]:
        """A file opened for reading; raises :class:`dentwatch.errors.SourceError`."""
        ...

    def reader(self, path: str) -> Callable[[], bytes]:
        """What reads a file's bytes later, perhaps in another process; it raises ``PhotoError``."""
        ...
