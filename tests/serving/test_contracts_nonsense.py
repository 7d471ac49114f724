"""Whatever is sent to a contract's route, the answer is never that the service failed."""

import base64
import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import httpx
import pytest
from contract_server import serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rectangles import as_photo, rectangles_rgb

from dentwatch.records.model_bundle import ModelBundle

PHOTO = as_photo(rectangles_rgb(32, 24, ("scratch", 4, 4, 9, 9)))
TEXT = base64.b64encode(PHOTO).decode()
ROUTES = ("/v2/models/dentwatch/infer", "/v1/models/dentwatch:predict", "/invocations")
TYPES = ("application/json", "image/jpeg", "multipart/form-data; boundary=x", "text/plain", ";", "multipart/form-data")

_TENSOR = {"name": "photo", "datatype": "BYTES", "shape": [1], "data": [TEXT]}
VALID: list[Any] = [
    {"id": "7", "inputs": [_TENSOR], "outputs": [{"name": "boxes", "parameters": {"binary_data": True}}]},
    {"inputs": [{**_TENSOR, "parameters": {"binary_data_size": 4}}], "parameters": {"min_score": 0.1}},
    {"signature_name": "serving_default", "instances": [{"b64": TEXT}, {"photo": {"b64": TEXT}}]},
    {"inputs": {"photo": [{"b64": TEXT}]}},
    {"photos": [TEXT, TEXT]},
]
LEAVES = st.sampled_from([None, True, 0, 1, -1, 2**70, 1e308, "", "photo", "BYTES", TEXT, "é", [], {}, [[]], VALID[0]])


@st.composite
def _spoilt(draw: st.DrawFn) -> Any:
    """A valid document in which up to three values, wherever they are, were replaced."""
    document = deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(0, 3))):
        holder = document
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(holder[key], dict | list) and holder[key] and draw(st.booleans()):
                holder = holder[key]
                continue
            holder[key] = deepcopy(draw(LEAVES))
            break
    return document


@st.composite
def _requests(draw: st.DrawFn) -> tuple[bytes, dict[str, str]]:
    """A body with a piece cut out or put in, and headers that may not fit it."""
    body = json.dumps(draw(_spoilt())).encode() + draw(st.sampled_from([b"", b"\x04\0\0\0", b"\0\0\0\0", PHOTO]))
    length = len(body)
    if draw(st.booleans()):
        start = draw(st.integers(0, len(body)))
        body = body[:start] + draw(st.binary(max_size=6)) + body[start + draw(st.integers(0, 6)) :]
    headers = {"content-type": draw(st.sampled_from(TYPES))}
    if draw(st.booleans()):
        header = draw(st.sampled_from([0, length, length - 4, length - len(PHOTO), 5, -1]))
        headers["inference-header-content-length"] = str(header)
    if draw(st.booleans()):
        headers["x-amzn-sagemaker-custom-attributes"] = draw(st.sampled_from(["min_score=0.5", "min_score", "a=b,=,"]))
    return body, headers


@pytest.fixture(scope="module")
def client(bundle: ModelBundle) -> Iterator[httpx.Client]:
    with serving(bundle) as client:
        yield client


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=_requests(), route=st.sampled_from(ROUTES))
def test_nonsense_is_answered_and_never_with_a_failure(
    client: httpx.Client, request: tuple[bytes, dict[str, str]], route: str
) -> None:
    body, headers = request
    response = client.post(route, content=body, headers=headers)
    assert response.status_code in (200, 400, 404, 413, 415, 422), response.text
    if response.status_code != 200:
        assert response.json().keys() in ({"error"}, {"type", "title", "status", "detail"})
