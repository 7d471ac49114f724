"""Open Inference Protocol v2 over HTTP, as KServe, Triton and MLServer speak it, with the binary tensor extension.

https://github.com/kserve/open-inference-protocol, ``specification/protocol/inference_rest.md``, and
https://github.com/triton-inference-server/server, ``docs/protocol/extension_binary_data.md``.
"""

import struct
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from dentwatch.serving.contracts import openapi
from dentwatch.serving.contracts.body import read_body
from dentwatch.serving.contracts.inference_request import HEADER_LENGTH, parse_inference_request
from dentwatch.serving.contracts.operation import Operation, error_object, json_response
from dentwatch.serving.contracts.served_model import ServedModel
from dentwatch.serving.contracts.tensors import INPUT, OUTPUTS, answer_tensors

_MODEL = "/v2/models/{name}"
_VERSION = f"{_MODEL}/versions/{{version}}"

_INFER_EXAMPLE = {
    "id": "42",
    "inputs": [{"name": INPUT, "shape": [1], "datatype": "BYTES", "data": [openapi.PHOTO]}],
    "outputs": [{"name": "boxes"}, {"name": "scores"}, {"name": "labels"}],
    "parameters": {"min_score": 0.3},
}


def operations(model: ServedModel) -> list[Operation]:
    """The protocol's operations over ``model``."""
    asks = partial(Operation, error_form=error_object)
    document = partial(openapi.operation, "Open Inference Protocol v2", errors=openapi.ERROR_OBJECT)
    return [
        asks(
            "v2-server",
            "GET",
            ("/v2",),
            _server,
            document(
                "Name, version and extensions of the server",
                answer=openapi.json_object(name="string", version="string", extensions="array"),
            ),
        ),
        asks(
            "v2-live",
            "GET",
            ("/v2/health/live",),
            _live,
            document("Whether the server lives", answer=openapi.json_object(live="boolean")),
            health=True,
        ),
        asks(
            "v2-ready",
            "GET",
            ("/v2/health/ready",),
            _ready,
            document("Whether it can answer", answer=openapi.json_object(ready="boolean")),
            health=True,
        ),
        asks(
            "v2-model",
            "GET",
            (_MODEL, _VERSION),
            partial(_metadata, model),
            document(
                "Inputs and outputs",
                answer=openapi.json_object(
                    name="string", versions="array", platform="string", inputs="array", outputs="array"
                ),
            ),
        ),
        asks(
            "v2-model-ready",
            "GET",
            (f"{_MODEL}/ready", f"{_VERSION}/ready"),
            partial(_model_ready, model),
            document("Whether the model can answer", answer=openapi.json_object(name="string", ready="boolean")),
        ),
        asks(
            "v2-infer",
            "POST",
            (f"{_MODEL}/infer", f"{_VERSION}/infer"),
            partial(_infer, model),
            document(
                "Find the damage in photos",
                answer={
                    **openapi.json_object(model_name="string", model_version="string", outputs="array"),
                    "application/octet-stream": openapi.BINARY,
                },
                body={
                    "application/json": openapi.example(_INFER_EXAMPLE),
                    "application/octet-stream": openapi.BINARY,
                },
            ),
        ),
    ]


async def _server(_request: Request) -> Response:
    about = {"name": "dentwatch", "version": version("dentwatch"), "extensions": ["binary_tensor_data"]}
    return json_response(about)


async def _live(_request: Request) -> Response:
    return json_response({"live": True})


async def _ready(_request: Request) -> Response:
    return json_response({"ready": True})


async def _metadata(model: ServedModel, request: Request) -> Response:
    model.check_asked(request)
    outputs = [{"name": n, "datatype": spec.open_inference, "shape": spec.shape} for n, spec in OUTPUTS.items()]
    return json_response(
        {
            "name": model.name,
            "versions": [model.version],
            "platform": "onnx_onnxv1",
            "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}],
            "outputs": outputs,
        }
    )


async def _model_ready(model: ServedModel, request: Request) -> Response:
    model.check_asked(request)
    return json_response({"name": model.name, "ready": True})


async def _infer(model: ServedModel, request: Request) -> Response:
    model.check_asked(request)
    asked = parse_inference_request(await read_body(request), request.headers.get(HEADER_LENGTH), model.limits)
    answers = await model.answers(asked.photos, asked.min_score)
    tensors = answer_tensors(answers)
    outputs, binaries = [], []
    for name, as_binary in asked.outputs.items():
        output, binary = _encode(name, tensors[name], as_binary)
        outputs.append(output)
        binaries.append(binary)
    document: dict[str, Any] = {
        "model_name": model.name,
        # Of the answers, not of the model: another version may have taken over since.
        "model_version": answers[0].model.rpartition("/")[2],
        "outputs": outputs,
    }
    if asked.identifier is not None:
        document["id"] = asked.identifier
    header = to_json(document)
    if not any(asked.outputs.values()):
        return Response(header, media_type="application/json")
    length = {HEADER_LENGTH: str(len(header))}
    return Response(b"".join([header, *binaries]), headers=length, media_type="application/octet-stream")


def _encode(name: str, tensor: NDArray[np.generic], as_binary: bool) -> tuple[dict[str, Any], bytes]:
    """A tensor's object in the JSON part, and what follows of it in the binary part."""
    output: dict[str, Any] = {"name": name, "datatype": OUTPUTS[name].open_inference, "shape": tensor.shape}
    if not as_binary:
        return {**output, "data": tensor.ravel().tolist()}, b""
    if tensor.dtype == np.object_:
        texts = [text.encode() for text in tensor.ravel().tolist()]
        binary = b"".join(part for text in texts for part in (struct.pack("<I", len(text)), text))
    else:
        binary = tensor.astype(tensor.dtype.newbyteorder("<"), copy=False).tobytes()
    return {**output, "parameters": {"binary_data_size": len(binary)}}, binary
