"""Photos out of requests, as bytes or in Base64, held to the limits of an inspection."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

import pybase64

from dentwatch.errors import PhotoError
from dentwatch.serving.contracts.body import json_type, refused
from dentwatch.serving.inspection import Photo
from dentwatch.serving.problems import RefusedError
from dentwatch.settings import ServingSettings


def photos_of_bytes(pieces: Sequence[bytes | memoryview], limits: ServingSettings) -> list[Photo]:
    """The photos whose files are ``pieces``, which stay where they are in the body.

    Raises :class:`RefusedError`: 400 without photos, 413 for too many or too large ones.
    """
    _check_count(len(pieces), limits)
    photos = []
    for index, piece in enumerate(pieces):
        _check_size(index, len(piece), limits)
        photos.append(Photo.of(_name(index), piece))
    return photos


def photos_of_base64(texts: Sequence[object], limits: ServingSettings) -> list[Photo]:
    """The photos that ``texts`` hold in Base64 (RFC 4648, section 4), decoded where the photos are.

    Raises :class:`RefusedError` as :func:`photos_of_bytes` does, and 400 for what is no text. Text that is no Base64
    is a photo that fails, with the reason ``not_an_image``.
    """
    _check_count(len(texts), limits)
    photos = []
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise refused("not-base64", f"{_name(index)} must be text in Base64, not {json_type(text)}.")
        _check_size(index, len(text) * 3 // 4 - text.count("=", -2), limits)
        photos.append(Photo(_name(index), _decoded(text)))
    return photos


def _name(index: int) -> str:
    return f"photo-{index + 1}"


def _decoded(text: str) -> Callable[[], bytes]:
    def decode() -> bytes:
        try:
            # The standard library's takes longer for a photo of 12 megapixels than decoding the photo itself.
            return pybase64.b64decode(text, validate=True)
        except ValueError as error:
            raise PhotoError(
                "not_an_image", "The text is no photo in Base64.", "Give the standard alphabet, without line breaks."
            ) from error

    return decode


def _check_count(count: int, limits: ServingSettings) -> None:
    if not count:
        raise refused("no-photos", "No photo came. Send at least one.")
    if count > limits.max_photos:
        raise RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too-many-photos",
            f"More than {limits.max_photos} photos came, and that is the most for one request. Send them in parts.",
        )


def _check_size(index: int, size: int, limits: ServingSettings) -> None:
    if size > limits.max_photo_bytes:
        raise RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "photo-too-large",
            f"{_name(index)} has {size:,} bytes, and a photo may have at most {limits.max_photo_bytes:,}.",
        )
