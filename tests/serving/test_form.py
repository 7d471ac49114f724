"""Multipart forms are read whole into memory, and whatever is wrong with one is said."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from dentwatch.serving.form import Form, read_form
from dentwatch.serving.problems import RefusedError


def _read(body: bytes, content_type: str, chunk: int = 1000, most_files: int = 5, most_bytes: int = 10_000) -> Form:
    pieces: Iterator[bytes] = iter([body[at : at + chunk] for at in range(0, len(body), chunk)])

    async def receive() -> dict[str, object]:
        piece = next(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    headers = [(b"content-type", content_type.encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    return asyncio.run(read_form(request, most_files, most_bytes))


def _encoded(files: list[tuple[str, bytes]], fields: dict[str, str]) -> tuple[bytes, str]:
    request = httpx.Request(
        "POST", "http://service", data=fields, files=[("photos", (name, data, "image/jpeg")) for name, data in files]
    )
    return request.read(), request.headers["content-type"]


@settings(deadline=None, max_examples=40)
@given(
    files=st.lists(st.tuples(st.text("abc é.\u4e2d", min_size=1), st.binary(max_size=500)), min_size=1, max_size=5),
    fields=st.dictionaries(st.sampled_from(["vehicle_id", "channel", "note"]), st.text(max_size=50)),
    chunk=st.integers(1, 1000),
)
def test_a_form_arrives_as_it_was_sent_however_it_is_cut(
    files: list[tuple[str, bytes]], fields: dict[str, str], chunk: int
) -> None:
    form = _read(*_encoded(files, fields), chunk=chunk)
    assert [(upload.name, upload.data) for upload in form.files["photos"]] == files
    assert form.fields == fields


@pytest.mark.parametrize("kept", [0, 10, 150, 300])
def test_a_form_that_ends_too_early_is_refused(kept: int) -> None:
    body, content_type = _encoded([("a.jpg", bytes(200))], {})
    with pytest.raises(RefusedError) as refusal:
        _read(body[:kept], content_type)
    assert refusal.value.status_code == 400


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b"{}", "application/json", "multipart/form-data with a boundary"),
        (b"--x", "multipart/form-data", "multipart/form-data with a boundary"),
        (b"garbage", "multipart/form-data; boundary=x", "cannot be read"),
        (b"--x\r\nContent-Type: a/b\r\n\r\nhi\r\n--x--\r\n", "multipart/form-data; boundary=x", "no name"),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
            "not UTF-8",
        ),
    ],
)
def test_what_is_no_form_is_refused_with_what_is_wrong(body: bytes, content_type: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said) as refusal:
        _read(body, content_type)
    assert refusal.value.status_code == 400


def test_too_many_files_and_too_large_ones_are_refused() -> None:
    with pytest.raises(RefusedError, match="More than 2 photos") as many:
        _read(*_encoded([("a", b"")] * 3, {}), most_files=2)
    with pytest.raises(RefusedError, match=r"big\.jpg has more than the 100 bytes") as large:
        _read(*_encoded([("big.jpg", bytes(101))], {}), most_bytes=100)
    assert many.value.status_code == large.value.status_code == 413


def test_endless_fields_are_refused() -> None:
    with pytest.raises(RefusedError, match="longer than"):
        _read(*_encoded([("a", b"")], {"note": "x" * 70_000}))
    with pytest.raises(RefusedError, match="more than 100 fields"):
        _read(*_encoded([("a", b"")], {f"f{n}": "x" for n in range(101)}))
