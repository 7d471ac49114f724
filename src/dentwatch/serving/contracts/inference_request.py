"""Open Inference requests: JSON, or JSON followed by binary tensors (Triton's and KServe's binary tensor extension)."""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dentwatch.serving.contracts.body import json_type, parse_object, refused
from dentwatch.serving.contracts.photos import photos_of_base64, photos_of_bytes
from dentwatch.serving.contracts.served_model import check_min_score
from dentwatch.serving.contracts.tensors import INPUT, OUTPUTS
from dentwatch.serving.inspection import Photo
from dentwatch.serving.problems import RefusedError
from dentwatch.settings import ServingSettings

HEADER_LENGTH = "Inference-Header-Content-Length"
"""The HTTP header that says how many bytes of a body are JSON; what follows are tensors."""


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """What a request asks: photos, the least score, and its outputs by name with whether they go out as binary."""

    photos: list[Photo]
    outputs: dict[str, bool]
    identifier: str | None = None
    min_score: float | None = None


def parse_inference_request(body: bytes, header: str | None, limits: ServingSettings) -> InferenceRequest:
    """The request in ``body``, of which ``header`` (:data:`HEADER_LENGTH`) bytes are JSON; None means all of them.

    A header of 0 stands for Triton's raw binary request: the whole body is one photo, and all outputs are binary.
    Raises :class:`dentwatch.serving.problems.RefusedError`: 400 for what breaks the protocol, 413 for what breaks
    ``limits``.
    """
    length = _header_length(header, len(body))
    if length == 0:
        return InferenceRequest(photos_of_bytes([body], limits), dict.fromkeys(OUTPUTS, True))
    view = memoryview(body)
    document = parse_object(body if length is None else view[:length])
    identifier = document.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise _wrong(f"id must be text, not {json_type(identifier)}")
    parameters = _parameters(document, "the request")
    return InferenceRequest(
        _photos(document, view[len(body) if length is None else length :], limits),
        _outputs(document, parameters.get("binary_data_output", False)),
        identifier,
        check_min_score(parameters.get("min_score")),
    )


def _header_length(header: str | None, most: int) -> int | None:
    if header is None:
        return None
    if not (header.isdecimal() and len(header) < 16 and int(header) <= most):
        raise _wrong(f"{HEADER_LENGTH} must be a number up to the {most:,} bytes of the body, not {header[:40]}")
    return int(header)


def _photos(document: Mapping[str, Any], binary: memoryview, limits: ServingSettings) -> list[Photo]:
    tensor = _input(document)
    name = tensor["name"]
    size = _parameters(tensor, name).get("binary_data_size")
    if size is None:
        if len(binary):
            raise _wrong(f"{len(binary):,} bytes follow the JSON, but {name} has no parameter binary_data_size")
        texts = _flat(tensor.get("data"), name)
        photos = photos_of_base64(texts, limits)
    else:
        if size != len(binary) or isinstance(size, bool):
            raise _wrong(f"binary_data_size of {name} is {str(size)[:40]}, but {len(binary):,} bytes follow the JSON")
        photos = photos_of_bytes(_elements(binary, name, limits.max_photos + 1), limits)
    _check_shape(tensor, len(photos))
    return photos


def _input(document: Mapping[str, Any]) -> dict[str, Any]:
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise _wrong(f"inputs must be an array of one tensor, {INPUT}")
    tensor: dict[str, Any] = inputs[0]
    name, datatype = tensor.get("name"), tensor.get("datatype")
    if name != INPUT:
        raise _wrong(f"there is no input {str(name)[:40]}; the only one is {INPUT}")
    if datatype != "BYTES":
        raise _wrong(f"{INPUT} must have the datatype BYTES, not {str(datatype)[:40]}: encoded photos, not pixels")
    return tensor


def _flat(data: object, name: str) -> list[object]:
    """The elements of a JSON tensor, which may come flat or nested."""
    if not isinstance(data, list):
        raise _wrong(f"{name} has no data: give an array of photos in Base64, or binary_data_size and binary data")
    elements: list[object] = []
    for item in data:
        elements += _flat(item, name) if isinstance(item, list) else [item]
    return elements


def _elements(binary: memoryview, name: str, most: int) -> list[memoryview]:
    """The first ``most`` elements of a binary BYTES tensor: each behind its length, of four bytes, little-endian."""
    elements: list[memoryview] = []
    start = 0
    while start < len(binary) and len(elements) < most:
        begin = start + 4
        if begin <= len(binary):
            start = begin + struct.unpack_from("<I", binary, start)[0]
        if begin > len(binary) or start > len(binary):
            raise _wrong(
                f"element {len(elements) + 1} of {name} ends beyond its binary data; four bytes of length lead"
            )
        elements.append(binary[begin:start])
    return elements


def _check_shape(tensor: Mapping[str, Any], count: int) -> None:
    shape = tensor.get("shape")
    whole = isinstance(shape, list) and all(type(side) is int and 0 <= side <= count for side in shape)
    if not whole or math.prod(shape or [0]) != count:
        raise _wrong(f"the shape of {tensor['name']} must be [{count}], as many elements as came")


def _outputs(document: Mapping[str, Any], binary: object) -> dict[str, bool]:
    asked = document.get("outputs")
    if not asked:
        return dict.fromkeys(OUTPUTS, binary is True)
    if not isinstance(asked, list) or not all(isinstance(output, dict) for output in asked):
        raise _wrong("outputs must be an array of objects")
    outputs: dict[str, bool] = {}
    for output in asked:
        name = output.get("name")
        if not isinstance(name, str) or name not in OUTPUTS:
            raise _wrong(f"there is no output {str(name)[:40]}; there are {', '.join(OUTPUTS)}")
        outputs[name] = _parameters(output, name).get("binary_data", binary) is True
    return outputs


def _parameters(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    parameters = holder.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise _wrong(f"the parameters of {name} must be an object, not {json_type(parameters)}")
    return parameters


def _wrong(detail: str) -> RefusedError:
    return refused("inference-request", f"The request cannot be understood: {detail}.")
