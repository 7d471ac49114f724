"""What the service does when it is full, and when it fails."""

import asyncio
import threading
from pathlib import Path

import httpx
import pytest
from rectangles import as_photo, rectangles_rgb, uneven_graph, write_bundle

from dentwatch import settings
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.api import create_app
from dentwatch.serving.inspection import Photo
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.service import InspectionService
from dentwatch.settings import Settings

PHOTO = as_photo(rectangles_rgb(64, 64))


def _settings(**serving: int) -> Settings:
    loaded = settings.load()
    return loaded.model_copy(update={"serving": loaded.serving.model_copy(update=serving)})


def test_a_full_service_refuses_at_once_and_takes_more_when_there_is_room(home: Path, bundle: ModelBundle) -> None:
    asyncio.run(_fill(InspectionService(_settings(concurrency=1, queue=1), bundle)))


async def _fill(service: InspectionService) -> None:
    arrived = threading.Event()

    def arrive() -> bytes:
        assert arrived.wait(30)
        return PHOTO

    held = [asyncio.create_task(service.inspect([Photo(str(n), arrive)], None)) for n in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(RefusedError) as refusal:
        await service.inspect([Photo("late", arrive)], None)
    assert (refusal.value.status_code, refusal.value.kind) == (503, "busy")
    assert refusal.value.headers == {"Retry-After": "1"}
    arrived.set()
    assert [[answer.photo for answer in await task] for task in held] == [["0"], ["1"]]
    assert len(await service.inspect([Photo("again", arrive)], None)) == 1
    service.close()


def test_a_failure_of_ours_is_a_500_that_names_no_paths(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(_settings(), write_bundle(tmp_path / "uneven", uneven_graph()))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/v1/inspections", files={"photos": ("a.png", PHOTO)})

    response = asyncio.run(ask())
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "uneven" not in response.text
    assert "uneven" in caplog.text
