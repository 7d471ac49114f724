"""A request's body, in one piece."""

from http import HTTPStatus
from typing import Any

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from dentwatch.serving.problems import RefusedError

_MOST_COMMAS = 100_000


async def read_body(request: Request) -> bytes:
    """The body of ``request``; its size is limited before, by :class:`dentwatch.serving.body_limit.BodyLimit`.

    Raises :class:`RefusedError`: 415 for a compressed body (photos are compressed already), 400 for one that ends
    early.
    """
    refuse_compressed(request)
    try:
        pieces = [piece async for piece in request.stream() if piece]
    except ClientDisconnect as error:
        raise refused("cut-short", "The connection ended in the middle of the body.") from error
    return b"".join(pieces)  # of one piece, that piece: a photo is not copied


def refuse_compressed(request: Request) -> None:
    """Raise :class:`RefusedError` (415) when the body of ``request`` is compressed."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "content-encoding",
            f"The body is compressed ({encoding}). Send it as it is: photos are compressed already.",
        )


def parse_object(data: bytes | memoryview) -> dict[str, Any]:
    """The JSON object that ``data`` holds; raises :class:`RefusedError` (400) when there is none, or too much in it."""
    text = bytes(data)
    # A list of empty lists takes twenty times its text in memory. Base64 has no commas, so photos cost nothing here.
    if text.count(b",") > _MOST_COMMAS:
        raise refused("not-photos", "The JSON holds more values than any number of photos would need.")
    try:
        document = from_json(text)
    except ValueError as error:
        raise refused("not-json", f"The body is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise refused("not-json", f"The body must be a JSON object, not {json_type(document)}.")
    return document


def json_type(value: object) -> str:
    """What JSON calls the type of ``value``, for a message."""
    names = {dict: "an object", list: "an array", str: "text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def refused(kind: str, detail: str) -> RefusedError:
    """A request that makes no sense (400)."""
    return RefusedError(HTTPStatus.BAD_REQUEST, kind, detail)
