"""A running service that speaks the contracts, and what ``dentwatch inspect`` says about the same photos."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from command import dentwatch
from fastapi import FastAPI
from rectangles import as_photo, rectangles_rgb

from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving import contracts, problems
from dentwatch.serving.body_limit import BodyLimit
from dentwatch.serving.contracts.operation import Guard
from dentwatch.serving.live_models import LiveModels
from dentwatch.serving.service import InspectionService
from dentwatch.settings import Settings


def scenes() -> list[bytes]:
    """Photos with two damages, one, and none; upright and turned, JPEG and PNG."""
    return [
        as_photo(rectangles_rgb(500, 700, ("scratch", 40, 30, 90, 20), ("dent", 200, 300, 100, 91)), 6, "JPEG"),
        as_photo(rectangles_rgb(640, 480, ("other", 10, 20, 333, 77))),
        as_photo(rectangles_rgb(320, 240)),
    ]


def inspected(photos: Sequence[bytes], bundle: ModelBundle, folder: Path, *options: str) -> list[dict[str, Any]]:
    """The lines of ``dentwatch inspect --json`` about ``photos``."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.photo" for number in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        path.write_bytes(photo)
    run = dentwatch("inspect", *paths, "--model", bundle.folder, "--json", *options)
    return [json.loads(line) for line in run.stdout.splitlines()]


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what may differ: the photo's name and the time it took."""
    return {key: value for key, value in answer.items() if key not in ("photo", "timing_ms")}


def application(bundle: ModelBundle, guard: Guard | None = None, **limits: int) -> tuple[FastAPI, InspectionService]:
    """The contracts over ``bundle``, and what answers for them; ``limits`` replace settings of serving."""
    settings = Settings()
    settings = settings.model_copy(update={"serving": settings.serving.model_copy(update=limits)})
    service = InspectionService(settings, LiveModels(settings, str(bundle.folder)))
    app = FastAPI()
    problems.install(app)
    app.add_middleware(BodyLimit, most=settings.serving.max_body_bytes)
    contracts.install(app, service, settings, guard)
    return app, service


@contextmanager
def serving(bundle: ModelBundle, guard: Guard | None = None, **limits: int) -> Iterator[httpx.Client]:
    """A client of a running :func:`application`."""
    app, service = application(bundle, guard, **limits)
    running = uvicorn.Server(uvicorn.Config(app, log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not running.started:
                assert thread.is_alive()
                time.sleep(0.01)
            with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as client:
                yield client
        finally:
            running.should_exit = True
            thread.join(30)
            service.close()
