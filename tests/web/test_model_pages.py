"""Engineers: which model is best, where it comes from, two on the same photos, and a person's word on them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tiny_model
from house import House
from running_service import assert_problem

from dentwatch.records import audit, rollouts
from dentwatch.records.registry import Registry
from dentwatch.records.registry_view import view

if TYPE_CHECKING:
    from playwright.sync_api import Page


def _thresholds(number: int) -> dict[str, float]:
    return {"scratch": 0.05 if number == 1 else 0.99, "dent": 0.99}


@pytest.fixture(scope="module", autouse=True)
def registered(house: House, empty_tracking_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Two versions with figures, the second of which is on its way."""
    folder = tmp_path_factory.mktemp("registered")
    shutil.copy(empty_tracking_database, house.settings.home)
    registry = Registry(house.settings)
    for number, ap50 in ((1, 0.31), (2, 0.42)):
        metrics = {"val/ap50": ap50, "val/precision": 0.6, "val/recall": 0.4, "test/ap50": ap50 - 0.02}
        registry.register(
            tiny_model.write_bundle(folder / str(number), thresholds=_thresholds(number), metrics=metrics)
        )
        registry.bundle(number)  # its files are here, as where it has served
    with house.database.writing() as connection:
        rollouts.begin(connection, "dentwatch/2", "approval", 0.1)
    house.inspect(("scratch", 60, 80, 160, 90), vehicle_id="VIN-1")
    return registry


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_the_best_stands_out_and_leads_to_where_it_comes_from(visit: Callable[..., "Page"], phone: bool) -> None:
    page = visit("/models", role="viewer", phone=phone)
    rows = page.locator("table.leaderboard tbody tr")
    assert "dentwatch/2" in rows.nth(0).inner_text()
    assert rows.nth(0).locator("b").first.inner_text() == "40.0 %"  # of test, not val
    assert page.get_by_role("button", name="Approve").count() == 0  # viewers look
    page.get_by_role("link", name="dentwatch/2").first.click()
    page.wait_for_url("**/models/2")
    lineage = page.locator(".lineage").inner_text()
    assert "5d1f00aa" in lineage  # the dataset version
    assert "dentwatch/2" in lineage


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_two_models_are_seen_on_the_same_photos(visit: Callable[..., "Page"], phone: bool) -> None:
    page = visit("/models/compare?a=1&b=2", role="inspector", phone=phone)
    assert page.locator(".pair figcaption b").all_inner_texts() == ["dentwatch/1", "dentwatch/2"]
    figures = page.locator(".pair figcaption span").all_inner_texts()
    assert figures == ["1 detection", "0 detections"]  # of the same photo, since the second wants a higher score
    page.get_by_label("Left").select_option("starter")
    page.wait_for_url("**/models/compare?a=starter&b=2")


def test_a_person_approves_a_rollout_with_a_reason(house: House, visit: Callable[..., "Page"]) -> None:
    page = visit("/models", role="engineer")
    page.get_by_label("Reason").fill("The gate's report looks right.")
    page.get_by_role("button", name="Approve").click()
    page.get_by_text("approved by key:engineer").wait_for()
    with house.database.reading() as connection:
        rollout = rollouts.find(connection, "dentwatch/2")
    assert rollout is not None
    assert (rollout.decision, rollout.reason) == ("approved", "The gate's report looks right.")


def test_a_model_is_promoted_and_rolled_back_on_a_persons_word(house: House, visit: Callable[..., "Page"]) -> None:
    for number in (1, 2):
        page = visit(f"/models/{number}", role="engineer")
        page.context.set_default_timeout(60_000)  # the registry takes its time
        page.get_by_role("button", name="Promote").click()
        page.get_by_label("Why?").fill(f"For the test of {number}.")
        page.locator("#promote").get_by_role("button", name="Promote").click()
        page.locator("h1 + p .pill.good").wait_for()
    page = visit("/models", role="engineer")
    page.context.set_default_timeout(60_000)
    page.get_by_role("button", name="Roll back").click()
    page.get_by_label("Why?").fill("It was not better.")
    page.locator("#rollback").get_by_role("button", name="Roll back").click()
    page.get_by_text("rolled back to by key:engineer").wait_for()
    assert [one.action for one in view(house.settings).history] == ["promote", "promote", "rollback"]
    with house.database.reading() as connection:
        told = [(entry.action, entry.actor, entry.subject) for entry in audit.page(connection, actor="key:engineer")]
    told = [one for one in told if one[0].startswith("model.")]
    assert told[:3] == [
        ("model.rollback", "key:engineer", "dentwatch/1"),
        ("model.promote", "key:engineer", "dentwatch/2"),
        ("model.promote", "key:engineer", "dentwatch/1"),
    ]


def test_what_cannot_be_is_said(house: House) -> None:
    client, engineer = house.service.client, house.headers("engineer")
    assert_problem(client.get("/models/99.json", headers=engineer), 404, "no-such-model")
    assert_problem(client.get("/models/compare.json?a=moon", headers=engineer), 422)
    refused = client.post("/v1/promotions", json={"version": 99, "reason": "none"}, headers=engineer)
    assert "There is no model version" in assert_problem(refused, 409, "champion-unchanged")["detail"]
    viewer = client.post("/v1/promotions", json={"version": 1, "reason": "none"}, headers=house.headers("viewer"))
    assert_problem(viewer, 403, "not-permitted")
    missing = client.get("/models/compare.json?a=99&b=1", headers=engineer).json()
    assert (missing["names"], missing["photos"]) == ([None, "dentwatch/1"], [])
    assert_problem(client.get("/models/1/against/..%2F..", headers=engineer), 404)
