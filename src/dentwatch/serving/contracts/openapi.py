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


def example(content: Mapping[str, Any]) -> dict[str, Any]:
    """A body that is a JSON object, shown by ``content``."""
    return {"schema": {"type": "object"}, "example": content}


def operation(
    tag: str, summary: str, *, errors: Mapping[str, Any], body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """An operation object: ``tag`` names the contract, ``body`` has the bodies it takes by media type."""
    described: dict[str, Any] = {
        "tags": [tag],
        "summary": summary,
        "responses": {
            "200": {"description": "OK"},
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
            paths.setdefault(path, {})[asked.method.lower()] = described
    build = app.openapi

    def openapi() -> dict[str, Any]:
        document = build()
        document["paths"].update(paths)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
