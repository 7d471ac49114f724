"""Inspections that last: submitted, found again, answered later, talked about."""

import csv
import hashlib
import io
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from rectangles import as_photo, rectangles_rgb
from running_service import Service, assert_problem, serving, upload

from dentwatch.data.decoding import decode
from dentwatch.data.embedding import packed, photo_embedding
from dentwatch.data.statistics import photo_statistics
from dentwatch.records import inspections
from dentwatch.records.database import Database
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.inspection_answer import InspectionAnswer
from dentwatch.serving.routes.examples import INSPECTION


@pytest.fixture(scope="module")
def service(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("inspections")
    with serving(bundle, folder / "home", folder / "log", workers=2) as service:
        yield service


def _textured(seed: int, *rectangles: tuple[str, int, int, int, int]) -> np.ndarray:  # type: ignore[type-arg]
    """A photo with enough to see in it for the quality gate, and all of it darker than a rectangle."""
    rng = np.random.default_rng(seed)
    ground = Image.fromarray(rng.integers(0, 120, (96, 128, 3), np.uint8)).resize((640, 480), Image.Resampling.BICUBIC)
    rgb = np.minimum(np.asarray(ground), 120)
    drawn = rectangles_rgb(640, 480, *rectangles)
    return np.where((drawn > 128).any(axis=2, keepdims=True), drawn, rgb).astype(np.uint8)


def _photo(seed: int, *rectangles: tuple[str, int, int, int, int]) -> bytes:
    return as_photo(_textured(seed, *rectangles))


DAMAGED = _photo(1, ("scratch", 100, 50, 120, 20), ("dent", 300, 200, 60, 60))


def test_an_inspection_is_found_again_as_it_was_answered(service: Service) -> None:
    answered = service.inspect(
        upload("left.png", DAMAGED),
        upload("notes.txt", b"no photo"),
        vehicle_id="VIN-7",
        listing_id="L-7",
        channel="app",
        captured_at="2026-11-01T10:00:00+02:00",
    )
    inspection = answered.json()
    assert answered.headers["location"] == f"/v1/inspections/{inspection['id']}"
    assert service.client.get(answered.headers["location"]).json() == inspection
    InspectionAnswer.model_validate(inspection)
    assert inspection["captured_at"] == "2026-11-01T10:00:00+02:00"
    photo, failure = inspection["photos"]
    assert photo["photo_id"] == hashlib.sha256(DAMAGED).hexdigest()
    assert {one["label"] for one in photo["detections"]} == {"scratch", "dent"}
    assert failure["reason"] == "not_an_image"
    assert [damage["number"] for damage in inspection["damages"]] == [1, 2]
    assert {damage["seen"][0]["detection"] for damage in inspection["damages"]} == {
        one["id"] for one in photo["detections"]
    }
    assert inspection["price_effect"]["expected"] > 0
    assert not inspection["price_effect"]["reliable"]  # one of the photos could not be judged


def test_what_monitoring_measures_is_kept_beside_the_photo(service: Service) -> None:
    inspection = service.inspect(upload("left.png", DAMAGED)).json()
    with closing(Database(f"sqlite:///{service.home / 'dentwatch.db'}")) as database, database.reading() as connection:
        kept = inspections.find(connection, inspection["id"])
    assert kept is not None
    rgb = decode(DAMAGED, max_pixels=10**6).rgb
    assert kept.photos[0].embedding == packed(photo_embedding(rgb))
    assert kept.photos[0].statistics == asdict(photo_statistics(rgb))


def test_the_example_in_the_description_is_an_answer(service: Service) -> None:
    assert InspectionAnswer.model_validate(INSPECTION).model_dump(mode="json").keys() == INSPECTION.keys()
    shown = service.client.get("/openapi.json").json()["paths"]["/v1/inspections"]["post"]["responses"]["200"]
    example = shown["content"]["application/json"]["example"]
    assert example == {key: value for key, value in INSPECTION.items() if value is not None}


def test_the_same_damage_in_two_photos_counts_once(service: Service) -> None:
    rgb = _textured(3, ("scratch", 100, 50, 120, 20))
    moved = np.roll(rgb, (12, 30), axis=(0, 1))
    inspection = service.inspect(upload("a.png", as_photo(rgb)), upload("b.png", as_photo(moved))).json()
    assert [len(photo["detections"]) for photo in inspection["photos"]] == [1, 1]
    [damage] = inspection["damages"]
    assert [sight["photo"] for sight in damage["seen"]] == [0, 1]
    assert inspection["overlap"] == {"shown": [[0, 1]], "not_shown": []}
    elsewhere = service.inspect(
        upload("a.png", as_photo(rgb)), upload("c.png", _photo(4, ("scratch", 1, 50, 120, 20)))
    ).json()
    assert len(elsewhere["damages"]) == 2
    assert elsewhere["overlap"] == {"shown": [], "not_shown": [[0, 1]]}


def test_a_photo_that_was_submitted_for_another_vehicle_is_flagged(service: Service) -> None:
    data = _photo(5, ("dent", 300, 200, 60, 60))
    first = service.inspect(upload("a.png", data), vehicle_id="FIRST").json()
    again = service.inspect(upload("a.png", data), vehicle_id="FIRST").json()
    assert again["photos"][0]["reuse"] == []
    mirrored = as_photo(np.ascontiguousarray(_textured(5, ("dent", 300, 200, 60, 60))[:, ::-1]))
    for reused, kind, is_mirrored in ((data, "exact", False), (mirrored, "near", True)):
        [photo] = service.inspect(upload("b.png", reused), vehicle_id="SECOND").json()["photos"]
        assert {one["vehicle_id"] for one in photo["reuse"] if one["vehicle_id"] != "SECOND"} == {"FIRST"}
        found = photo["reuse"][0]
        assert (found["kind"], found["mirrored"]) == (kind, is_mirrored)
        assert found["inspection_id"] in (first["id"], again["id"])


def test_a_dark_photo_is_answered_and_neither_relied_on_nor_priced(service: Service) -> None:
    dark = as_photo(rectangles_rgb(640, 480, ("dent", 300, 200, 60, 60), level=140) // 8 * 8 // 1)
    black = as_photo(np.zeros((480, 640, 3), np.uint8))
    inspection = service.inspect(upload("black.png", black)).json()
    [photo] = inspection["photos"]
    assert not photo["quality"]["reliable"]
    assert all(reason["advice"] for reason in photo["quality"]["reasons"])
    assert inspection["price_effect"]["expected"] is None
    assert service.inspect(upload("dark.png", dark)).status_code == 200


def test_lists_are_filtered_and_turned_page_by_page(service: Service) -> None:
    ids = [
        service.inspect(
            upload("a.png", DAMAGED if n % 2 else _photo(n)), vehicle_id=f"LIST-{n % 3}", channel="list"
        ).json()["id"]
        for n in range(7)
    ]
    query: dict[str, Any] = {"channel": "list", "limit": 3}
    seen: list[str] = []
    while True:
        page = service.client.get("/v1/inspections", params=query).json()
        seen += [one["id"] for one in page["inspections"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == ids[::-1]

    def found(**wanted: object) -> list[str]:
        page = service.client.get("/v1/inspections", params={"channel": "list", **wanted}).json()
        return [one["id"] for one in page["inspections"]][::-1]

    assert found(vehicle_id="LIST-1") == [ids[1], ids[4]]
    assert found(damaged=True) == ids[1::2] == found(label="dent")
    assert found(damaged=False) == ids[::2]
    assert found(label="other") == []
    assert found(status="pending") == []
    assert found(since="2020-01-01T00:00:00Z", until="2020-01-02T00:00:00Z") == []
    for wrong in ({"cursor": "nonsense"}, {"limit": 0}, {"since": "yesterday"}, {"colour": "red"}):
        assert_problem(service.client.get("/v1/inspections", params=wrong), 422)


def test_a_request_that_is_sent_again_gets_the_first_answer(service: Service) -> None:
    key = {"Idempotency-Key": "once"}
    first = service.inspect(upload("a.png", DAMAGED), vehicle_id="V", headers=key)
    again = service.inspect(upload("a.png", DAMAGED), vehicle_id="V", headers=key)
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    for other in ({"vehicle_id": "W"}, {"vehicle_id": "V", "min_score": "0.5"}):
        assert_problem(service.inspect(upload("a.png", DAMAGED), headers=key, **other), 422, "key-reused")
    assert_problem(service.inspect(upload("b.png", DAMAGED), vehicle_id="V", headers=key), 422, "key-reused")
    assert len(service.client.get("/v1/inspections", params={"vehicle_id": "V"}).json()["inspections"]) == 1


def test_an_answer_can_be_fetched_later(service: Service) -> None:
    accepted = service.inspect(
        upload("a.png", DAMAGED), headers={"Prefer": "respond-async, wait=1", "Idempotency-Key": "later"}, channel="q"
    )
    assert accepted.status_code == 202
    assert accepted.headers["preference-applied"] == "respond-async"
    assert accepted.json()["status"] == "pending"
    done = _wait_for(service, accepted.headers["location"])
    direct = service.inspect(upload("a.png", DAMAGED), channel="q").json()
    assert [_without_ids(one) for one in done["damages"]] == [_without_ids(one) for one in direct["damages"]]
    assert done["channel"] == "q"
    replayed = service.inspect(
        upload("a.png", DAMAGED), headers={"Prefer": "respond-async", "Idempotency-Key": "later"}, channel="q"
    )
    assert replayed.status_code == 200  # it is done by now
    assert replayed.json() == done


def _without_ids(damage: dict[str, Any]) -> dict[str, Any]:
    return damage | {"seen": [sight["photo"] for sight in damage["seen"]]}


def _wait_for(service: Service, location: str) -> dict[str, Any]:
    for _ in range(100):
        inspection: dict[str, Any] = service.client.get(location).json()
        if inspection["status"] != "pending":
            return inspection
        time.sleep(0.1)
    raise AssertionError(f"{location} stays pending")


def test_photos_are_shown_without_what_the_camera_wrote(service: Service) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker's name"
    exif[0x0112] = 6
    written = io.BytesIO()
    Image.fromarray(_textured(8, ("dent", 300, 200, 60, 60))).save(written, "JPEG", exif=exif)
    location = service.inspect(upload("a.jpg", written.getvalue()), upload("b.txt", b"?")).headers["location"]
    shown = service.client.get(f"{location}/photos/0")
    assert shown.headers["content-type"] == "image/jpeg"
    assert b"maker" in written.getvalue()
    assert b"maker" not in shown.content
    same = decode(written.getvalue(), max_pixels=10**7).rgb
    assert np.array_equal(decode(shown.content, max_pixels=10**7).rgb, same)
    drawn = decode(service.client.get(f"{location}/photos/0/drawn").content, max_pixels=10**7).rgb
    assert drawn.shape == same.shape
    assert np.abs(drawn.astype(int) - same).max() > 100
    assert_problem(service.client.get(f"{location}/photos/1"), 422, "not-a-photo")
    assert_problem(service.client.get(f"{location}/photos/2"), 404, "no-such-photo")
    assert_problem(service.client.get(f"{location}/photos/-1"), 422)
    assert_problem(service.client.get("/v1/inspections/none/photos/0"), 404, "no-such-inspection")


def test_people_say_what_they_think(service: Service) -> None:
    answered = service.inspect(upload("a.png", DAMAGED), vehicle_id="OPINION")
    location, inspection = answered.headers["location"], answered.json()
    detection = inspection["photos"][0]["detections"][0]["id"]

    def post(what: str, document: dict[str, Any]) -> httpx.Response:
        return service.client.post(f"{location}/{what}", json=document)

    missed = {"photo": 0, "label": "dent", "x": 10, "y": 10, "width": 30, "height": 20}
    assert post("feedback", {"rating": 4, "comment": "quick"}).status_code == 201
    assert post("verdicts", {"verdict": "wrong", "detection": detection}).status_code == 201
    assert post("verdicts", {"verdict": "missed", "missed": missed}).status_code == 201
    assert post("disputes", {"reason": "that is dirt", "detection": detection}).status_code == 201

    said = service.client.get(f"{location}/opinions").json()
    assert [(one["rating"], one["comment"]) for one in said["feedback"]] == [(4, "quick")]
    assert [one["verdict"] for one in said["verdicts"]] == ["wrong", "missed"]
    assert said["verdicts"][1]["box"] == {"x": 10, "y": 10, "width": 30, "height": 20}
    assert [(one["reason"], one["status"]) for one in said["disputes"]] == [("that is dirt", "open")]

    assert_problem(post("feedback", {"rating": 6}), 422)
    assert_problem(post("verdicts", {"verdict": "right"}), 422)
    assert_problem(post("verdicts", {"verdict": "right", "detection": "none"}), 422, "no-such-detection")
    assert_problem(post("verdicts", {"verdict": "missed", "missed": missed | {"x": 639}}), 422, "box-outside")
    assert_problem(post("verdicts", {"verdict": "missed", "missed": missed | {"photo": 3}}), 422, "no-such-photo")
    assert_problem(post("verdicts", {"verdict": "missed", "missed": missed | {"label": "rust"}}), 422)
    assert_problem(post("disputes", {"reason": "no", "detection": detection}), 422)


def test_listings_are_registered_one_by_one_as_a_list_and_from_csv(service: Service) -> None:
    one = {"id": "L-1", "created_at": "2026-11-01T00:00:00Z", "vehicle_id": "VIN-1"}
    post = service.client.post
    assert post("/v1/listings", json=one).json() == {"added": 1, "updated": 0}
    assert post("/v1/listings", json=[one, one | {"id": "L-2"}]).json() == {"added": 1, "updated": 1}
    table = io.StringIO()
    rows = csv.DictWriter(table, ["id", "created_at", "channel", "closed_at"])
    rows.writeheader()
    rows.writerow({"id": "L-3", "created_at": "2026-11-02T00:00:00+01:00", "channel": "web, mobile"})
    headers = {"content-type": "text/csv; charset=utf-8"}
    assert post("/v1/listings", content=table.getvalue(), headers=headers).json() == {"added": 1, "updated": 0}

    [wrong] = assert_problem(post("/v1/listings", json=[one, {"id": "L-9"}]), 422)["errors"]
    assert wrong["field"] == "1.created_at"
    assert_problem(post("/v1/listings", content=b"id\n\xff", headers=headers), 422)
    assert_problem(post("/v1/listings", content=b"id,created_at\na,b,c", headers=headers), 422)
    assert_problem(post("/v1/listings", json=[]), 422, "listings-count")
    assert_problem(post("/v1/listings", content=json.dumps(one), headers={"content-type": "text/html"}), 415)


def test_it_says_whether_it_is_ready(bundle: ModelBundle, tmp_path: Path) -> None:
    with serving(bundle, tmp_path / "home", tmp_path / "log", min_free_bytes=1) as service:
        ready = service.client.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        kept = service.inspect(upload("a.png", DAMAGED)).headers["location"]
    with serving(bundle, tmp_path / "home", tmp_path / "log", min_free_bytes=10**18) as service:
        full = service.client.get("/readyz")
        assert (full.status_code, full.json()["ready"]) == (503, False)
        assert "disk" in full.json()["parts"]["photos"]
        refused = service.inspect(upload("a.png", DAMAGED))
        assert_problem(refused, 503, "cannot-keep-disk-full")
        assert refused.headers["retry-after"]
        assert service.client.get(kept).status_code == 200  # what can be answered is


def test_changes_of_a_vehicle_between_two_inspections(service: Service) -> None:
    ground = _textured(21)
    scratched = _textured(21, ("scratch", 100, 50, 120, 40))
    before = service.inspect(upload("a.png", as_photo(ground)), vehicle_id="CHANGES").json()
    assert_problem(service.client.get("/v1/vehicles/CHANGES/changes"), 404, "nothing-to-compare")
    after = service.inspect(upload("b.png", as_photo(scratched)), vehicle_id="CHANGES").json()
    found = service.client.get("/v1/vehicles/CHANGES/changes").json()
    assert (found["earlier_inspection"], found["later_inspection"]) == (before["id"], after["id"])
    assert [(one["status"], one["label"]) for one in found["changes"]] == [("new", "scratch")]
    turned = service.client.get(
        "/v1/vehicles/CHANGES/changes", params={"earlier": after["id"], "later": before["id"]}
    ).json()
    assert [one["status"] for one in turned["changes"]] == ["gone"]
    other = service.inspect(upload("c.png", DAMAGED), vehicle_id="OTHER").json()["id"]
    wrong = service.client.get("/v1/vehicles/CHANGES/changes", params={"earlier": other})
    assert_problem(wrong, 422, "not-comparable")


def test_the_condition_report_tells_what_the_inspection_found(service: Service) -> None:
    from pypdf import PdfReader

    answered = service.inspect(upload("left.png", DAMAGED), upload("notes.txt", b"?"), vehicle_id="VIN-REPORT")
    shown = service.client.get(f"{answered.headers['location']}/report.pdf")
    assert shown.headers["content-type"] == "application/pdf"
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(shown.content)).pages)
    for said in ("VIN-REPORT", answered.json()["id"], "scratch", "dent", "notes.txt"):
        assert said.lower() in text.lower()


def test_a_key_is_forgotten_in_time(bundle: ModelBundle, tmp_path: Path) -> None:
    key = {"Idempotency-Key": "once"}
    with serving(bundle, tmp_path / "home", tmp_path / "log") as service:
        first = service.inspect(upload("a.png", DAMAGED), headers=key).json()
    with serving(bundle, tmp_path / "home", tmp_path / "log", idempotency_hours=1e-6) as service:
        time.sleep(1)  # it looks for such keys when it starts
        again = service.inspect(upload("a.png", DAMAGED), headers=key)
        assert again.json()["id"] != first["id"]
        assert service.client.get(f"/v1/inspections/{first['id']}").json() == first
