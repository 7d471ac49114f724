"""Open Inference Protocol v2, asked by Triton's own client and by hand."""

import base64
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from contract_server import comparable, inspected, scenes, serving
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from dentwatch.records.model_bundle import ModelBundle

PHOTOS = scenes()


@pytest.fixture(scope="module")
def client(bundle: ModelBundle) -> Iterator[httpx.Client]:
    with serving(bundle) as client:
        yield client


@pytest.fixture(scope="module")
def tritonclient(client: httpx.Client) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"{client.base_url.host}:{client.base_url.port}") as asking:
        yield asking


@pytest.fixture(scope="module")
def due(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return inspected(PHOTOS, bundle, tmp_path_factory.mktemp("photos"))


def _input(photos: list[bytes], binary: bool = True) -> triton.InferInput:
    elements = photos if binary else [base64.b64encode(photo) for photo in photos]
    tensor = triton.InferInput("photo", [len(photos)], "BYTES")
    tensor.set_data_from_numpy(np.array(elements, object), binary_data=binary)
    return tensor


def _detections(result: triton.InferResult) -> list[list[dict[str, Any]]]:
    """The detections in the tensors, in the form of ``inspect``."""
    names = ("count", "boxes", "scores", "labels")
    per_photo = zip(*(result.as_numpy(name) for name in names), strict=True)
    return [
        [
            {
                "label": label.decode() if isinstance(label, bytes) else label,
                "score": float(score),
                **dict(zip(("x", "y", "width", "height"), box.tolist(), strict=True)),
            }
            for box, score, label in zip(boxes[:count], scores[:count], labels[:count], strict=True)
        ]
        for count, boxes, scores, labels in per_photo
    ]


def test_the_server_and_its_model_introduce_themselves(
    tritonclient: triton.InferenceServerClient, bundle: ModelBundle
) -> None:
    assert tritonclient.is_server_live()
    assert tritonclient.is_server_ready()
    assert tritonclient.is_model_ready("dentwatch")
    assert tritonclient.is_model_ready("dentwatch", bundle.fingerprint)
    assert not tritonclient.is_model_ready("dentwatch", "7")
    assert not tritonclient.is_model_ready("resnet")
    assert "binary_tensor_data" in tritonclient.get_server_metadata()["extensions"]
    about = tritonclient.get_model_metadata("dentwatch")
    assert about["versions"] == [bundle.fingerprint]
    assert about["inputs"] == [{"name": "photo", "datatype": "BYTES", "shape": [-1]}]
    assert {output["name"] for output in about["outputs"]} == {"answer", "count", "boxes", "scores", "labels"}


@pytest.mark.parametrize("binary_input", [True, False], ids=["binary in", "JSON in"])
@pytest.mark.parametrize("binary_output", [True, False, None], ids=["binary out", "JSON out", "default out"])
def test_tensors_say_what_inspect_says(
    tritonclient: triton.InferenceServerClient,
    bundle: ModelBundle,
    due: list[dict[str, Any]],
    binary_input: bool,
    binary_output: bool | None,
) -> None:
    names = ("answer", "count", "boxes", "scores", "labels")
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_output) for name in names]
    result = tritonclient.infer(
        "dentwatch",
        [_input(PHOTOS, binary_input)],
        outputs=None if binary_output is None else outputs,
        request_id="42",
    )
    assert _detections(result) == [line["detections"] for line in due]
    assert result.as_numpy("boxes").shape == (3, 2, 4)
    answers = [json.loads(text) for text in result.as_numpy("answer")]
    assert [comparable(answer) for answer in answers] == [comparable(line) for line in due]
    response = result.get_response()
    assert (response["id"], response["model_name"]) == ("42", "dentwatch")
    assert response["model_version"] == bundle.fingerprint
    if binary_output is not None:
        assert {"data" in output for output in response["outputs"]} == {not binary_output}


def test_outputs_datatypes_and_shapes_are_those_that_the_metadata_promise(
    tritonclient: triton.InferenceServerClient,
) -> None:
    promised = {output["name"]: output for output in tritonclient.get_model_metadata("dentwatch")["outputs"]}
    answered = tritonclient.infer("dentwatch", [_input(PHOTOS)]).get_response()["outputs"]
    assert {output["name"] for output in answered} == promised.keys()
    for output in answered:
        due = promised[output["name"]]
        assert output["datatype"] == due["datatype"]
        assert len(output["shape"]) == len(due["shape"])
        assert all(side in (-1, actual) for side, actual in zip(due["shape"], output["shape"], strict=True))


