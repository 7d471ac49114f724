"""``/assets/…``: style sheets, scripts and pictures of the pages; their addresses change with their content."""

from http import HTTPStatus

from fastapi import APIRouter
from starlette.responses import FileResponse

from dentwatch.serving.access import ASSETS
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime
from dentwatch.web import pages

_FOR_GOOD = "public, max-age=31536000, immutable"


def router(_runtime: Runtime) -> APIRouter:
    """The route, which needs no key."""
    routes = APIRouter(include_in_schema=False)
    files = {file.name: file for file in pages.ASSETS.iterdir() if file.is_file()}

    @routes.get(ASSETS + "{digest}/{name}")
    async def asset(digest: str, name: str) -> FileResponse:
        file = files.get(name)
        if file is None or digest != pages.assets_digest():
            raise RefusedError(HTTPStatus.NOT_FOUND, "no-such-asset", "There is no such file; load the page anew.")
        return FileResponse(file, headers={"Cache-Control": _FOR_GOOD})

    return routes
