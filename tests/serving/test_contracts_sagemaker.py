"""SageMaker's container contract, asked by AWS's own client and by hand."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from contract_server import comparable, inspected, scenes, serving

from dentwatch.records.model_bundle import ModelBundle

PHOTOS = scenes()
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@pytest.fixture(scope="module")
def client(bundle: ModelBundle) -> Iterator[httpx.Client]:
    with serving(bundle) as client:
        yield client


@pytest.fixture(scope="module")
def due(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    lines = inspected([*PHOTOS, b"notes"], bundle, tmp_path_factory.mktemp("photos"))
    return [comparable(line) for line in lines]


@pytest.fixture
def sagemaker(client: httpx.Client) -> Iterator[Any]:
    """AWS's client, with what SageMaker does on the way: a call of the endpoint reaches the container
    as ``POST /invocations``."""
    asking = boto3.client(
        "sagemaker-runtime",
        region_name="eu-central-1",
        endpoint_url=str(client.base_url),
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"max_attempts": 1}),
    )

    def route(request: Any, **_: Any) -> None:
        assert request.url == f"{client.base_url}/endpoints/dentwatch/invocations"
        request.url = f"{client.base_url}/invocations"

    asking.meta.events.register("before-send.sagemaker-runtime.InvokeEndpoint", route)
    yield asking
    asking.close()


def test_the_container_says_that_it_is_well(client: httpx.Client) -> None:
    response = client.get("/ping")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "application/x-image", "application/octet-stream"])
def test_aws_s_client_gets_what_inspect_says_about_a_photo(
    sagemaker: Any, due: list[dict[str, Any]], kind: str
) -> None:
    for photo, line in zip(PHOTOS, due, strict=False):
        answer = sagemaker.invoke_endpoint(EndpointName="dentwatch", ContentType=kind, Body=photo)
        assert answer["ContentType"] == "application/json"
        assert comparable(json.load(answer["Body"])) == line


def test_aws_s_client_hands_over_a_least_score(sagemaker: Any, bundle: ModelBundle, tmp_path: Path) -> None:
    [line] = inspected(PHOTOS[:1], bundle, tmp_path, "--min-score", "0.001")
    answer = sagemaker.invoke_endpoint(
        EndpointName="dentwatch", ContentType="image/jpeg", Body=PHOTOS[0], CustomAttributes="trace=7, min_score=0.001"
    )
    assert json.load(answer["Body"])["detections"] == line["detections"]


def test_a_photo_that_is_none_is_refused_and_aws_s_client_sees_it(client: httpx.Client, sagemaker: Any) -> None:
    for photo, kind in ((b"notes", "not-an-image"), (b"", "not-an-image"), (PHOTOS[0][:-400], "truncated")):
        with pytest.raises(ClientError) as refusal:
            sagemaker.invoke_endpoint(EndpointName="dentwatch", ContentType="image/jpeg", Body=photo)
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 422
        problem = client.post("/invocations", content=photo).json()
        assert problem["type"] == f"urn:dentwatch:problem:{kind}"


def test_a_photo_without_a_content_type_is_a_photo(client: httpx.Client, due: list[dict[str, Any]]) -> None:
    answer = client.post("/invocations", content=PHOTOS[1])
    assert "content-type" not in answer.request.headers
    assert comparable(answer.json()) == due[1]


def test_several_photos_in_json_or_a_form_are_answered_in_their_order(
    client: httpx.Client, due: list[dict[str, Any]]
) -> None:
    files = [*PHOTOS, b"notes"]
    in_json = client.post("/invocations", json={"photos": [base64.b64encode(data).decode() for data in files]})
    in_form = client.post("/invocations", files=[("photos", (f"{n}.jpg", data)) for n, data in enumerate(files)])
    for response, names in (
        (in_json, ["photo-1", "photo-2", "photo-3", "photo-4"]),
        (in_form, ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]),
    ):
        assert response.status_code == 200
        answers = response.json()["photos"]
        assert [answer["photo"] for answer in answers] == names
        assert [comparable(answer) for answer in answers] == due
        assert answers[3]["reason"] == "not_an_image"


@pytest.mark.parametrize(
    ("content", "kind", "status", "problem"),
    [
        (b"a,b", "text/csv", 415, "content-type"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "content-type"),
        (b"{", "application/json", 400, "not-json"),
        (b"[]", "application/json", 400, "not-json"),
        (b"{}", "application/json", 400, "no-photos"),
        (b'{"photos": []}', "application/json", 400, "no-photos"),
        (b'{"photos": "aGVsbG8="}', "application/json", 400, "no-photos"),
        (b'{"photos": [{"b64": "aGVsbG8="}]}', "application/json", 400, "not-base64"),
        (b"garbage", "multipart/form-data; boundary=x", 400, "not-a-form"),
        (b"garbage", "multipart/form-data", 400, "not-a-form"),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 400, None),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_with_a_problem_document(
    client: httpx.Client, content: bytes, kind: str, status: int, problem: str | None
) -> None:
    response = client.post("/invocations", content=content, headers={"content-type": kind})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    if problem:
        assert response.json()["type"] == f"urn:dentwatch:problem:{problem}"


@pytest.mark.parametrize("score", ["high", "2", "-0.1", "nan", ""])
def test_a_least_score_that_is_none_is_refused(client: httpx.Client, score: str) -> None:
    response = client.post("/invocations", content=PHOTOS[2], headers={ATTRIBUTES: f"min_score={score}"})
    assert response.status_code == 400
    assert response.json()["type"] == "urn:dentwatch:problem:min-score"


def test_other_methods_and_compressed_bodies_are_refused(client: httpx.Client) -> None:
    response = client.get("/invocations")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.headers["content-type"] == "application/problem+json"
    for kind in ("image/jpeg", "application/json", "multipart/form-data; boundary=x"):
        headers = {"content-type": kind, "content-encoding": "gzip"}
        assert client.post("/invocations", content=b"x", headers=headers).status_code == 415
