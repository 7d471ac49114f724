"""Signing in: with a key or a password, staying signed in, and nobody acting in another's name."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest
from house import PASSWORD, House
from running_service import assert_problem

from dentwatch.records import api_keys
from dentwatch.records.roles import Role
from dentwatch.serving.access import SESSION_COOKIE

if TYPE_CHECKING:
    from playwright.sync_api import Page

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


def test_a_visitor_signs_in_with_a_password_and_comes_where_they_wanted_to(visit: Callable[..., "Page"]) -> None:
    page = visit("/inspections?channel=app", role=None, phone=True)
    page.get_by_label("Name").fill("inspector")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/inspections?channel=app")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")


def test_a_seller_signs_in_with_a_key_and_sees_the_pages_for_sellers(
    house: House, visit: Callable[..., "Page"]
) -> None:
    page = visit("/", role=None)
    page.get_by_label("API key").fill(house.keys["seller"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/inspect")
    names = page.get_by_role("navigation").get_by_role("link").all_inner_texts()
    assert [name.strip() for name in names if name.strip() != "Dentwatch"] == ["New inspection", "Inspections"]


def test_what_is_wrong_is_said_on_the_page(house: House) -> None:
    for fields, said in (
        ({"name": "inspector", "password": "wrong password"}, "not right"),
        ({"name": "nobody", "password": PASSWORD}, "not right"),
        ({"name": "viewer", "password": PASSWORD}, "not right"),  # has a key, and no password
        ({"key": "dw_000000000000_" + 64 * "0"}, "unknown or was revoked"),
        ({}, "Give your name"),
    ):
        answer = house.service.client.post("/sign-in", data={**fields, "next": "/"}, headers=BROWSER)
        assert answer.status_code == 422
        assert said in answer.text
        assert SESSION_COOKIE not in answer.cookies


def test_guessing_passwords_is_slowed_down(house: House) -> None:
    tries = {"name": "admin", "password": "guess"}
    answers = [house.service.client.post("/sign-in", data=tries, headers=BROWSER).text for _ in range(12)]
    assert "tried too often" in answers[-1]


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://elsewhere.example"}, {}],
)
def test_pages_of_elsewhere_cannot_act_in_a_session(house: House, headers: dict[str, str]) -> None:
    with httpx.Client(base_url=house.url, cookies={SESSION_COOKIE: house.session("admin")}) as client:
        path = "/v1/inspections/none/feedback"
        assert_problem(client.post(path, json={"rating": 5}, headers=headers), 403, "not-from-here")
        for own in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": house.url}):
            assert_problem(client.post(path, json={"rating": 5}, headers=own), 404, "no-such-inspection")


def test_a_session_ends_with_its_key(house: House) -> None:
    with house.database.writing() as connection:
        made = api_keys.create(connection, "leaver", Role.VIEWER, "test")
    house.keys["leaver"] = made.text
    token = house.session("leaver")
    with house.database.writing() as connection:
        api_keys.revoke(connection, "leaver", "test")
    answer = house.service.client.get("/", headers={"Accept": "text/html", "Cookie": f"{SESSION_COOKIE}={token}"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2F")
    assert (
        house.service.client.get("/overview.json", headers={"Cookie": f"{SESSION_COOKIE}={token}"}).status_code == 401
    )


def test_nobody_is_sent_to_another_site_after_signing_in(house: House) -> None:
    for target in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "javascript:alert(1)"):
        fields = {"key": house.keys["viewer"], "next": target}
        answer = house.service.client.post("/sign-in", data=fields, headers=BROWSER)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "SameSite=lax" in answer.headers["set-cookie"]


def test_every_page_says_which_scripts_may_run_and_nothing_is_kept_by_caches(house: House) -> None:
    answer = house.service.client.get("/", headers={**house.headers("viewer"), "Accept": "text/html"})
    assert answer.status_code == 200
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    script = answer.text.split('src="', 1)[1].split('"', 1)[0]
    assert "immutable" in house.service.client.get(script).headers["cache-control"]


def test_what_is_not_there_or_not_allowed_is_said_in_plain_words(house: House) -> None:
    seller = {**house.headers("seller"), "Accept": "text/html"}
    missing = house.service.client.get("/nothing-here", headers=seller)
    assert missing.status_code == 404
    assert "There is nothing here" in missing.text
    refused = house.service.client.get("/audit", headers=seller)
    assert refused.status_code in (403, 404)
    assert refused.headers["content-type"].startswith("text/html")
