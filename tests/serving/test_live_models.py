"""Models change while they answer: champion, canary and shadow, and no request notices."""

import re
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
import tiny_model
from rectangles import as_photo
from running_service import Service, serving, upload
from scraped import Scraped

from dentwatch import settings
from dentwatch.records import model_failures
from dentwatch.records.database import Database
from dentwatch.records.model_failures import Failures
from dentwatch.records.quality_limits import QUALITY_NAME
from dentwatch.records.registry import Registry
from dentwatch.records.shadow_answers import of_inspection

PHOTO = as_photo(np.full((80, 100, 3), (250, 20, 120), np.uint8))
DIM = as_photo(np.full((80, 100, 3), (90, 20, 20), np.uint8))
_BOXES = {1: (8.0, 16.0, 40.0, 48.0), 2: (4.0, 4.0, 60.0, 30.0), 3: (20.0, 10.0, 50.0, 60.0)}


@pytest.fixture
def registry(home: Path, empty_tracking_database: Path, tmp_path: Path) -> Registry:
    """A registry with three versions, the first of them champion."""
    home.mkdir()
    shutil.copy(empty_tracking_database, home)
    registry = Registry(settings.load())
    for number, box in _BOXES.items():
        bundle = tiny_model.write_bundle(tmp_path / str(number), model=tiny_model.network(box))
        assert registry.register(bundle, aliases=()).number == number
    registry.promote(1, "the first", "test")
    return registry


def _until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def _model(service: Service) -> str:
    return str(service.client.get("/healthz").json()["model"])


def test_a_promotion_and_a_rollback_are_live_without_a_failed_request(
    registry: Registry, home: Path, tmp_path: Path
) -> None:
    with serving(None, home, tmp_path / "log", workers=2, follow_seconds=0.3) as service:
        seen: list[tuple[int, str]] = []
        over = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=service.document["address"], timeout=20) as client:
                while not over.is_set():
                    answer = client.post("/v1/inspections", files=[upload("a.png", PHOTO)])
                    seen.append((answer.status_code, answer.json()["model"]))

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        try:
            registry.promote(2, "better", "test")
            _until(lambda: {model for _, model in seen[-6:]} == {"dentwatch/2"})
            registry.rollback("worse after all", "test")
            _until(lambda: {model for _, model in seen[-6:]} == {"dentwatch/1"})
        finally:
            over.set()
            for asker in askers:
                asker.join()
        assert {status for status, _ in seen} == {200}
        assert {model for _, model in seen} == {"dentwatch/1", "dentwatch/2"}
        shown = Scraped.of(service)
        assert shown("dentwatch_model_swaps_total", role="champion") == 4  # two workers, there and back
        assert shown("dentwatch_model_info", role="champion", version="dentwatch/1") == 1
        assert shown("dentwatch_model_info", role="champion", version="dentwatch/2") == 0
        assert shown("dentwatch_registry_problem") == 0


def test_a_champion_that_cannot_be_loaded_leaves_the_old_one_in_place(
    registry: Registry, home: Path, tmp_path: Path
) -> None:
    with serving(None, home, tmp_path / "log", follow_seconds=0.2) as service:
        registry.promote(2, "better", "test")
        _until(lambda: _model(service) == "dentwatch/2")
        third = (tmp_path / "3" / "model.onnx").read_bytes()
        for path in home.rglob("model.onnx"):
            if path.read_bytes() == third:
                path.unlink()
        registry._client().set_registered_model_alias("dentwatch", "champion", "3")  # promote() would have refused
        _until(lambda: service.client.get("/readyz").json()["parts"]["registry"] != "ok")
        _until(lambda: Scraped.of(service)("dentwatch_registry_problem") == 1)
        assert service.client.get("/readyz").status_code == 200
        assert service.inspect(upload("a.png", PHOTO)).json()["model"] == "dentwatch/2"


def test_a_canary_answers_a_share_of_vehicles_and_always_the_same_ones(
    registry: Registry, home: Path, tmp_path: Path
) -> None:
    _challenge(registry, 2)
    with serving(None, home, tmp_path / "log", canary_share=0.3, follow_seconds=0.2) as service:
        vehicles = [f"VIN-{n}" for n in range(60)]

        def answered() -> list[str]:
            return [service.inspect(upload("a.png", PHOTO), vehicle_id=one).json()["model"] for one in vehicles]

        _until(lambda: "dentwatch/2" in answered()[:20])
        first = answered()
        assert 8 <= first.count("dentwatch/2") <= 28  # 18 expected; 99.7 % of draws lie within
        assert answered() == first
        assert service.inspect(upload("a.png", PHOTO)).json()["model"] == "dentwatch/1"  # nobody's photo


@pytest.fixture(params=["breaks down", "says NaN"])
def broken(request: pytest.FixtureRequest, registry: Registry, tmp_path: Path) -> str:
    """A challenger that can be loaded and registered, and fails on bright photos."""
    bundle = tiny_model.write_bundle(tmp_path / "broken", model=tiny_model.network(fault=request.param))
    return registry.register(bundle).reference


def _failures(model: str) -> Failures:
    with closing(Database.of(settings.load())) as database, database.reading() as connection:
        return model_failures.of(connection, model, datetime.now(UTC) - timedelta(hours=1))


