"""Annotated photos over HTTP: on the disk before they are answered, and nothing hostile gets in."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from batches import bench_of, carried_out, later, photo
from fastapi.testclient import TestClient
from photo_trees import zip_of
from rectangles import rectangle_graph, write_bundle
from running_service import assert_problem

from dentwatch import settings
from dentwatch.loop import annotation_routes, inbox
from dentwatch.loop.steps import Ask
from dentwatch.records import audit
from dentwatch.records.database import Database
from dentwatch.serving.api import create_app
from dentwatch.serving.runtime import Runtime

BATCH = zip_of({"a/1.png": photo(1), "a/2.png": photo(2), "a/3.png": photo(3)})


@pytest.fixture
def client(home: Path, tmp_path: Path) -> Iterator[TestClient]:
    bundle = write_bundle(tmp_path / "rectangles", rectangle_graph())
    app = create_app(Runtime(settings.load(), str(bundle.folder)), [annotation_routes.router])
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


def test_a_batch_is_kept_checked_and_followed(client: TestClient, home: Path) -> None:
    sent = client.post("/v1/annotations", params={"name": "march"}, content=BATCH)
    assert sent.status_code == 202
    batch = sent.json()["id"]
    assert sent.json()["state"] == "arriving"
    [kept] = (home / "inbox").glob("march-*.zip")
    assert kept.read_bytes() == BATCH
    with Database.of(settings.load()).reading() as connection:
        [entry] = audit.entries(connection, action="batch.send")
    assert (entry.subject, entry.details) == (batch, {"bytes": len(BATCH)})

    bench = bench_of(settings.load())
    assert inbox.pending_batches(bench.settings, bench.database, later(60)) == [batch]
    carried_out(bench, Ask("take-in", batch))
    shown = client.get(sent.headers["location"]).json()
    assert (shown["state"], shown["diff"]["photos_added"]) == ("taken", 3)
    assert shown["version"] and shown["checks"]


def test_the_same_batch_sent_twice_is_one(client: TestClient, home: Path) -> None:
    first, second = (client.post("/v1/annotations", content=BATCH).json() for _ in range(2))
    assert first == second
    assert len(files(home / "inbox")) == 1
    other = client.post("/v1/annotations", content=zip_of({"b.png": photo(4)})).json()
    assert other["id"] != first["id"]


def _bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(20_000_000))
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"no zip", "not a zip"),
        (b"", "not a zip"),
        (BATCH[:-40], "not a zip"),
        (zip_of({}), "no files"),
        (zip_of({"../../etc/passwd.png": b"x"}), "leads out"),
        (zip_of({"/etc/passwd.png": b"x"}), "leads out"),
        (_bomb(), "would expand"),
    ],
    ids=["text", "empty", "cut off", "no files", "path up", "path from the root", "bomb"],
)
def test_what_is_no_batch_is_refused_and_leaves_nothing(client: TestClient, home: Path, body: bytes, says: str) -> None:
    problem = assert_problem(client.post("/v1/annotations", content=body), 400, "not-a-batch")
    assert says in problem["detail"]
    assert not (home / "inbox").exists()


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "a" * 61, "a.zip"])
def test_a_name_that_is_no_name_of_a_file_is_refused(client: TestClient, home: Path, name: str) -> None:
    assert_problem(client.post("/v1/annotations", params={"name": name}, content=BATCH), 422)
    assert not (home / "inbox").exists()


def test_a_batch_that_does_not_exist_is_not_found(client: TestClient) -> None:
    assert_problem(client.get("/v1/annotations/march@123456789abc"), 404, "no-such-batch")
