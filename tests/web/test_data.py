"""The pages about data: versions, what is in them, batches on their way in, and what a person has to decide."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from house import House
from photo_trees import zip_of
from rectangles import Rectangle, as_photo, rectangles_rgb
from running_service import assert_problem

from dentwatch.data.ingest import Ingest
from dentwatch.data.sources import open_source
from dentwatch.loop import journal
from dentwatch.loop.steps import Ask, Done
from dentwatch.loop.upload import keep_upload
from dentwatch.records import audit
from dentwatch.records.datasets import DatasetStore

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZE = (320, 240)


def annotated(*photos: tuple[str, tuple[Rectangle, ...], tuple[int, int]]) -> dict[str, bytes]:
    """Photos of rectangles with a COCO file about them: name, what is drawn, and by how much the boxes are off."""
    files, images, boxes = {}, [], []
    for number, (name, rectangles, (dx, dy)) in enumerate(photos, start=1):
        files[f"images/{name}"] = as_photo(rectangles_rgb(*SIZE, *rectangles, level=255 - number))
        images.append({"id": number, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
        boxes += [
            {
                "id": len(boxes) + place,
                "image_id": number,
                "category_id": 1 if label == "scratch" else 2,
                "bbox": [x + dx, y + dy, width, height],
            }
            for place, (label, x, y, width, height) in enumerate(rectangles, start=1)
        ]
    categories = [{"id": 1, "name": "scratch"}, {"id": 2, "name": "dent"}]
    coco = {"images": images, "annotations": boxes, "categories": categories}
    return {**files, "annotations.json": json.dumps(coco).encode()}


SCRATCHED = ("a.png", (("scratch", 40, 30, 90, 20),), (0, 0))
DENTED = ("b.png", (("dent", 100, 100, 60, 60),), (0, 0))
SOUND = ("c.png", (), (0, 0))


def ingest(house: House, folder: Path, files: dict[str, bytes]) -> str:
    """The version that the latest is after these files came in."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    source = open_source(str(folder))
    Ingest(house.settings, workers=1).run(source.photos())
    return DatasetStore(house.settings.dataset_store_url).get().id


