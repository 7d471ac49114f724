"""TensorFlow Serving's REST API: model status, metadata and ``:predict`` in row and column format.

https://github.com/tensorflow/serving, ``tensorflow_serving/g3doc/api_rest.md``.
"""

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dentwatch.serving.contracts import openapi
from dentwatch.serving.contracts.body import json_type, parse_object, read_body, refused
from dentwatch.serving.contracts.operation import Operation, error_object, json_response
from dentwatch.serving.contracts.photos import photos_of_base64
from dentwatch.serving.contracts.served_model import ServedModel
from dentwatch.serving.contracts.tensors import INPUT, OUTPUTS, answer_tensors
from dentwatch.serving.problems import RefusedError

SIGNATURE = "serving_default"
"""The one signature; TensorFlow's own default."""

_MODEL = "/v1/models/{name}"
_VERSION = f"{_MODEL}/versions/{{version}}"


def operations(model: ServedModel) -> list[Operation]:
    """The API's operations over ``model``."""
    asks = partial(Operation, error_form=error_object)
    document = partial(openapi.operation, "TensorFlow Serving", errors=openapi.ERROR_OBJECT)
    example = {"signature_name": SIGNATURE, "instances": [{"b64": openapi.PHOTO}]}
    return [
        # Before the status: {name} would match "dentwatch:predict", too.
        asks(
            "tensorflow-predict",
            "POST",
            (f"{_MODEL}:predict", f"{_VERSION}:predict"),
            partial(_predict, model),
            document(
                "Find the damage in photos",
                answer=openapi.json_object(),
                body={"application/json": openapi.example(example)},
            ),
        ),
        asks(
            "tensorflow-metadata",
            "GET",
            (f"{_MODEL}/metadata", f"{_VERSION}/metadata"),
            partial(_metadata, model),
            document("Inputs and outputs", answer=openapi.json_object(model_spec="object", metadata="object")),
        ),
        asks(
            "tensorflow-status",
            "GET",
            (_MODEL, _VERSION),
            partial(_status, model),
            document("Status of the model", answer=openapi.json_object(model_version_status="array")),
        ),
    ]


async def _status(model: ServedModel, request: Request) -> Response:
    model.check_asked(request)
    status = {"error_code": "OK", "error_message": ""}
    return json_response({"model_version_status": [{"version": model.version, "state": "AVAILABLE", "status": status}]})


async def _metadata(model: ServedModel, request: Request) -> Response:
    model.check_asked(request)
    signature = {
        "inputs": {INPUT: _tensor_info(INPUT, "DT_STRING", (-1,))},
        "outputs": {name: _tensor_info(name, spec.tensorflow, spec.shape) for name, spec in OUTPUTS.items()},
        "method_name": "tensorflow/serving/predict",
    }
    return json_response(
        {
            "model_spec": {"name": model.name, "signature_name": "", "version": model.version},
            "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
        }
    )


def _tensor_info(name: str, dtype: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """A ``TensorInfo`` as protobuf writes it in JSON, where whole numbers of 64 bits are text."""
    sides = [{"size": str(side), "name": ""} for side in shape]
    return {"name": name, "dtype": dtype, "tensor_shape": {"dim": sides, "unknown_rank": False}}


async def _predict(model: ServedModel, request: Request) -> Response:
    model.check_asked(request)
    document = parse_object(await read_body(request))
    signature = document.get("signature_name", SIGNATURE)
    if signature not in (SIGNATURE, ""):  # an empty name is protobuf's way to leave it out
        raise refused("no-such-signature", f"There is no signature {str(signature)[:40]}; the only one is {SIGNATURE}.")
    if ("instances" in document) == ("inputs" in document):
        raise refused("no-photos", "The body must have either instances (row format) or inputs (column format).")
    in_rows = "instances" in document
    values = _rows(document["instances"]) if in_rows else _column(document["inputs"])
    photos = photos_of_base64([_base64(value) for value in values], model.limits)
    columns = {name: tensor.tolist() for name, tensor in answer_tensors(await model.answers(photos, None)).items()}
    if not in_rows:
        return json_response({"outputs": columns})
    rows = zip(*columns.values(), strict=True)
    return json_response({"predictions": [dict(zip(columns, row, strict=True)) for row in rows]})


def _rows(instances: object) -> list[object]:
    """One value per photo; each may come under the input's name."""
    if not isinstance(instances, list):
        raise _not_photos(instances)
    return [value[INPUT] if isinstance(value, dict) and value.keys() == {INPUT} else value for value in instances]


def _column(inputs: object) -> list[object]:
    """The values of the one input, which may come under its name; a value that stands alone is one photo."""
    if isinstance(inputs, dict) and inputs.keys() == {INPUT}:
        inputs = inputs[INPUT]
    return inputs if isinstance(inputs, list) else [inputs]


def _base64(value: object) -> object:
    if not isinstance(value, dict) or value.keys() != {"b64"}:
        raise _not_photos(value)
    return value["b64"]


def _not_photos(value: object) -> RefusedError:
    return refused("not-base64", f'A photo must be {{"b64": "…"}}, its bytes in Base64; {json_type(value)} came.')
