"""SageMaker's container contract: ``GET /ping`` and ``POST /invocations``.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html. The contract leaves the body to the
model: a photo as it is, a form of photos, or JSON of photos in Base64.
"""

from functools import partial
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.contracts import openapi
from dentwatch.serving.contracts.body import parse_object, read_body, refuse_compressed, refused
from dentwatch.serving.contracts.operation import Operation, json_response
from dentwatch.serving.contracts.photos import photos_of_base64, photos_of_bytes
from dentwatch.serving.contracts.served_model import ServedModel, check_min_score
from dentwatch.serving.form import read_form
from dentwatch.serving.inspection import Photo
from dentwatch.serving.problems import RefusedError

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
"""The header in which SageMaker passes on what the caller gave as ``CustomAttributes``."""

_RAW = ("", "application/octet-stream", "binary/octet-stream", "application/x-image")


def operations(model: ServedModel) -> list[Operation]:
    """The contract's operations over ``model``."""
    document = partial(openapi.operation, "SageMaker", errors=openapi.PROBLEM)
    form = {
        "schema": {
            "type": "object",
            "required": ["photos"],
            "properties": {"photos": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}},
        }
    }
    bodies = {
        "image/*": openapi.BINARY,
        "application/octet-stream": openapi.BINARY,
        "multipart/form-data": form,
        "application/json": openapi.example({"photos": [openapi.PHOTO, openapi.PHOTO]}),
    }
    return [
        Operation("ping", "GET", ("/ping",), _ping, document("Whether the container can answer"), health=True),
        Operation(
            "invocations",
            "POST",
            ("/invocations",),
            partial(_invoke, model),
            document("Find the damage in photos", answer=openapi.json_object(), body=bodies),
        ),
    ]


async def _ping(_request: Request) -> Response:
    return Response()


async def _invoke(model: ServedModel, request: Request) -> Response:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    min_score = _min_score(request)
    if kind in _RAW or kind.startswith("image/"):
        photos = photos_of_bytes([await read_body(request)], model.limits)
        [result] = await model.results(photos, min_score)
        if isinstance(result, PhotoFailure):
            raise RefusedError(
                HTTPStatus.UNPROCESSABLE_ENTITY, result.reason.replace("_", "-"), f"{result.photo}: {result.error}"
            )
        return json_response(result)
    photos = await _several(model, request, kind)
    return json_response({"photos": await model.results(photos, min_score)})


async def _several(model: ServedModel, request: Request, kind: str) -> list[Photo]:
    limits = model.limits
    if kind == "application/json":
        texts = parse_object(await read_body(request)).get("photos")
        if not isinstance(texts, list):
            raise refused("no-photos", 'The body must be {"photos": ["…", …]}, each photo as text in Base64.')
        return photos_of_base64(texts, limits)
    if kind == "multipart/form-data":
        refuse_compressed(request)
        form = await read_form(request, limits.max_photos, limits.max_photo_bytes)
        uploads = [upload for files in form.files.values() for upload in files]
        named = zip(uploads, photos_of_bytes([upload.data for upload in uploads], limits), strict=True)
        return [Photo(upload.name or photo.name, photo.read) for upload, photo in named]
    raise RefusedError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "content-type",
        f"A body of the type {kind} is not understood. Send a photo as image/jpeg (image/png, …) or "
        "application/octet-stream, a multipart/form-data of photos, or application/json.",
    )


def _min_score(request: Request) -> float | None:
    """The number behind ``min_score=`` among the custom attributes; others are their sender's own business."""
    for attribute in request.headers.get(ATTRIBUTES, "").split(","):
        key, _, value = attribute.partition("=")
        if key.strip() == "min_score":
            try:
                return check_min_score(float(value))
            except ValueError:
                return check_min_score(value.strip())  # refuses it by name
    return None
