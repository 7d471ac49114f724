"""What all contracts have in common: who may ask, how much, and what is said when the service fails."""

import asyncio
import base64
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from contract_server import application, serving
from rectangles import as_photo, rectangles_rgb
from starlette.requests import Request

from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.problems import RefusedError

PHOTO = as_photo(rectangles_rgb(64, 64, ("scratch", 10, 10, 20, 20)))
NOISE = bytes(5_000)
HEALTH = ("/ping", "/v2/health/live", "/v2/health/ready")
GUARDED = (
    "/v2",
    "/v2/models/dentwatch",
    "/v2/models/dentwatch/ready",
    "/v1/models/dentwatch",
    "/v1/models/dentwatch/metadata",
)


def _base64(photo: bytes) -> str:
    return base64.b64encode(photo).decode()


def _open_inference(*photos: bytes) -> dict[str, Any]:
    data = [_base64(photo) for photo in photos]
    tensor = {"name": "photo", "datatype": "BYTES", "shape": [len(data)], "data": data}
    return {"url": "/v2/models/dentwatch/infer", "json": {"inputs": [tensor]}}


def _tensorflow(*photos: bytes) -> dict[str, Any]:
    return {
        "url": "/v1/models/dentwatch:predict",
        "json": {"instances": [{"b64": _base64(photo)} for photo in photos]},
    }


def _sagemaker(*photos: bytes) -> dict[str, Any]:
    return {"url": "/invocations", "json": {"photos": [_base64(photo) for photo in photos]}}


def _sagemaker_form(*photos: bytes) -> dict[str, Any]:
    return {"url": "/invocations", "files": [("photos", (f"{n}.png", photo)) for n, photo in enumerate(photos)]}


ALL = pytest.mark.parametrize("request_of", [_open_inference, _tensorflow, _sagemaker, _sagemaker_form])


def _detail(response: httpx.Response) -> str:
    """What is wrong, as the contract of the path says it."""
    if response.request.url.path == "/invocations":
        assert response.headers["content-type"] == "application/problem+json"
        detail: str = response.json()["detail"]
        return detail
    assert response.headers["content-type"] == "application/json"
    assert response.json().keys() == {"error"}
    error: str = response.json()["error"]
    return error


async def _password(request: Request) -> None:
    if request.headers.get("x-password") != "sesame":
        raise RefusedError(HTTPStatus.FORBIDDEN, "no", "Not without the password.", {"X-Ask": "politely"})


@pytest.fixture(scope="module")
def guarded(bundle: ModelBundle) -> Iterator[httpx.Client]:
    with serving(bundle, _password) as client:
        yield client


@pytest.fixture(scope="module")
def small(bundle: ModelBundle) -> Iterator[httpx.Client]:
    with serving(bundle, max_photos=2, max_photo_bytes=4_000, max_body_bytes=20_000) as client:
        yield client


@ALL
def test_a_guard_stands_before_every_route_that_uses_the_model(guarded: httpx.Client, request_of: Any) -> None:
    refused = guarded.post(**request_of(PHOTO))
    assert refused.status_code == 403
    assert _detail(refused) == "Not without the password."
    assert refused.headers["x-ask"] == "politely"
    assert guarded.post(**request_of(PHOTO), headers={"x-password": "sesame"}).status_code == 200


def test_health_is_told_to_everybody_and_nothing_else_is(guarded: httpx.Client) -> None:
    for path in HEALTH:
        assert guarded.get(path).status_code == 200
    for path in GUARDED:
        assert _detail(guarded.get(path)) == "Not without the password."
        assert guarded.get(path, headers={"x-password": "sesame"}).status_code == 200


@ALL
def test_limits_are_those_of_an_inspection(small: httpx.Client, request_of: Any) -> None:
    assert small.post(**request_of(PHOTO, PHOTO)).status_code == 200
    many = small.post(**request_of(PHOTO, PHOTO, PHOTO))
    assert many.status_code == 413
    assert "More than 2 photos came" in _detail(many)
    large = small.post(**request_of(PHOTO, NOISE))
    assert large.status_code == 413
    assert "4,000" in _detail(large)
    huge = small.post(**request_of(*[NOISE] * 5))
    assert huge.status_code == 413


def test_a_body_over_the_limit_is_refused_in_the_contract_s_form(small: httpx.Client) -> None:
    for path in ("/v2/models/dentwatch/infer", "/v1/models/dentwatch:predict", "/invocations"):
        for content in (bytes(20_001), iter([bytes(9_000)] * 3)):
            refused = small.post(path, content=content)
            assert refused.status_code == 413
            assert "larger than the 20,000 bytes allowed" in _detail(refused)
    assert small.post("/invocations", content=bytes(4_001)).status_code == 413


@ALL
def test_a_failure_of_ours_is_told_without_its_cause_which_is_in_the_log(
    bundle: ModelBundle, request_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app, service = application(bundle)
    service.close()  # now it has no threads to look at photos with

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(**request_of(PHOTO))

    failed = asyncio.run(ask())
    assert failed.status_code == 500
    assert "Something went wrong here" in _detail(failed)
    assert "shutdown" not in failed.text
    assert "shutdown" in caplog.text


def test_openapi_describes_every_operation_with_its_errors(guarded: httpx.Client) -> None:
    document = guarded.get("/openapi.json").json()
    paths = document["paths"]
    for path in (*HEALTH, "/v2", "/v2/models/{name}/versions/{version}/infer", "/v1/models/{name}:predict"):
        assert path in paths
    named = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(set(named)) == len(named)
    infer = paths["/v2/models/{name}/infer"]["post"]
    assert infer["requestBody"]["content"].keys() == {"application/json", "application/octet-stream"}
    assert [parameter["name"] for parameter in infer["parameters"]] == ["name"]
    assert "application/json" in infer["responses"]["4XX"]["content"]
    assert "application/problem+json" in paths["/invocations"]["post"]["responses"]["4XX"]["content"]
