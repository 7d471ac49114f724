"""Sellers: photos taken view by view, judged at once, sent, answered, rated and disputed, on a phone and at a desk."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from house import House
from PIL import Image
from running_service import assert_problem

from dentwatch.records import opinions

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_from_the_first_photo_to_a_dispute(
    house: House, visit: Callable[..., "Page"], photo_of: Callable[..., Path], phone: bool
) -> None:
    page = visit("/inspect", role="seller", phone=phone)
    page.get_by_label("Vehicle").fill("VIN-7")
    page.get_by_label("Photo: Front", exact=True).set_input_files(photo_of("front.png", ("scratch", 60, 80, 160, 90)))
    page.get_by_label("Photo: Rear", exact=True).set_input_files(photo_of("rear.png"))
    page.get_by_text("2 of 8 taken; still missing: front right").wait_for()
    page.get_by_role("button", name="Inspect").click()
    page.wait_for_url("**/inspections/*")
    assert page.get_by_role("heading", level=1).inner_text() == "VIN-7"
    assert page.locator(".summary .big").first.inner_text() == "1"
    identity = page.url.rsplit("/", 1)[-1]

    page.get_by_role("button", name="Look closer at front-front.png").click()
    page.get_by_role("button", name="Larger").click()
    assert page.locator("#looker .box").is_visible()
    page.get_by_role("button", name="Show boxes").click()
    assert not page.locator("#looker .box").is_visible()
    page.get_by_role("button", name="Close", exact=True).click()

    page.locator("label[for=star-4]").click()
    page.get_by_label("Comment").fill("Quick.")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Rated 4 of 5").wait_for()

    page.get_by_role("button", name="This is wrong").click()
    page.get_by_label("What is wrong?").fill("It is a reflection.")
    page.locator("#dispute").get_by_role("button", name="Send").click()
    page.get_by_text("“It is a reflection.” (open)").wait_for()
    with house.database.reading() as connection:
        feedback, _, disputes = opinions.of_inspection(connection, identity)
    assert [(one.rating, one.comment) for one in feedback] == [(4, "Quick.")]
    assert [(one.reason, one.actor) for one in disputes] == [("It is a reflection.", "key:seller")]

    page.goto(f"{house.url}/inspections?vehicle_id=VIN-7&channel=&damaged=true")
    page.get_by_role("link", name="VIN-7").first.click()
    page.wait_for_url(f"**/inspections/{identity}" if phone else "**/inspections/*")


def test_a_photo_is_judged_while_the_car_is_still_there(
    visit: Callable[..., "Page"], photo_of: Callable[..., Path]
) -> None:
    page = visit("/inspect", role="seller", phone=True)
    view = page.locator("[data-view='Front']")
    night = photo_of("night.png")
    Image.new("RGB", (640, 480), (4, 4, 5)).save(night)
    view.locator("input").set_input_files(night)
    view.get_by_text("Take it again").wait_for()
    assert "light" in view.locator(".advice").inner_text()
    noise = photo_of("notes.png")
    noise.write_bytes(b"no photo at all")
    view.locator("input").set_input_files(noise)
    view.get_by_text("Cannot be used").wait_for()
    view.get_by_role("button", name="Remove the photo: Front").click()
    assert page.get_by_role("button", name="Inspect").is_disabled()


def test_the_service_away_keeps_the_photos_and_a_second_try_is_one_inspection(
    house: House, visit: Callable[..., "Page"], photo_of: Callable[..., Path]
) -> None:
    page = visit("/inspect", role="seller", expects=("net::ERR", "Failed to load"))
    page.get_by_label("Vehicle").fill("VIN-AWAY")
    page.locator("#drop input").set_input_files([photo_of("a.png"), photo_of("b.png", ("dent", 10, 10, 90, 90))])
    page.get_by_text("2 photos").wait_for()
    keys: list[str] = []

    def fail_once(route: "Route") -> None:
        keys.append(route.request.headers["idempotency-key"])
        route.abort() if len(keys) == 1 else route.continue_()

    page.route("**/v1/inspections", fail_once)
    page.get_by_role("button", name="Inspect").click()
    page.get_by_text("Your photos are still here").wait_for()
    page.get_by_role("button", name="Inspect").click()
    page.wait_for_url("**/inspections/*")
    assert len(keys) == 2
    assert len(set(keys)) == 1  # had the first one arrived after all, it would have been answered again, not kept twice
    listed = house.service.client.get(
        "/v1/inspections", params={"vehicle_id": "VIN-AWAY"}, headers=house.headers("seller")
    )
    assert len(listed.json()["inspections"]) == 1


def test_a_photo_is_checked_without_anything_being_kept(house: House, photo_of: Callable[..., Path]) -> None:
    before = house.service.client.get("/v1/inspections", headers=house.headers("admin")).json()
    client, headers = house.service.client, house.headers("seller")
    good = client.post("/v1/photo-checks", content=photo_of("good.png", size=(800, 600)).read_bytes(), headers=headers)
    assert (good.json()["readable"], good.json()["width"]) == (True, 800)
    night = photo_of("dark.png")
    Image.new("RGB", (640, 480), (4, 4, 5)).save(night)
    dark = client.post("/v1/photo-checks", content=night.read_bytes(), headers=headers).json()
    assert "too_dark" in [reason["reason"] for reason in dark["quality"]["reasons"]]
    assert all(reason["advice"] for reason in dark["quality"]["reasons"])
    text = client.post("/v1/photo-checks", content=b"text", headers=headers).json()
    assert (text["readable"], text["quality"]["reliable"]) == (False, False)
    assert_problem(client.post("/v1/photo-checks", content=b"x", headers=house.headers("viewer")), 403, "not-permitted")
    assert house.service.client.get("/v1/inspections", headers=house.headers("admin")).json() == before


def test_sellers_see_their_own_in_the_list_and_on_the_page(house: House) -> None:
    own = house.inspect(("dent", 20, 20, 100, 100), vehicle_id="VIN-OWN", role="seller")
    others = house.inspect(vehicle_id="VIN-OWN", role="inspector")
    client, seller = house.service.client, house.headers("seller")
    listed = client.get("/inspections.json", params={"vehicle_id": "VIN-OWN"}, headers=seller).json()
    assert [one["id"] for one in listed["inspections"]] == [own["id"]]
    shown = client.get(f"/inspections/{own['id']}.json", headers=seller).json()
    assert shown["inspection"]["damages"][0]["label"] == "dent"
    assert shown["others"] == []
    assert_problem(client.get(f"/inspections/{others['id']}.json", headers=seller), 404, "no-such-inspection")
    everybody = client.get(f"/inspections/{own['id']}.json", headers=house.headers("inspector")).json()
    assert [one["id"] for one in everybody["others"]] == [others["id"]]


def test_an_empty_list_says_what_to_do_next(house: House) -> None:
    page = house.service.client.get("/inspections?vehicle_id=nobody", headers=house.headers("admin")).text
    assert "Nothing matches" in page


def test_small_pictures_are_small_and_keep_their_shape(house: House) -> None:
    one = house.inspect(size=(800, 400), vehicle_id="VIN-WIDE")
    path = f"/v1/inspections/{one['id']}/photos/0"
    small = house.service.client.get(path, params={"side": 128}, headers=house.headers("seller"))
    assert small.headers["content-type"] == "image/jpeg"
    assert small.headers["cache-control"].startswith("private")
    with Image.open(BytesIO(small.content)) as picture:
        assert picture.size == (128, 64)
    assert_problem(house.service.client.get(path, params={"side": 9}, headers=house.headers("seller")), 422)


def test_two_inspections_of_a_vehicle_are_compared_on_the_page(house: House, visit: Callable[..., "Page"]) -> None:
    house.inspect(vehicle_id="VIN-TWICE")
    later = house.inspect(("dent", 100, 100, 80, 80), vehicle_id="VIN-TWICE")
    page = visit(f"/inspections/{later['id']}", role="seller")
    page.get_by_role("button", name="Compare").click()
    page.locator("#changes .pill").wait_for()
    assert page.locator("#changes li").inner_text() == "not comparable dent: no other photo shows this place"
