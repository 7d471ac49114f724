"""What reads a photo that the photo store holds already, for taking it in again."""

from dataclasses import dataclass

from dentwatch.records.photos import PhotoStore


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """Reads a photo from the photo store.

    ``adds`` says that its annotations belong beside those that the photo has already.
    """

    photos_url: str
    photo_id: str
    adds: bool

    def __call__(self) -> bytes:
        """The photo's bytes; raises :class:`dentwatch.errors.PhotoError` (``missing``)."""
        return PhotoStore(self.photos_url).get(self.photo_id)