def _failed(inspection_id: str) -> list[tuple[str, int | None]]:
    with closing(Database.of(settings.load())) as database, database.reading() as connection:
        return [(one.model, one.position) for one in model_failures.of_inspection(connection, inspection_id)]


_WHY = re.compile(r"ModelError: .*(failed on a batch of 1|answered with NaN)")


def test_where_the_canary_breaks_down_the_champion_answers(broken: str, home: Path, tmp_path: Path) -> None:
    with serving(None, home, tmp_path / "log", canary_share=1.0, follow_seconds=0.2) as service:
        _until(lambda: service.inspect(upload("dim.png", DIM), vehicle_id="VIN-1").json()["model"] == broken)
        answer = service.inspect(upload("dim.png", DIM), upload("a.png", PHOTO), vehicle_id="VIN-1")
        assert (answer.status_code, answer.json()["model"]) == (200, "dentwatch/1")
        assert len(answer.json()["photos"]) == 2
        damaged = service.inspect(upload("dim.png", DIM), upload("a.txt", b"no photo"), vehicle_id="VIN-1").json()
        assert damaged["model"] == broken, "a damaged photo is nobody's failure"
        prefer = {"Prefer": "respond-async"}
        later = service.inspect(upload("a.png", PHOTO), headers=prefer, vehicle_id="VIN-1").json()["id"]
        _until(lambda: service.client.get(f"/v1/inspections/{later}").json()["status"] == "done")
        assert service.client.get(f"/v1/inspections/{later}").json()["model"] == "dentwatch/1"
    found = _failures(broken)
    assert (found.photos, found.unloadable) == (2, None)
    assert _WHY.match(found.reason or "")
    assert [_failed(one) for one in (answer.json()["id"], later)] == [[(broken, None)]] * 2
    assert _failures("dentwatch/1") == Failures()


def test_what_the_shadow_breaks_down_on_is_counted_and_nobody_waits(broken: str, home: Path, tmp_path: Path) -> None:
    asked = []
    with serving(None, home, tmp_path / "log", shadow=True, follow_seconds=0.2) as service:

        def counted() -> bool:
            answer = service.inspect(upload("dim.png", DIM), upload("a.png", PHOTO))
            assert (answer.status_code, answer.json()["model"]) == (200, "dentwatch/1")
            asked.append(answer.json()["id"])
            return _failures(broken).photos >= 3

        _until(counted)
    assert _WHY.match(_failures(broken).reason or "")
    assert {place for one in asked for place in _failed(one)} == {(broken, 1)}


def test_what_the_champion_fails_on_is_counted_too(broken: str, registry: Registry, home: Path, tmp_path: Path) -> None:
    registry.promote(broken, "it looked well", "test")
    with serving(None, home, tmp_path / "log", follow_seconds=0.2) as service:
        assert service.inspect(upload("dim.png", DIM)).json()["model"] == broken
        assert service.inspect(upload("a.png", PHOTO)).status_code == 500
    assert _failures(broken).photos == 1
    assert _WHY.match(_failures(broken).reason or "")


def test_a_challenger_with_damaged_quality_limits_answers_nobody(
    registry: Registry, home: Path, tmp_path: Path
) -> None:
    bundle = tiny_model.write_bundle(tmp_path / "limits")
    (bundle.folder / QUALITY_NAME).write_text("{}")
    challenger = registry.register(bundle).reference
    with serving(None, home, tmp_path / "log", canary_share=1.0, follow_seconds=0.2) as service:
        _until(lambda: _failures(challenger).unloadable is not None)
        answer = service.inspect(upload("dim.png", DIM), vehicle_id="VIN-1")
        assert (answer.status_code, answer.json()["model"]) == (200, "dentwatch/1")


def _challenge(registry: Registry, number: int) -> None:
    registry._client().set_registered_model_alias("dentwatch", "challenger", str(number))


def test_a_shadow_sees_every_photo_and_is_not_heard(registry: Registry, home: Path, tmp_path: Path) -> None:
    _challenge(registry, 3)
    with (
        serving(None, home, tmp_path / "log", shadow=True, follow_seconds=0.2) as service,
        closing(Database.of(settings.load())) as database,
    ):

        def shadowed(inspection_id: str) -> list[str]:
            with database.reading() as connection:
                return [answer.model for answer in of_inspection(connection, inspection_id)]

        asked = []

        def is_watching() -> bool:
            asked.append(service.inspect(upload("a.png", PHOTO)).json()["id"])
            return any(map(shadowed, asked))

        _until(is_watching)
        answer = service.inspect(upload("a.png", PHOTO), upload("b.png", PHOTO), upload("c.txt", b"?")).json()
        assert answer["model"] == "dentwatch/1"
        _until(lambda: shadowed(answer["id"]) == ["dentwatch/3"] * 2)
        with database.reading() as connection:
            said = of_inspection(connection, answer["id"])[0]
        assert said.detections[0].label == "scratch"
        assert said.detections[0].box.xyxy != tuple(
            answer["photos"][0]["detections"][0][key] for key in ("x", "y", "width", "height")
        )