def test_a_least_score_is_a_parameter(
    tritonclient: triton.InferenceServerClient, bundle: ModelBundle, tmp_path: Path
) -> None:
    lines = inspected(PHOTOS, bundle, tmp_path, "--min-score", "0.001")
    result = tritonclient.infer("dentwatch", [_input(PHOTOS)], parameters={"min_score": 0.001})
    assert _detections(result) == [line["detections"] for line in lines]


def test_only_the_outputs_asked_for_are_answered_each_in_its_own_form(
    tritonclient: triton.InferenceServerClient,
) -> None:
    outputs = [
        triton.InferRequestedOutput("count", binary_data=False),
        triton.InferRequestedOutput("labels", binary_data=True),
    ]
    response = tritonclient.infer("dentwatch", [_input(PHOTOS[:1])], outputs=outputs)
    assert [output["name"] for output in response.get_response()["outputs"]] == ["count", "labels"]
    assert response.as_numpy("count").tolist() == [2]
    assert set(response.as_numpy("labels")[0]) == {b"scratch", b"dent"}


def test_photos_without_damage_are_answered_with_empty_tensors(tritonclient: triton.InferenceServerClient) -> None:
    result = tritonclient.infer("dentwatch", [_input(PHOTOS[2:])])
    assert result.as_numpy("count").tolist() == [0]
    assert result.as_numpy("boxes").shape == (1, 0, 4)


def test_a_body_that_is_one_photo_is_triton_s_raw_binary_request(
    client: httpx.Client, due: list[dict[str, Any]]
) -> None:
    headers = {"Inference-Header-Content-Length": "0"}
    response = client.post("/v2/models/dentwatch/infer", content=PHOTOS[0], headers=headers)
    result = triton.InferResult.from_response_body(
        response.content, header_length=int(response.headers["Inference-Header-Content-Length"])
    )
    assert _detections(result) == [due[0]["detections"]]


def test_json_tensors_may_be_nested(client: httpx.Client) -> None:
    data = [[base64.b64encode(PHOTOS[0]).decode()], [base64.b64encode(PHOTOS[2]).decode()]]
    response = client.post("/v2/models/dentwatch/infer", json=_request(data=data, shape=[2, 1]))
    outputs = {output["name"]: output for output in response.json()["outputs"]}
    assert outputs["count"]["data"] == [2, 0]
    assert "id" not in response.json()


def test_triton_s_client_understands_what_is_refused(tritonclient: triton.InferenceServerClient) -> None:
    for photos, said in (
        ([PHOTOS[0], b"notes"], "photo-2: The file is not a photo"),
        ([PHOTOS[0][:-400]], "photo-1: A part of the photo's data is missing"),
        ([b""], "photo-1: The file is empty"),
    ):
        with pytest.raises(InferenceServerException, match=said) as refusal:
            tritonclient.infer("dentwatch", [_input(photos)])
        assert refusal.value.status() == "400"
    with pytest.raises(InferenceServerException, match="There is no model resnet; this service has dentwatch") as gone:
        tritonclient.infer("resnet", [_input(PHOTOS)])
    assert gone.value.status() == "404"
    with pytest.raises(InferenceServerException, match="Version 7 of dentwatch is not served"):
        tritonclient.infer("dentwatch", [_input(PHOTOS)], model_version="7")
    with pytest.raises(InferenceServerException, match="compressed") as packed:
        tritonclient.infer("dentwatch", [_input(PHOTOS)], request_compression_algorithm="gzip")
    assert packed.value.status() == "415"


def _request(**tensor: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "photo", "datatype": "BYTES", "shape": [1], "data": ["aGVsbG8="], **tensor}]}