@pytest.fixture(scope="module")
def versions(house: House, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two versions, the second of which another photo made, and a contradiction that waits."""
    folder = tmp_path_factory.mktemp("batches")
    first = ingest(house, folder / "one", annotated(SCRATCHED, DENTED))
    second = ingest(house, folder / "two", annotated(SCRATCHED, DENTED, SOUND))
    moved = (SCRATCHED[0], SCRATCHED[1], (60, 60))
    ingest(house, folder / "three", annotated(moved))
    return [first, second]


def test_before_there_is_data_the_page_says_what_to_do(house: House) -> None:
    answer = house.service.client.get("/data", headers={**house.headers("viewer"), "Accept": "text/html"})
    assert "No dataset version yet" in answer.text
    assert "Drop a zip" not in answer.text  # a viewer may not
    assert house.service.client.get("/data.json", headers=house.headers("viewer")).json()["versions"] == []
    missing = house.service.client.get("/data/0123456789ab.json", headers=house.headers("viewer"))
    assert_problem(missing, 404, "no-such-version")


def test_a_version_is_shown_with_its_figures_its_photos_and_what_it_changed(
    house: House, visit: Callable[..., "Page"], versions: list[str]
) -> None:
    page = visit("/data", role="viewer")
    page.get_by_role("link", name=versions[1][:12]).click()
    page.get_by_role("heading", name=f"Dataset version {versions[1][:12]}").wait_for()
    page.get_by_text("1 photo added, 0 photos changed, 0 photos removed.").wait_for()
    page.locator(".sample img").first.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    assert page.locator(".sample img").evaluate_all("all => all.map(one => one.naturalWidth)") == [320] * 3
    page.get_by_label("Label").select_option("dent")
    page.wait_for_url("**label=dent**")
    assert page.locator(".sample").count() == 1
    view: dict[str, Any] = house.service.client.get(f"/data/{versions[1]}.json", headers=house.headers("viewer")).json()
    assert view["difference"]["kinds"] == {"added": 1}
    assert sum(count for _, _, count in view["lighting"]) == 3
    phone = visit(f"/data/{versions[1]}", role="viewer", phone=True)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_photo_is_shown_only_where_it_is_in_the_version(house: House, versions: list[str]) -> None:
    store = DatasetStore(house.settings.dataset_store_url)
    ours = {row.name: row.photo_id for row in store.get(versions[1]).photos()}
    headers = house.headers("viewer")
    path = f"/v1/datasets/{versions[0]}/photos/{ours['images/a.png']}"
    shown = house.service.client.get(path, headers=headers)
    assert shown.content.startswith(b"\xff\xd8\xff")
    assert shown.headers["content-type"] == "image/jpeg"
    later = path.replace(ours["images/a.png"], ours["images/c.png"])
    assert_problem(house.service.client.get(later, headers=headers), 404, "no-such-photo")
    assert_problem(house.service.client.get(path, headers=house.headers("seller")), 403, "not-permitted")


def test_a_batch_is_sent_from_the_page_and_its_state_is_told(
    house: House, visit: Callable[..., "Page"], tmp_path: Path
) -> None:
    batch = tmp_path / "March of 2026.zip"
    batch.write_bytes(zip_of(annotated(DENTED)))
    page = visit("/data", role="inspector")
    page.locator("input[type=file]").set_input_files(batch)
    page.get_by_text("is here. It is checked and taken in soon").wait_for()
    page.locator(".batches li", has_text="March-of-2026-").get_by_text("arriving").wait_for()
    wrong = tmp_path / "wrong.zip"
    wrong.write_bytes(b"no zip")
    refused = visit("/data", role="inspector", phone=True, expects=("400",))
    refused.locator("input[type=file]").set_input_files(wrong)
    refused.get_by_text("is not a zip").wait_for()


def test_a_batch_in_quarantine_is_decided_on_with_a_reason(house: House, visit: Callable[..., "Page"]) -> None:
    batch = keep_upload(house.settings, "doubtful", zip_of(annotated(SOUND)))
    with house.database.writing() as connection:
        journal.ask(connection, Ask("take-in", batch.id, {}, f"take-in/{batch.id}"))
    quarantine(house, batch.id)
    page = visit("/data", role="inspector")
    line = page.locator(".batches li", has_text="doubtful-")
    line.get_by_text("quarantined").wait_for()
    line.get_by_label("Why").fill("labels are shuffled")
    line.get_by_role("button", name="Reject it").click()
    line.get_by_text("waiting").wait_for()
    with house.database.reading() as connection:
        [entry] = [one for one in audit.entries(connection) if one.action == "batch.reject"]
    assert (entry.actor, entry.subject, entry.details) == ("key:inspector", batch.id, {"reason": "labels are shuffled"})
    again = house.service.client.post(
        f"/v1/annotations/{batch.id}/decision",
        json={"decision": "release", "reason": "no"},
        headers=house.headers("inspector"),
    )
    assert_problem(again, 409, "not-in-quarantine")


def quarantine(house: House, batch_id: str) -> None:
    """What the loop does with a batch whose checks failed."""
    result = {"state": "quarantined", "text": "All boxes are alike.", "checks": []}
    with house.database.writing() as connection:
        step = journal.claim(connection, "test")
        assert step is not None
        assert step.subject == batch_id
        journal.finish(connection, step, "test", Done(result))


def test_a_contradiction_is_shown_on_the_photo_and_decided(
    house: House, visit: Callable[..., "Page"], versions: list[str]
) -> None:
    page = visit("/data/contradictions", role="inspector", phone=True)
    page.get_by_text("As it stands").first.wait_for()
    page.get_by_label("Why").fill("the box is where the scratch is not")
    page.get_by_role("button", name="The claim is right").tap()
    page.get_by_text("No annotations contradict each other").wait_for()
    latest = DatasetStore(house.settings.dataset_store_url).get()
    assert latest.id not in versions
    [row] = [one for one in latest.photos() if one.name == "images/a.png"]
    assert (row.annotations[0].box.x, row.annotations[0].box.y) == (100, 90)
    with house.database.reading() as connection:
        [entry] = [one for one in audit.entries(connection) if one.action == "contradiction.decide"]
    assert (entry.actor, entry.details["taken"]) == ("key:inspector", "claimed")


def test_what_was_set_aside_is_listed_with_its_reason(
    house: House, visit: Callable[..., "Page"], versions: list[str], tmp_path: Path
) -> None:
    ingest(house, tmp_path, {**annotated(DENTED), "images/broken.jpg": b"no photo"})
    page = visit("/data/set-aside", role="viewer")
    page.locator("td", has_text="broken.jpg").wait_for()
    view = house.service.client.get("/data/set-aside.json", headers=house.headers("viewer")).json()
    [reason] = [one["reason"] for one in view["entries"] if one["name"].endswith("broken.jpg")]
    page.get_by_label("Reason").select_option(reason)
    page.wait_for_url(f"**reason={reason}**")
