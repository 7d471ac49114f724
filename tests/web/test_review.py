"""The inspector's page: one photo after the other, judged with keys or fingers, never by two people."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from house import House
from rectangles import Rectangle
from running_service import assert_problem
from sqlalchemy import delete, select

from dentwatch.monitoring import review_plan
from dentwatch.monitoring.review_plan import Candidate
from dentwatch.records import opinions, tables
from dentwatch.records.annotations import Box
from dentwatch.records.monitoring_tables import review_items
from dentwatch.records.opinions import Dispute, Verdict

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCRATCH: Rectangle = ("scratch", 60, 60, 120, 40)
DENT: Rectangle = ("dent", 300, 200, 100, 100)


@pytest.fixture(autouse=True)
def _empty_queue(house: House) -> None:
    with house.database.writing() as connection:
        connection.execute(delete(review_items))


def plan(house: House, *photos: tuple[Rectangle, ...]) -> list[str]:
    """Inspections of one photo each, all of them to be reviewed, in this order."""
    made = [house.inspect(*rectangles)["id"] for rectangles in photos]
    for one in made:
        with house.database.writing() as connection:
            review_plan.plan(connection, [Candidate(one, 0)], share=1.0)
    return made


def verdicts(house: House, inspection_id: str) -> list[tuple[str, str | None, Box | None]]:
    """What counts of what was said: verdict, label and box of a missed damage."""
    with house.database.reading() as connection:
        rows = tables.verdicts
        query = select(rows).where(rows.c.inspection_id == inspection_id).order_by(rows.c.created_at)
        standing = opinions.standing(connection.execute(query))
    said = [
        (row.verdict, row.label, None if row.x is None else Box(row.x, row.y, row.width, row.height))
        for row in standing
    ]
    return sorted(said, key=lambda one: one[:2] if one[1] else (one[0], ""))


def spot(page: "Page", x: float, y: float) -> tuple[float, float]:
    """Where a place of the photo is on the screen."""
    at = page.evaluate(
        "([x, y]) => { const point = new DOMPoint(x, y).matrixTransform("
        "document.getElementById('canvas').getScreenCTM()); return [point.x, point.y]; }",
        [x, y],
    )
    return at[0], at[1]


def drag(page: "Page", start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*spot(page, *start))
    page.mouse.down()
    page.mouse.move(*spot(page, *end), steps=4)
    page.mouse.up()


def finger(page: "Page", start: tuple[float, float], end: tuple[float, float]) -> None:
    """A finger draws from one place of the photo to another."""
    touches = page.context.new_cdp_session(page)
    for kind, place in (("touchStart", start), ("touchMove", end), ("touchEnd", None)):
        points = [dict(zip("xy", spot(page, *place), strict=True))] if place else []
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_an_inspector_reviews_photos_with_the_keyboard_and_the_mouse(
    house: House, visit: Callable[..., "Page"]
) -> None:
    first, second, third = plan(house, (SCRATCH, DENT), (SCRATCH, DENT), ())
    page = visit("/review", role="inspector")
    page.get_by_role("link", name="Start reviewing").click()
    page.get_by_text("0 reviewed today, 3 left").wait_for()
    page.keyboard.press("Enter")  # nothing is judged yet
    page.get_by_text("2 boxes want a word").wait_for()
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.get_by_text("1 reviewed today, 2 left").wait_for()
    page.locator(".box-line.open").nth(1).wait_for()
    page.keyboard.press("Tab")  # the scratch
    page.keyboard.press("x")  # which chooses the dent, the next without a verdict
    drag(page, (350, 250), (360, 240))  # the dent lies a little to the right of its box
    page.keyboard.press("Escape")
    drag(page, (500, 300), (580, 400))
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    page.get_by_text("2 reviewed today, 1 left").wait_for()
    page.keyboard.press("n")  # nothing on it, and nothing to say
    page.get_by_text("No photo is left for you").wait_for()
    page.get_by_text("3 reviewed by you today").wait_for()
    page.wait_for_load_state("networkidle")
    assert verdicts(house, first) == [("right", None, None)] * 2
    said = verdicts(house, second)
    assert [one[:2] for one in said] == [("missed", "crack"), ("missed", "dent"), ("wrong", None), ("wrong", None)]
    crack, dent = said[0][2], said[1][2]
    assert crack is not None
    assert dent is not None
    assert abs(crack.x - 500) <= 2
    assert abs(crack.width - 80) <= 3
    assert (dent.width, dent.height) == (100, 100)
    assert abs(dent.x - 310) <= 2
    assert abs(dent.y - 190) <= 2
    assert verdicts(house, third) == []
    with house.database.reading() as connection:
        assert review_plan.count_open(connection) == {}


def test_a_phone_has_buttons_for_everything(house: House, visit: Callable[..., "Page"]) -> None:
    [one] = plan(house, (SCRATCH, DENT))
    page = visit("/review/editor", role="inspector", phone=True)
    page.locator(".box-line").nth(1).wait_for()
    page.touchscreen.tap(*spot(page, 120, 80))
    page.get_by_role("button", name="Delete").tap()
    page.get_by_role("button", name="Undo").tap()
    page.touchscreen.tap(*spot(page, 120, 80))
    page.locator("[data-label=crack]").tap()
    finger(page, (480, 300), (560, 380))
    page.locator(".box-line", has_text="crack").nth(1).wait_for()  # drawn with the label that was chosen last
    page.get_by_role("button", name="Zoom in").tap()
    page.get_by_role("button", name="Accept all").tap()
    page.get_by_role("button", name="Save, next").tap()
    page.get_by_text("No photo is left for you").wait_for()
    page.wait_for_load_state("networkidle")
    said = [given[:2] for given in verdicts(house, one)]
    assert said == [("missed", "crack"), ("missed", "crack"), ("right", None), ("wrong", None)]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_two_people_at_once_have_different_photos_and_one_left_is_free_again(
    house: House, visit: Callable[..., "Page"]
) -> None:
    plan(house, (SCRATCH,), (DENT,))
    ask = {"json": {"screen": "other"}, "headers": house.headers("admin")}
    page = visit("/review/editor", role="inspector")
    page.locator(".box-line").wait_for()
    page.wait_for_load_state("networkidle")  # the next one is fetched, and with it nothing is left for others
    assert house.service.client.post("/v1/reviews/next", **ask).json()["task"] is None
    page.keyboard.press("s")
    page.get_by_text("dent").nth(1).wait_for()
    page.wait_for_load_state("networkidle")
    theirs = house.service.client.post("/v1/reviews/next", **ask).json()["task"]
    assert theirs["detections"][0]["label"] == "scratch"
    number = theirs["review"]["number"]
    refused = house.service.client.post(f"/v1/reviews/{number}", json={}, headers=house.headers("inspector"))
    assert_problem(refused, 409, "not-reviewed")
    assert "key:admin has this photo" in refused.text
    queue = house.service.client.get("/review.json", headers=house.headers("inspector")).json()
    assert {one["item"]["number"]: one["holder"] for one in queue["waiting"]}[number] == "key:admin"


def test_what_was_saved_can_be_corrected_and_what_others_said_is_seen(
    house: House, visit: Callable[..., "Page"]
) -> None:
    first, _second = plan(house, (SCRATCH,), (DENT,))
    with house.database.writing() as connection:
        [detection] = connection.execute(
            select(tables.detections.c.id).where(tables.detections.c.inspection_id == first)
        ).scalars()
        opinions.add_dispute(connection, Dispute(first, "key:seller", "That is dirt", detection))
        opinions.add_verdict(connection, Verdict(first, "key:eve", "missed", None, 0, "dent", Box(10, 10, 50, 50)))
        review_plan.plan_disputed(connection)
    page = visit("/review/editor", role="inspector")
    page.get_by_text("A user objected").wait_for()
    said = page.get_by_text("What others said").locator("..")
    assert "key:seller: objects to box 1 (“That is dirt”)" in said.inner_text()
    assert "key:eve: a dent was missed" in said.inner_text()
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.get_by_text("1 reviewed today, 1 left").wait_for()
    page.keyboard.press("b")
    page.get_by_text("A user objected").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("x")  # it was dirt after all
    page.keyboard.press("Enter")
    page.get_by_text("Drawn at random").wait_for()
    page.wait_for_load_state("networkidle")
    assert [one[:2] for one in verdicts(house, first)] == [("missed", "dent"), ("wrong", None)]
    page.get_by_text("1 reviewed today, 1 left").wait_for()


def test_a_photo_that_somebody_else_has_is_not_shown(house: House, visit: Callable[..., "Page"]) -> None:
    plan(house, (SCRATCH,), (DENT,))
    taken = house.service.client.post("/v1/reviews/next", json={}, headers=house.headers("admin")).json()["task"]
    number = taken["review"]["number"]
    page = visit(f"/review/editor?number={number}", role="inspector", expects=("409",))
    page.get_by_text("key:admin has this photo on the screen.").wait_for()
    page.locator(".box-line", has_text="dent").wait_for()


def test_an_empty_queue_says_where_photos_come_from(house: House, visit: Callable[..., "Page"]) -> None:
    page = visit("/review", role="inspector")
    page.get_by_role("heading", name="Nothing to review").wait_for()
    assert house.service.client.get("/review.json", headers=house.headers("inspector")).json()["total"] == 0
    page = visit("/review/editor", role="inspector", phone=True)
    page.get_by_role("link", name="Back to the queue").nth(1).wait_for()
    seller = house.service.client.get("/review", headers={**house.headers("seller"), "Accept": "text/html"})
    assert seller.status_code == 403


def test_a_review_is_kept_once_however_often_it_is_sent(house: House) -> None:
    [one] = plan(house, (SCRATCH,))
    headers = house.headers("inspector")
    task: dict[str, Any] = house.service.client.post("/v1/reviews/next", json={}, headers=headers).json()["task"]
    path = f"/v1/reviews/{task['review']['number']}"
    review = {
        "verdicts": [{"detection": task["detections"][0]["id"], "verdict": "wrong"}],
        "missed": [{"label": "scratch", "x": 62, "y": 60, "width": 121.5, "height": 40}],
    }
    answers = [house.service.client.post(path, json=review, headers=headers) for _ in range(2)]
    assert answers[0].status_code == 200
    assert answers[0].text == answers[1].text
    assert len(verdicts(house, one)) == 2
    outside = {**review, "missed": [{"label": "dent", "x": 630, "y": 0, "width": 20, "height": 5}]}
    assert_problem(house.service.client.post(path, json=outside, headers=headers), 422, "review-unfit")
    assert_problem(house.service.client.post(path, content=json.dumps({"missed": 1}), headers=headers), 422)
