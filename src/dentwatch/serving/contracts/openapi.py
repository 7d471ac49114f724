"""What OpenAPI says about the contracts; FastAPI describes its own routes only."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from dentwatch.serving import problems

if TYPE_CHECKING:
    from dentwatch.serving.contracts.operation import Operation

BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
"""A body that is bytes."""

ERROR_OBJECT: dict[str, Any] = {
    "application/json": {
        "schema": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    }
}
"""``{"error": "…"}``, by media type."""

PROBLEM: dict[str, Any] = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
"""A problem document, by media type."""


PHOTO = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGMoAgAAdABznPQ6lgAAAABJRU5ErkJggg=="
"""A photo of one pixel in Base64, for examples that work when they are sent."""

_SECURITY: list[dict[str, list[str]]] = [{"Bearer": []}, {"X-API-Key": []}]  # the names are those of serving.access


def example(content: Mapping[str, Any]) -> dict[str, Any]:
    """A body that is a JSON object, shown by ``content``."""
    return {"schema": {"type": "object"}, "example": content}


def json_object(**fields: str) -> dict[str, Any]:
    """A JSON object by media type; ``fields`` are the ones it always has, with their types."""
    properties = {name: {"type": kind} for name, kind in fields.items()}
    return {"application/json": {"schema": {"type": "object", "required": list(fields), "properties": properties}}}


def operation(
    tag: str,
    summary: str,
    *,
    errors: Mapping[str, Any],
    answer: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """An operation object: ``tag`` names the contract.

    ``answer`` and ``body`` have what it answers and takes, ``errors`` how it refuses, by media type. Whatever the
    contract, who is turned away at the door gets a problem document.
    """
    errors = {**PROBLEM, **errors}
    described: dict[str, Any] = {
        "tags": [tag],
        "summary": summary,
        "responses": {
            "200": {"description": "OK", "content": answer} if answer else {"description": "OK"},
            "4XX": {"description": "The request cannot be answered", "content": errors},
            "5XX": {"description": "The service cannot answer now", "content": errors},
        },
    }
    if body:
        described["requestBody"] = {"required": True, "content": body}
    return described


def describe(app: FastAPI, operations: Iterable["Operation"]) -> None:
    """Add ``operations`` to the OpenAPI document of ``app``."""
    paths: dict[str, dict[str, Any]] = {}
    for asked in operations:
        for number, path in enumerate(asked.paths):
            names = re.findall(r"{(\w+)}", path)
            parameters = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ]
            identifier = f"{asked.name}-version" if number else asked.name
            described = {**asked.document, "operationId": identifier, "parameters": parameters}
            if not asked.health:
                described["security"] = _SECURITY
            paths.setdefault(path, {})[asked.method.lower()] = described
    build = app.openapi

    def openapi() -> dict[str, Any]:
        document = build()
        document["paths"].update(paths)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
