"""How many pixels the photos of one request may have together: what bounds the work that a request can ask for.

One photo is decoded at a time, so its own limit (``serving.max_pixels``) bounds the memory; but forty of the largest
photos would hold a worker process for a minute.
"""

from collections.abc import Sequence
from http import HTTPStatus

from dentwatch.data.decoding import size_of
from dentwatch.errors import PhotoError
from dentwatch.serving.inspection import Photo
from dentwatch.serving.problems import RefusedError
from dentwatch.settings import ServingSettings


def may_exceed(count: int, limits: ServingSettings) -> bool:
    """Whether ``count`` photos, each within its own limit, can be too much together."""
    return count * limits.max_pixels > limits.max_request_pixels


def check_pixels(photos: Sequence[Photo], limits: ServingSettings) -> None:
    """Raise :class:`RefusedError` (413) for ``photos`` of more than ``serving.max_request_pixels`` together.

    Only headers are read. A file that is no photo, or that is refused for its own size, costs no decoding and does not
    count.
    """
    total = 0
    for photo in photos:
        try:
            width, height = size_of(photo.read())
        except PhotoError:
            continue
        if width * height <= limits.max_pixels:
            total += width * height
    if total > limits.max_request_pixels:
        raise RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too-many-pixels",
            f"The photos have {total:,} pixels together, and those of one request may have "
            f"{limits.max_request_pixels:,}. Send them in parts, or make them smaller.",
        )
