"""Admins: who did what, keys that are made once and revoked for good, and how everything is set."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from house import House
from running_service import assert_problem
from sqlalchemy import update

from dentwatch.records import api_keys, audit, tables
from dentwatch.settings import names

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_a_key_is_made_shown_once_given_a_password_and_revoked(
    house: House, visit: Callable[..., "Page"], phone: bool
) -> None:
    name = f"shop {phone}"
    page = visit("/settings", phone=phone)
    page.get_by_role("button", name="New key").click()
    page.locator("#new-key").get_by_label("Name").fill(name)
    page.locator("#new-key").get_by_label("Role").select_option("seller")
    page.get_by_role("button", name="Make it").click()
    page.locator("#made-key[open]").wait_for()
    key = page.locator("#made-key .secret").inner_text()
    assert house.service.client.get("/v1/inspections", headers={"X-API-Key": key}).status_code == 200
    page.get_by_role("button", name="Done").click()
    row = page.get_by_role("row").filter(has_text=name)
    row.wait_for()
    assert key not in page.content()

    row.get_by_role("button", name="Password").click()
    page.get_by_label("New password").fill("a long enough one")
    page.get_by_role("button", name="Set it").click()
    page.get_by_text("The password is set.").wait_for()

    row.get_by_role("button", name="Revoke").click()
    page.locator("#revoke").get_by_role("button", name="Revoke").click()
    row.get_by_text("revoked").wait_for()
    with house.database.reading() as connection:
        done = [entry.action for entry in audit.entries(connection, subject=name)]
    assert done == ["key.create", "key.password", "key.revoke"]


def test_a_name_that_is_taken_is_said_so(house: House, visit: Callable[..., "Page"]) -> None:
    page = visit("/settings", expects=("409",))
    page.get_by_role("button", name="New key").click()
    page.locator("#new-key").get_by_label("Name").fill("seller")
    page.get_by_role("button", name="Make it").click()
    page.get_by_text("There is a key named seller already.").wait_for()


def test_the_page_shows_every_setting_and_no_secret(house: House) -> None:
    shown = house.service.client.get("/settings.json", headers=house.headers("admin")).json()
    settings = {one["name"]: one for group in shown["groups"] for one in group["settings"]}
    assert settings.keys() == names().keys()
    assert settings["DENTWATCH_HOME"]["value"] == str(house.settings.home)
    assert all(one["about"] for one in settings.values())
    assert "digest" not in str(shown["keys"])


def test_only_admins_manage_keys(house: House) -> None:
    for role in ("viewer", "seller", "inspector", "engineer"):
        made = house.service.client.post("/v1/keys", json={"name": "x", "role": "admin"}, headers=house.headers(role))
        assert_problem(made, 403, "not-permitted")
        assert_problem(house.service.client.get("/settings.json", headers=house.headers(role)), 403)
    with house.database.reading() as connection:
        assert api_keys.named(connection, "x") is None


def test_nobody_to_tell_is_said_and_a_test_tells_nobody(house: House) -> None:
    page = house.service.client.get("/settings", headers={**house.headers("admin"), "Accept": "text/html"}).text
    assert "DENTWATCH_MONITORING__ALERT_URLS" in page
    tested = house.service.client.post("/v1/alerts/test", headers=house.headers("admin"))
    assert tested.json() == {"receivers": {}}


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_the_log_is_read_filtered_and_verified(house: House, visit: Callable[..., "Page"], phone: bool) -> None:
    page = visit("/audit", role="engineer", phone=phone)
    page.get_by_label("What", exact=True).fill("session.open")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/audit?*action=session.open*")
    actions = set(page.locator("tbody td:nth-child(4)").all_inner_texts())
    assert actions == {"session.open"}
    page.get_by_role("button", name="Verify the log").click()
    page.get_by_text("each as it was written").wait_for()


def test_entries_come_page_by_page(house: House) -> None:
    with house.database.writing() as connection:
        for number in range(60):
            audit.append(connection, "robot", "test.count", str(number), {"number": number})
    first = house.service.client.get("/audit.json?actor=robot", headers=house.headers("admin")).json()
    assert [entry["subject"] for entry in first["entries"]] == [str(number) for number in range(59, 9, -1)]
    path = f"/audit.json?actor=robot&action=&before={first['next']}"
    second = house.service.client.get(path, headers=house.headers("admin")).json()
    assert [entry["subject"] for entry in second["entries"]] == [str(number) for number in range(9, -1, -1)]
    assert second["next"] is None


def test_entries_since_a_day_are_found_and_exported_for_spreadsheets(house: House) -> None:
    with house.database.writing() as connection:
        audit.append(connection, "=cmd()", "test.export", "one, two", {"said": "ä"})
        for number in range(600):  # more than are read at a time
            audit.append(connection, "exporter", "test.export", str(number), {})
    client, headers = house.service.client, house.headers("admin")
    yesterday, later = (datetime.now(UTC).date() + timedelta(days=days) for days in (-1, 2))
    assert client.get(f"/audit.json?since={later}", headers=headers).json()["entries"] == []
    assert client.get(f"/audit.json?since={yesterday}&actor=exporter", headers=headers).json()["entries"]
    answer = client.get(f"/audit.csv?since={yesterday}&action=test.export", headers=headers)
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["subject"] for row in rows] == [*(str(number) for number in range(599, -1, -1)), "one, two"]
    assert (rows[-1]["actor"], json.loads(rows[-1]["details"])) == ("'=cmd()", {"said": "ä"})
    assert_problem(client.get("/audit.csv", headers=house.headers("inspector")), 403, "not-permitted")


def test_a_changed_log_is_found(house: House) -> None:
    with house.database.writing() as connection:
        [one] = audit.page(connection, limit=1)
        connection.execute(
            update(tables.audit_entries).where(tables.audit_entries.c.number == one.number).values(actor="nobody")
        )
    said = house.service.client.post("/v1/audit/verification", headers=house.headers("admin")).json()
    assert (said["intact"], said["mark"]) == (False, None)
    assert str(one.number) in said["problem"]
    with house.database.writing() as connection:
        connection.execute(
            update(tables.audit_entries).where(tables.audit_entries.c.number == one.number).values(actor=one.actor)
        )
