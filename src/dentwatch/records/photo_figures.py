"""What was measured once on each photo and is kept beside the dataset versions: statistics and perceptual hash."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PhotoFigures:
    """The figures of one photo: 64-bit perceptual hashes of it and of its mirror image, and its named statistics."""

    photo_id: str
    perceptual_hash: int
    mirrored_hash: int
    statistics: dict[str, float]