BROKEN: dict[str, tuple[Any, str]] = {
    "no inputs": ({}, "inputs"),
    "inputs of another type": ({"inputs": 7}, "inputs"),
    "two inputs": ({"inputs": _request()["inputs"] * 2}, "one tensor"),
    "another input": (_request(name="image"), "no input image"),
    "pixels": (_request(datatype="UINT8"), "BYTES"),
    "a shape that is not the data's": (_request(shape=[2]), r"\[1\]"),
    "a negative shape": (_request(shape=[-1, -1]), r"\[1\]"),
    "no shape": (_request(shape=None), r"\[1\]"),
    "a shape that is not made of numbers": (_request(shape=[True]), r"\[1\]"),
    "no data": (_request(data=None), "no data"),
    "numbers": (_request(data=[7]), "Base64"),
    "no Base64": (_request(data=["é!"]), "photo-1: The text is no photo in Base64"),
    "no photos": (_request(data=[], shape=[0]), "No photo came"),
    "shared memory": (_request(data=None, parameters={"shared_memory_region": "a"}), "no data"),
    "binary that is not there": (_request(parameters={"binary_data_size": 9}), "0 bytes follow"),
    "a truth value for a size": (_request(parameters={"binary_data_size": False}), "binary_data_size"),
    "parameters of another type": (_request(parameters=[1]), "parameters of photo"),
    "an unknown output": ({**_request(), "outputs": [{"name": "masks"}]}, "no output masks"),
    "an output without a name": ({**_request(), "outputs": [{}]}, "no output"),
    "an output of another type": ({**_request(), "outputs": ["boxes"]}, "outputs"),
    "a number for an id": ({**_request(), "id": 7}, "id must be text"),
    "a least score too high": ({**_request(), "parameters": {"min_score": 1.5}}, "min_score"),
    "a least score of text": ({**_request(), "parameters": {"min_score": "high"}}, "min_score"),
    "an array": ([], "an array"),
}


@pytest.mark.parametrize(("document", "said"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_protocol_is_refused_by_name(client: httpx.Client, document: Any, said: str) -> None:
    response = client.post("/v2/models/dentwatch/infer", json=document)
    assert response.status_code == 400
    assert response.json().keys() == {"error"}
    assert re.search(said, response.json()["error"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"id": "\\ud800"}',
        b"NaN",
        b'{"inputs": [' + b"[]," * 200_000 + b"[]]}",
    ],
    ids=["empty", "cut", "not UTF-8", "deep", "half a surrogate", "NaN", "crowded"],
)
def test_what_is_not_json_is_refused(client: httpx.Client, content: bytes) -> None:
    response = client.post("/v2/models/dentwatch/infer", content=content)
    assert response.status_code == 400
    assert response.json().keys() == {"error"}


def _binary(*elements: bytes, size: int | None = None, shape: int = 1) -> tuple[bytes, bytes]:
    """JSON and binary part of a request with ``elements`` as they are, lengths included."""
    binary = b"".join(elements)
    parameters = {"binary_data_size": len(binary) if size is None else size}
    tensor = {"name": "photo", "datatype": "BYTES", "shape": [shape], "parameters": parameters}
    return json.dumps({"inputs": [tensor]}).encode(), binary


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (_binary(struct.pack("<I", 9), b"12345678"), "element 1 of photo ends beyond"),
        (_binary(struct.pack("<I", 2), b"12", b"\0\0"), "element 2 of photo ends beyond"),
        (_binary(struct.pack("<I", 2**32 - 1), b"12"), "element 1 of photo ends beyond"),
        (_binary(b"1234", size=2**62), "4 bytes follow"),
        (_binary(b"1234", size=-4), "4 bytes follow"),
        (_binary(b""), "No photo came"),
        (_binary(struct.pack("<I", 2), b"12", shape=2), r"must be \[1\]"),
        ((json.dumps(_request()).encode(), b"more"), "4 bytes follow the JSON"),
    ],
)
def test_binary_tensors_that_do_not_add_up_are_refused(
    client: httpx.Client, parts: tuple[bytes, bytes], said: str
) -> None:
    headers = {"Inference-Header-Content-Length": str(len(parts[0]))}
    response = client.post("/v2/models/dentwatch/infer", content=b"".join(parts), headers=headers)
    assert response.status_code == 400
    assert re.search(said, response.json()["error"])


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "9" * 5000, "40000"])
def test_a_length_of_the_json_that_makes_no_sense_is_refused(client: httpx.Client, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length}
    response = client.post("/v2/models/dentwatch/infer", json=_request(), headers=headers)
    assert response.status_code == 400
    assert "Inference-Header-Content-Length" in response.json()["error"]


def test_another_method_is_refused_in_the_protocol_s_form(client: httpx.Client) -> None:
    response = client.get("/v2/models/dentwatch/infer")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert "does not take GET, but POST" in response.json()["error"]
    assert client.head("/v2/health/ready").status_code == 200
