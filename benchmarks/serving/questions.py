"""From a photo to the request that asks a system about it; each system wants it in its own form."""

import json
from collections.abc import Callable, Sequence

from connections import MARK, Address, Request

_BOUNDARY = b"dentwatch-benchmark"
_START_OF_IMAGE = b"\xff\xd8"
# A JPEG comment (ITU-T T.81, B.2.4.5): its marker and its length, the two bytes of the length counted in.
_COMMENT = b"\xff\xfe" + (2 + MARK).to_bytes(2, "big")


def _raw(address: Address, path: str, jpeg: bytes, _number: int) -> Request:
    return _request(address, path, "image/jpeg", b"", jpeg, b"")


def _multipart(address: Address, path: str, jpeg: bytes, number: int) -> Request:
    return _form(address, path, "file", jpeg, number, b"")


def _photos(address: Address, path: str, jpeg: bytes, number: int) -> Request:
    vehicle = b'--%s\r\nContent-Disposition: form-data; name="vehicle_id"\r\n\r\nvehicle-%d\r\n' % (_BOUNDARY, number)
    return _form(address, path, "photos", jpeg, number, vehicle)


def _form(address: Address, path: str, field: str, jpeg: bytes, number: int, before: bytes) -> Request:
    disposition = f'Content-Disposition: form-data; name="{field}"; filename="{number}.jpg"\r\n'.encode()
    start = before + b"--%s\r\n%sContent-Type: image/jpeg\r\n\r\n" % (_BOUNDARY, disposition)
    kind = f"multipart/form-data; boundary={_BOUNDARY.decode()}"
    return _request(address, path, kind, start, jpeg, b"\r\n--%s--\r\n" % _BOUNDARY)


def _v2(address: Address, path: str, jpeg: bytes, _number: int) -> Request:
    """Open Inference Protocol v2 with the binary tensor extension: one BYTES element, led by its length."""
    length = len(jpeg) + len(_COMMENT) + MARK
    parameters = {"binary_data_size": 4 + length}
    tensor = {"name": "photo", "shape": [1], "datatype": "BYTES", "parameters": parameters}
    described = json.dumps({"inputs": [tensor]}).encode()
    start = described + length.to_bytes(4, "little")
    extra = f"Inference-Header-Content-Length: {len(described)}\r\n"
    return _request(address, path, "application/octet-stream", start, jpeg, b"", extra)


def _request(
    address: Address, path: str, kind: str, before: bytes, jpeg: bytes, after: bytes, extra: str = ""
) -> Request:
    if not jpeg.startswith(_START_OF_IMAGE):
        raise ValueError("only JPEG photos can carry a number")
    start = before + _START_OF_IMAGE + _COMMENT
    tail = jpeg[len(_START_OF_IMAGE) :] + after
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address.host}:{address.port}\r\nContent-Type: {kind}\r\n{extra}"
        f"Content-Length: {len(start) + MARK + len(tail)}\r\n\r\n"
    )
    return Request(head.encode() + start, tail)


_FORMS: dict[str, Callable[[Address, str, bytes, int], Request]] = {
    "raw": _raw,
    "multipart": _multipart,
    "photos": _photos,
    "v2": _v2,
}


def questions(form: str, address: Address, path: str, jpegs: Sequence[bytes]) -> list[Request]:
    """One request per photo, to ``path``, in the ``form`` that is wanted there.

    ``raw`` (the body is the photo), ``multipart`` (in the field ``file``), ``photos`` (as an inspection of a vehicle),
    ``v2`` (Open Inference Protocol).
    """
    return [_FORMS[form](address, path, jpeg, number) for number, jpeg in enumerate(jpegs)]
