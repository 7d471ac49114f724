"""``/v1/inspections``: submitting photos of a vehicle, and finding what was said about them."""

import base64
import binascii
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from dentwatch.records import inspections
from dentwatch.records.ids import new_id
from dentwatch.records.inspections import InspectionFilter, KeptInspection, Status
from dentwatch.serving import assembly, problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.contracts.operation import json_response
from dentwatch.serving.form import Form, read_form
from dentwatch.serving.inspection_answer import InspectionAnswer
from dentwatch.serving.intake import Ask, document_of, without_others
from dentwatch.serving.moments import Moment
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.routes.examples import INSPECTION
from dentwatch.serving.runtime import Runtime
from dentwatch.serving.webhook_targets import check_target

_LATER = "respond-async"  # RFC 7240


class InspectionFields(BaseModel):
    """The text fields of a submission."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    vehicle_id: str | None = Field(None, min_length=1, max_length=200, description="What the photos belong to.")
    listing_id: str | None = Field(None, min_length=1, max_length=200, description="Where it is offered for sale.")
    channel: str | None = Field(None, min_length=1, max_length=100, description="Where the photos come from.")
    device: str | None = Field(None, min_length=1, max_length=100, description="What they were taken with.")
    region: str | None = Field(None, min_length=1, max_length=100, description="Where they were taken.")
    captured_at: Moment | None = Field(None, description="When they were taken, with time zone.")
    min_score: float | None = Field(
        None, ge=0, le=1, description="Least score to answer; default: the model's own thresholds."
    )
    vehicle_class: str | None = Field(None, max_length=100, description="A class of the price table.")
    webhook: str | None = Field(None, max_length=2000, description="Where the finished inspection is sent.")


class InspectionSummary(BaseModel):
    """An inspection as a list shows it."""

    id: str
    created_at: datetime
    status: Status
    vehicle_id: str | None
    listing_id: str | None
    channel: str | None
    model: str | None
    damages: int | None = Field(description="Detections in all photos; none while pending.")


class InspectionPage(BaseModel):
    """Some inspections, newest first."""

    inspections: list[InspectionSummary]
    next: str | None = Field(description="The `cursor` of the page after this; none on the last one.")


class InspectionQuery(BaseModel):
    """Which inspections a list shows."""

    model_config = ConfigDict(extra="forbid")

    vehicle_id: str | None = None
    listing_id: str | None = None
    channel: str | None = None
    status: Status | None = None
    label: str | None = Field(None, description="With a detection of this label.")
    damaged: bool | None = Field(None, description="With or without detections.")
    since: Moment | None = Field(None, description="Submitted then or later.")
    until: Moment | None = Field(None, description="Submitted before.")
    cursor: str | None = Field(None, max_length=100, description="From `next` of the page before.")
    limit: int = Field(50, ge=1, le=500)


def _form_schema() -> dict[str, Any]:
    schema = InspectionFields.model_json_schema()
    photos = {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "minItems": 1,
        "description": "JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF.",
    }
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["photos"],
                        "additionalProperties": False,
                        "properties": {"photos": photos, **schema["properties"]},
                    }
                }
            },
        }
    }


def router(runtime: Runtime) -> APIRouter:
    """The routes over ``runtime``."""
    routes = APIRouter(tags=["inspections"], responses=REFUSALS)
    _add_submitting(routes, runtime)
    _add_finding(routes, runtime)
    return routes


def _add_submitting(routes: APIRouter, runtime: Runtime) -> None:
    @routes.post(
        "/v1/inspections",
        summary="Inspect photos of one vehicle",
        response_model=InspectionAnswer,
        openapi_extra=_form_schema(),
        responses={
            200: {"content": {"application/json": {"example": INSPECTION}}},
            202: {"model": InspectionAnswer, "description": "Accepted; poll `Location`, or wait for the webhook."},
            **problems.documented(
                HTTPStatus.BAD_REQUEST,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                HTTPStatus.UNPROCESSABLE_ENTITY,
                HTTPStatus.INTERNAL_SERVER_ERROR,
            ),
        },
    )
    async def submit(
        request: Request,
        caller: Annotated[Caller, Depends(require(Permission.SUBMIT_INSPECTIONS))],
        idempotency_key: Annotated[
            str | None,
            Header(min_length=1, max_length=200, description="A request sent again with it gets the first answer."),
        ] = None,
        prefer: Annotated[
            str | None, Header(description="`respond-async` answers 202 at once; the inspection is then `pending`.")
        ] = None,
    ) -> Response:
        """Find the damage in each photo, and keep photos and answer.

        Boxes are in pixels of the photo as a person sees it. A file that is not a photo is answered with its own
        `error` and `reason`, and the others go on. An answer of 2xx means that everything is on the disk.
        """
        limits = runtime.settings.serving
        form = await read_form(request, limits.max_photos, limits.max_photo_bytes)
        ask = await _asked(form, caller, idempotency_key, runtime)
        later = prefer is not None and _LATER in {part.split(";")[0].strip().lower() for part in prefer.split(",")}
        outcome = await (runtime.intake.accept(ask) if later else runtime.intake.answer(ask))
        if outcome.document["status"] == "pending":
            runtime.backlog.wake()
        if ask.webhook is not None:
            runtime.deliveries.wake()
        headers = {"Location": f"/v1/inspections/{outcome.document['id']}"}
        if later:
            headers["Preference-Applied"] = _LATER
        if outcome.is_replay:
            headers["Idempotency-Replayed"] = "true"
        pending = outcome.document["status"] == "pending"
        document = document_for(caller, outcome.document)
        return json_response(document, HTTPStatus.ACCEPTED if pending else HTTPStatus.OK, headers)


def _add_finding(routes: APIRouter, runtime: Runtime) -> None:
    @routes.get("/v1/inspections", summary="List inspections, newest first")
    async def listed(
        caller: Annotated[Caller, Depends(require(Permission.SEE_INSPECTIONS))],
        query: Annotated[InspectionQuery, Query()],
    ) -> InspectionPage:
        """Those that the caller may see: a seller's own, everybody's for the other roles."""
        wanted = InspectionFilter(
            owner=caller.sees_only, **query.model_dump(exclude={"cursor", "limit"}, exclude_none=True)
        )
        before = None if query.cursor is None else number_of(query.cursor)
        found = await runtime.intake.read(
            lambda connection: inspections.page(connection, wanted, before=before, limit=query.limit + 1)
        )
        shown = found[: query.limit]
        return InspectionPage(
            inspections=[InspectionSummary.model_validate(one, from_attributes=True) for one in shown],
            next=cursor_at(shown[-1].number) if len(found) > len(shown) else None,
        )

    @routes.get(
        "/v1/inspections/{inspection_id}",
        summary="Show an inspection",
        response_model=InspectionAnswer,
        responses={
            200: {"content": {"application/json": {"example": INSPECTION}}},
            **problems.documented(HTTPStatus.NOT_FOUND),
        },
    )
    async def shown(
        inspection_id: str, caller: Annotated[Caller, Depends(require(Permission.SEE_INSPECTIONS))]
    ) -> Response:
        """As it was answered; `status` is `pending` while it waits for its answer."""
        return json_response(document_for(caller, document_of(await visible(runtime, caller, inspection_id))))


async def visible(runtime: Runtime, caller: Caller, inspection_id: str) -> KeptInspection:
    """An inspection that ``caller`` may see; raises :class:`RefusedError` 404 where there is none.

    One that belongs to somebody else is answered alike, so that nobody learns which ids exist.
    """
    kept = await runtime.intake.read(lambda connection: inspections.find(connection, inspection_id))
    if kept is None or not caller.sees(kept.owner):
        raise RefusedError(
            HTTPStatus.NOT_FOUND,
            "no-such-inspection",
            f"There is no inspection {inspection_id[:100]} that this key may see.",
        )
    return kept


async def _asked(form: Form, caller: Caller, key: str | None, runtime: Runtime) -> Ask:
    unknown = sorted(set(form.files) - {"photos"})
    uploads = form.files.get("photos", [])
    try:
        fields = InspectionFields.model_validate(form.fields)
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error
    if unknown or not uploads:
        said = f"no files are expected under {unknown[0]!r}" if unknown else "at least one file is needed"
        raise RequestValidationError([{"loc": ("body", "photos"), "msg": said, "type": "value_error"}])
    if fields.webhook is not None:
        await runtime.intake.in_thread(check_target, fields.webhook, runtime.settings)
    request = assembly.Request(
        id=new_id(),
        created_at=datetime.now(UTC),
        owner=caller.key_id,
        **fields.model_dump(exclude={"webhook"}),
    )
    return Ask(request, uploads, caller.actor, key, fields.webhook)


def document_for(caller: Caller, document: dict[str, Any]) -> dict[str, Any]:
    """The document as ``caller`` may read it."""
    return document if caller.may(Permission.SEE_ALL_INSPECTIONS) else without_others(document)


def cursor_at(number: int) -> str:
    """The cursor of the page after the inspection with this number."""
    return base64.urlsafe_b64encode(f"before:{number}".encode()).decode().rstrip("=")


def number_of(cursor: str) -> int:
    """The number in a cursor; raises :class:`RequestValidationError` for what is none."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        return int(text.removeprefix("before:"))
    except (ValueError, binascii.Error) as error:
        raise RequestValidationError(
            [{"loc": ("query", "cursor"), "msg": "this is no cursor; take it from `next`", "type": "value_error"}]
        ) from error
