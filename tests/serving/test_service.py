"""What the service does when it is full, and when it fails."""

import asyncio
import weakref
from pathlib import Path
from typing import Any

import httpx
import pytest
from rectangles import as_photo, rectangles_rgb, uneven_graph, write_bundle
from running_service import assert_problem
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dentwatch import settings
from dentwatch.errors import ModelError
from dentwatch.records.inspections import KeptInspection
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.api import create_app
from dentwatch.serving.form import Form, read_form
from dentwatch.serving.room import Room
from dentwatch.serving.routes import inspections
from dentwatch.serving.runtime import Runtime

PHOTO = as_photo(rectangles_rgb(64, 64))


async def _length(request: Request) -> PlainTextResponse:
    size = len(await request.body())
    await asyncio.sleep(0.05)
    return PlainTextResponse(str(size))


def _client(most: int, most_bytes: int) -> httpx.AsyncClient:
    app = Starlette(routes=[Route("/", _length, methods=["POST", "GET"])])
    transport = httpx.ASGITransport(Room(app, most, most_bytes))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


def test_a_full_service_refuses_at_once_and_takes_more_when_there_is_room() -> None:
    async def fill() -> None:
        async with _client(most=2, most_bytes=1000) as client:
            answers = await asyncio.gather(*(client.post("/", content=b"x") for _ in range(3)), client.get("/"))
            assert [answer.status_code for answer in answers] == [200, 200, 503, 200]
            assert_problem(answers[2], 503, "busy")
            assert answers[2].headers["retry-after"] == "1"
            assert (await client.post("/", content=b"x")).status_code == 200

    asyncio.run(fill())


@pytest.mark.parametrize("declared", [True, False])
def test_what_requests_hold_together_is_bounded(declared: bool) -> None:
    async def fill() -> None:
        async def pieces() -> "asyncio.AsyncIterator[bytes]":  # type: ignore[name-defined]
            for _ in range(6):
                yield bytes(100)
                await asyncio.sleep(0)

        async with _client(most=10, most_bytes=1000) as client:
            bodies = [bytes(600) if declared else pieces() for _ in range(3)]
            answers = await asyncio.gather(*(client.post("/", content=body) for body in bodies))
            assert 503 in [answer.status_code for answer in answers]
            assert 200 in [answer.status_code for answer in answers]
            large = await client.post("/", content=bytes(5000))  # alone it may be as large as it likes
            assert large.text == "5000"

    asyncio.run(fill())


def test_a_failure_of_ours_is_a_500_that_names_no_paths(
    home: Path, bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = Runtime(settings.load(), str(bundle.folder))

    async def fail(*_: object) -> None:
        raise RuntimeError("/a/secret/path")

    monkeypatch.setattr(runtime.intake, "answer", fail)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(runtime), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/v1/inspections", files={"photos": ("a.png", PHOTO)})

    response = asyncio.run(ask())
    problem = assert_problem(response, 500)
    assert "secret" not in str(problem)
    assert "secret" in caplog.text
    asyncio.run(runtime.close())


def test_a_photo_that_was_looked_at_and_stored_holds_no_memory_while_its_request_waits(
    home: Path, bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(settings.load(), str(bundle.folder))
    came: list[weakref.ref[memoryview]] = []
    left: list[int] = []

    async def watched(*arguments: Any) -> Form:
        form = await read_form(*arguments)
        came.extend(weakref.ref(upload.data) for upload in form.files["photos"] if isinstance(upload.data, memoryview))
        return form

    def put_together(*arguments: Any) -> KeptInspection:
        left.append(sum(one() is not None for one in came))
        return together(*arguments)

    together = runtime.intake.put_together
    monkeypatch.setattr(inspections, "read_form", watched)
    monkeypatch.setattr(runtime.intake, "put_together", put_together)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/v1/inspections", files=[("photos", (name, PHOTO)) for name in "ab"])

    assert asyncio.run(ask()).json()["status"] == "done"
    assert (len(came), left) == (2, [0])
    asyncio.run(runtime.close())


def test_a_model_that_breaks_the_contract_is_refused_before_anything_is_served(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        Runtime(settings.load(), str(write_bundle(tmp_path / "uneven", uneven_graph()).folder))
