"""The service on PostgreSQL: several processes write at the same time, and answer as one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from rectangles import as_photo, rectangles_rgb
from running_service import serving, upload

from dentwatch.records.model_bundle import ModelBundle

PHOTO = as_photo(rectangles_rgb(640, 480, ("scratch", 100, 50, 120, 20)))


def test_a_request_that_comes_several_times_at_once_is_one_inspection(
    bundle: ModelBundle, tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DENTWATCH_DATABASE_URL", postgres.new_database())
    with (
        serving(bundle, tmp_path / "home", tmp_path / "log", workers=2) as service,
        ThreadPoolExecutor(8) as pool,
    ):
        for key in ("one", "two", "three"):
            asked = [
                pool.submit(service.inspect, upload("a.png", PHOTO), headers={"Idempotency-Key": key}) for _ in range(8)
            ]
            answers = [one.result() for one in asked]
            assert [answer.status_code for answer in answers] == [200] * 8
            assert len({answer.json()["id"] for answer in answers}) == 1
            assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
        assert len(service.client.get("/v1/inspections").json()["inspections"]) == 3
    assert "Traceback" not in (tmp_path / "log").read_text()
