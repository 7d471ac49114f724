"""What a source hands to the ingest: photos and annotations as they were found, before validation."""

from collections.abc import Callable
from dataclasses import dataclass

from dentwatch.errors import PhotoError
from dentwatch.records.annotations import Box, Split


@dataclass(frozen=True, slots=True)
class IncomingAnnotation:
    """One annotation as its source states it.

    ``label`` is the class name in the source, not yet mapped to Dentwatch's labels. ``box`` is in pixels of the frame
    that the annotation file states (:attr:`IncomingPhoto.width` × :attr:`IncomingPhoto.height`), which is the upright
    photo. ``original_label`` is set where the source itself remembers an older class name, as Dentwatch's exports do.
    """

    label: str
    box: Box
    annotator: str | None = None
    original_label: str | None = None


@dataclass(frozen=True, slots=True)
class IncomingPhoto:
    """One photo of a source, its bytes not yet read.

    ``name`` is the path inside the source with forward slashes. ``read`` gives the bytes and can be pickled, so that
    another process can call it; it raises :class:`dentwatch.errors.PhotoError` (``missing``, ``unreadable``,
    ``too_large``). ``annotations`` is None for a photo that nobody has annotated (it waits for review); an empty tuple
    says that somebody looked and saw no damage. ``width`` and ``height`` (pixels) are as the annotation file states
    them, if it does. ``problems`` are ``(reason, text)`` pairs found while reading the annotations: what they speak of
    is not in ``annotations``, and the ingest reports them. ``notes`` are those of an earlier dataset version.
    """

    name: str
    read: Callable[[], bytes]
    annotations: tuple[IncomingAnnotation, ...] | None = None
    width: int | None = None
    height: int | None = None
    vehicle: str | None = None
    split: Split | None = None
    licence: str | None = None
    consent: str | None = None
    source: str = ""
    problems: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingPhoto:
    """Stands for the bytes of a photo that the annotations speak of and the source does not hold."""

    name: str
    stated_by: str

    def __call__(self) -> bytes:
        """Raises :class:`dentwatch.errors.PhotoError` (``missing``)."""
        raise PhotoError(
            "missing",
            f"{self.name} is named by {self.stated_by}, but no such photo is in the source.",
            "Add the photo beside the annotations, or remove its entry.",
        )
