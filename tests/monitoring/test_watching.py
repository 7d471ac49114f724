"""From photos sent over HTTP to an alert that arrives, and back: the whole of monitoring, with nothing replaced."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from command import dentwatch
from PIL import Image
from receiver import Receiver, receiving, until
from rectangles import rectangle_graph, write_bundle
from running_service import serving, upload
from starlette.testclient import TestClient

from dentwatch import settings
from dentwatch.monitoring import arming, routes
from dentwatch.monitoring.watcher import Watcher
from dentwatch.records.database import Database
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.api import create_app
from dentwatch.serving.runtime import Runtime

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return write_bundle(tmp_path_factory.mktemp("models") / "rectangles", rectangle_graph())


def photo(rng: np.random.Generator, stops: float = 0.0) -> bytes:
    """A small photo of nothing in particular; ``stops`` change its light."""
    scene = rng.normal(0.18, 0.04) + rng.normal(0, 0.09, (12, 16, 3)) + rng.normal(0, 0.03, (12, 16, 1))
    linear = np.kron(np.clip(scene, 0.002, 1), np.ones((8, 8, 1))) + rng.normal(0, 0.004, (96, 128, 3))
    encoded = np.clip(linear * 2.0**stops, 0, 1) ** (1 / 2.2)
    buffer = BytesIO()
    Image.fromarray((encoded * 255).astype(np.uint8)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


class Traffic:
    """A service in this process that gets photos of one vehicle after the other, from two channels in turn."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.rng = np.random.default_rng(5)
        self.minutes = 0

    def send(self, vehicles: int, dark: str = "") -> None:
        for _ in range(vehicles):
            channel = ("app", "web")[self.minutes % 2]
            stops = -1.6 if channel == dark else 0.0
            files = [upload(f"{number}.jpg", photo(self.rng, stops)) for number in range(2)]
            at = (NOON + timedelta(minutes=self.minutes)).isoformat()
            fields = {"channel": channel, "captured_at": at, "vehicle_id": f"V{self.minutes}"}
            assert self.client.post("/v1/inspections", files=files, data=fields).status_code == 200
            self.minutes += 1


@contextmanager
def watched(model: ModelBundle, receiver: Receiver) -> Iterator[tuple[Traffic, Watcher]]:
    loaded = settings.load()
    urls = f"json://{receiver.url.removeprefix('http://')}/"
    monitoring = loaded.monitoring.model_copy(update={"alert_urls": settings.SecretStr(urls), "one_in": 100_000})
    loaded = loaded.model_copy(update={"monitoring": monitoring})
    app = create_app(Runtime(loaded, str(model.folder)), [routes.router])
    with (
        TestClient(app, base_url="http://localhost") as client,
        closing(Database.of(loaded)) as database,
    ):
        watcher = Watcher(loaded, database, str(model.folder))
        try:
            yield Traffic(client), watcher
        finally:
            stopped = threading.Event()
            stopped.set()
            watcher.run(stopped)


def catch_up(watcher: Watcher) -> None:
    while watcher.step():
        pass


def test_darkness_on_one_channel_is_told_and_its_end_too(
    home: Path, model: ModelBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arming, "WARM_UP_PHOTOS", 400)
    with receiving() as receiver, watched(model, receiver) as (traffic, watcher):
        traffic.send(200)
        catch_up(watcher)
        drift = traffic.client.get("/v1/monitoring/drift").json()
        assert (drift["updates"], drift["behind"], drift["problem"]) == (200, 0, "")
        assert drift["reference"]["source"] == "traffic"
        assert drift["reference"]["vehicles"] <= 200

        traffic.send(40)
        catch_up(watcher)
        assert traffic.client.get("/v1/incidents").json()["incidents"] == []

        traffic.send(40, dark="app")
        catch_up(watcher)
        [incident] = traffic.client.get("/v1/incidents").json()["incidents"]
        assert (incident["cause"], incident["slice"], incident["state"]) == ("dark", "channel=app", "open")
        assert incident["summary"].startswith("Photos from channel app have been about 1.")
        assert "stops darker since 16:0" in incident["summary"]  # 240 minutes after noon
        assert incident["summary"].endswith("UTC; other channels are unchanged.")
        until(lambda: len(receiver.requests) == 1, 60)
        told = json.loads(receiver.requests[0].body)
        assert incident["summary"] in told["message"]

        acknowledged = traffic.client.post(f"/v1/incidents/{incident['id']}/acknowledge", json={"text": "A lamp?"})
        assert acknowledged.json()["state"] == "acknowledged"

        traffic.send(160)
        catch_up(watcher)
        shown = traffic.client.get(f"/v1/incidents/{incident['id']}").json()
        assert shown["state"] == "resolved"
        kinds = [event["kind"] for event in shown["timeline"]]
        assert kinds[0] == "opened"
        assert kinds[-1] == "resolved"
        assert "acknowledged" in kinds
        until(lambda: len(receiver.requests) == 2, 60)
        assert "resolved" in json.loads(receiver.requests[1].body)["title"]

        reviews = traffic.client.get("/v1/reviews?limit=200").json()["reviews"]
        assert "drifted" in {one["reason"] for one in reviews}


def test_serve_watches_beside_its_workers_and_only_one_watches(
    home: Path, model: ModelBundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DENTWATCH_MONITORING__ENABLED", "true")
    monkeypatch.setenv("DENTWATCH_MONITORING__LOOK_SECONDS", "0.1")
    rng = np.random.default_rng(5)

    def status() -> dict[str, object]:
        found: dict[str, object] = json.loads(dentwatch("monitor", "status", "--json").stdout)
        return found

    with serving(model, home, tmp_path / "log") as one, serving(model, home, tmp_path / "log") as other:
        for service in (one, other):
            for _ in range(3):
                assert service.inspect(upload("a.jpg", photo(rng))).status_code == 200
        until(lambda: status()["inspections_seen"] == 6, 120)
        said = status()
        assert said["watching"] is True
        assert said["inspections_behind"] == 0
        assert str(said["problem"]).startswith("Warming up on traffic: ")
        exposed = [service.client.get("/metrics").text for service in (one, other)]
        assert any("dentwatch_drift_armed 0.0" in text for text in exposed)
    assert status()["watching"] is False  # the lease was let go, so that another need not wait for it


def test_replay_tells_when_the_lamps_were_changed(home: Path, model: ModelBundle, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for folder, count, change in (("before", 400, 400), ("after", 60, 30)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            data = photo(rng, -1.6 if number >= change else 0.0)
            (tmp_path / folder / f"v{number // 2:03}_{number % 2}.jpg").write_bytes(data)
    said = dentwatch(
        "monitor", "replay", tmp_path / "after", "--reference", tmp_path / "before", "--model", model.folder,
        "--by-vehicle", "^(v[0-9]+)_", "--one-in", "100000", "--json",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert found["inspections"] == 30
    first = found["notices"][0]
    assert first["cause"] == "dark"
    assert 16 <= first["at"] <= 26  # vehicle 15 is the sixteenth, and the first in the dark
    assert "stops darker since number 1" in first["text"]
