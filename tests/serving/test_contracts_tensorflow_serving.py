"""TensorFlow Serving's REST API, asked as its document says."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from contract_server import comparable, inspected, scenes, serving

from dentwatch.records.model_bundle import ModelBundle

PHOTOS = scenes()
VALUES = [{"b64": base64.b64encode(photo).decode()} for photo in PHOTOS]
PREDICT = "/v1/models/dentwatch:predict"


@pytest.fixture(scope="module")
def client(bundle: ModelBundle) -> Iterator[httpx.Client]:
    with serving(bundle) as client:
        yield client


@pytest.fixture(scope="module")
def due(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return inspected(PHOTOS, bundle, tmp_path_factory.mktemp("photos"))


def _detections(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The detections in the tensors of one photo, in the form of ``inspect``."""
    found = zip(row["boxes"], row["scores"], row["labels"], strict=True)
    return [
        {"label": label, "score": score, **dict(zip(("x", "y", "width", "height"), box, strict=True))}
        for box, score, label in list(found)[: row["count"]]
    ]


def test_the_status_is_available(client: httpx.Client, bundle: ModelBundle) -> None:
    due = {"version": bundle.fingerprint, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/dentwatch", f"/v1/models/dentwatch/versions/{bundle.fingerprint}"):
        assert client.get(path).json() == {"model_version_status": [due]}


def test_the_metadata_name_the_tensors(client: httpx.Client, bundle: ModelBundle) -> None:
    document = client.get("/v1/models/dentwatch/metadata").json()
    assert document["model_spec"] == {"name": "dentwatch", "signature_name": "", "version": bundle.fingerprint}
    signature = document["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["photo"]["dtype"] == "DT_STRING"
    assert signature["outputs"]["boxes"] == {
        "name": "boxes",
        "dtype": "DT_DOUBLE",
        "tensor_shape": {
            "dim": [{"size": "-1", "name": ""}, {"size": "-1", "name": ""}, {"size": "4", "name": ""}],
            "unknown_rank": False,
        },
    }
    outputs = client.post(PREDICT, json={"inputs": VALUES}).json()["outputs"]
    assert outputs.keys() == signature["outputs"].keys()


@pytest.mark.parametrize(
    "body",
    [
        {"instances": VALUES},
        {"instances": [{"photo": value} for value in VALUES]},
        {"signature_name": "serving_default", "instances": VALUES},
    ],
    ids=["unnamed", "named", "with the signature"],
)
def test_rows_say_what_inspect_says(client: httpx.Client, due: list[dict[str, Any]], body: dict[str, Any]) -> None:
    response = client.post(PREDICT, json=body)
    assert response.status_code == 200
    predictions = response.json()["predictions"]
    assert [_detections(row) for row in predictions] == [line["detections"] for line in due]
    assert [comparable(json.loads(row["answer"])) for row in predictions] == [comparable(line) for line in due]


@pytest.mark.parametrize("body", [{"inputs": VALUES}, {"inputs": {"photo": VALUES}}], ids=["unnamed", "named"])
def test_columns_say_what_inspect_says(client: httpx.Client, due: list[dict[str, Any]], body: dict[str, Any]) -> None:
    outputs = client.post(PREDICT, json=body).json()["outputs"]
    rows = [dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)]
    assert [_detections(row) for row in rows] == [line["detections"] for line in due]


def test_a_value_that_stands_alone_in_a_column_is_one_photo(client: httpx.Client, due: list[dict[str, Any]]) -> None:
    assert client.post(PREDICT, json={"inputs": VALUES[0]}).json()["outputs"]["count"] == [2]


def test_a_version_may_be_named(client: httpx.Client, bundle: ModelBundle) -> None:
    body = {"instances": VALUES[:1]}
    versions = "/v1/models/dentwatch/versions"
    assert client.post(f"{versions}/{bundle.fingerprint}:predict", json=body).status_code == 200
    gone = client.post(f"{versions}/7:predict", json=body)
    assert gone.status_code == 404
    assert "Version 7 of dentwatch is not served" in gone.json()["error"]
    for path in ("/v1/models/half", "/v1/models/half/metadata"):
        assert client.get(path).status_code == 404
    missing = client.post("/v1/models/half:predict", json=body)
    assert (missing.status_code, missing.json().keys()) == (404, {"error"})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "either instances"),
        ({"instances": VALUES, "inputs": VALUES}, "either instances"),
        ({"instances": VALUES, "signature_name": "classify"}, "no signature classify"),
        ({"instances": VALUES, "signature_name": {}}, "no signature {}"),
        ({"instances": VALUES, "signature_name": 7}, "no signature 7"),
        ({"instances": []}, "No photo came"),
        ({"instances": VALUES[0]}, "an object came"),
        ({"instances": ["aGVsbG8="]}, "text came"),
        ({"instances": [None]}, "null came"),
        ({"instances": [{"image": VALUES[0]}]}, "an object came"),
        ({"instances": [{"b64": 7}]}, "Base64, not a number"),
        ({"instances": [{"b64": "é"}]}, "photo-1: The text is no photo in Base64"),
        ({"instances": [VALUES[0], {"b64": "aGVsbG8="}]}, "photo-2: The file is not a photo"),
        ({"inputs": {"photo": VALUES, "size": 7}}, "an object came"),
        ({"inputs": 7}, "a number came"),
        ([], "an array"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_by_name(client: httpx.Client, body: Any, said: str) -> None:
    response = client.post(PREDICT, json=body)
    assert response.status_code == 400
    assert response.json().keys() == {"error"}
    assert said in response.json()["error"]


def test_another_method_is_refused_in_the_api_s_form(client: httpx.Client) -> None:
    response = client.get(PREDICT)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json().keys() == {"error"}
