"""``/v1/listings``: the cars that are offered for sale, so that adoption can be counted."""

import csv
import io
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import Connection

from dentwatch.records import audit, listings
from dentwatch.records.listings import Listing
from dentwatch.serving import problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.moments import Moment
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime

_MOST = 10_000  # listings in one request


class ListingInput(BaseModel):
    """A car offered for sale."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    id: str = Field(min_length=1, max_length=200)
    created_at: Moment = Field(description="Offered from then on; with time zone.")
    vehicle_id: str | None = Field(None, min_length=1, max_length=200)
    channel: str | None = Field(None, min_length=1, max_length=100)
    closed_at: Moment | None = Field(None, description="Sold or withdrawn then.")


class ListingsAnswer(BaseModel):
    """How many listings were new, and how many replaced one with the same id."""

    added: int
    updated: int


_MANY = TypeAdapter(list[ListingInput])
_COLUMNS = tuple(ListingInput.model_fields)


def _body_schema() -> dict[str, Any]:
    one = ListingInput.model_json_schema()
    many = {"oneOf": [one, {"type": "array", "items": one, "maxItems": _MOST}]}
    text = {"type": "string", "description": f"A header and rows; columns {', '.join(_COLUMNS)}."}
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": many}, "text/csv": {"schema": text}},
        }
    }


def router(runtime: Runtime) -> APIRouter:
    """The routes over ``runtime``."""
    faults = problems.documented(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY
    )
    routes = APIRouter(tags=["listings"], responses={**REFUSALS, **faults})

    @routes.post("/v1/listings", summary="Register cars offered for sale", openapi_extra=_body_schema())
    async def register(
        request: Request, caller: Annotated[Caller, Depends(require(Permission.REGISTER_LISTINGS))]
    ) -> ListingsAnswer:
        """One listing, a list of them, or a CSV file (`text/csv`); a listing with a known id is replaced.

        All are kept, or none: an error names the row.
        """
        given = _parsed(await request.body(), request.headers.get("content-type", ""))
        found = [Listing(**one.model_dump()) for one in given]

        def change(connection: Connection) -> listings.Registered:
            audit.append(connection, caller.actor, "listings.register", found[0].id, {"listings": len(found)})
            return listings.register(connection, found)

        registered = await runtime.intake.write(change)
        return ListingsAnswer(added=registered.added, updated=registered.updated)

    return routes


def _parsed(body: bytes, content_type: str) -> list[ListingInput]:
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == "text/csv":
            found = _MANY.validate_python(_rows(body))
        elif kind == "application/json":
            found = _MANY.validate_json(body if body.lstrip().startswith(b"[") else b"[" + body + b"]")
        else:
            raise RefusedError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "not-listings",
                f"Listings come as application/json or text/csv, not as {kind or 'nothing'}.",
            )
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error
    if not 1 <= len(found) <= _MOST:
        raise RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE if found else HTTPStatus.UNPROCESSABLE_ENTITY,
            "listings-count",
            f"{len(found):,} listings came; send 1 to {_MOST:,} at a time.",
        )
    return found


def _rows(body: bytes) -> list[dict[str, Any]]:
    """The rows of a CSV file; empty cells are as if they were not there."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_csv("it is not UTF-8") from error
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = [{key: value for key, value in row.items() if value or key is None} for row in reader]
    except csv.Error as error:
        raise _not_csv(str(error)) from error
    if any(None in row for row in rows):
        raise _not_csv("a row has more cells than the header")
    return rows


def _not_csv(why: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("body",), "msg": f"the CSV cannot be read: {why}", "type": "value_error"}])
