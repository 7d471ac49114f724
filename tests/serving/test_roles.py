"""A walk through every route as each role: who gets in, who is turned away, and who sees what."""

import asyncio
import base64
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from command import dentwatch
from photo_trees import zip_of
from rectangles import as_photo, rectangles_rgb
from running_service import Service, assert_problem, serving, upload
from sqlalchemy import insert

from dentwatch.loop.upload import keep_upload
from dentwatch.monitoring import incidents, review_plan
from dentwatch.monitoring.incidents import Signal
from dentwatch.monitoring.review_plan import Candidate
from dentwatch.records import api_keys, rollouts
from dentwatch.records.database import Database
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.roles import Role
from dentwatch.records.tables import inspection_photos
from dentwatch.serving.api import create_app
from dentwatch.serving.runtime import Runtime
from dentwatch.settings import Settings
from dentwatch.web.routers import ROUTERS

CALLERS = ("none", *Role)

# What a valid request is answered with. It asks about an inspection that the seller submitted.
#                                                    none viewer seller inspector engineer admin
EXPECTED = {
    "GET /healthz":                                   "200   200   200   200   200   200",
    "GET /readyz":                                    "200   200   200   200   200   200",
    "GET /ping":                                      "200   200   200   200   200   200",
    "GET /v2/health/live":                            "200   200   200   200   200   200",
    "GET /v2/health/ready":                           "200   200   200   200   200   200",
    "GET /openapi.json":                              "401   200   200   200   200   200",
    "POST /v1/inspections":                           "401   403   200   200   200   200",
    "GET /v1/inspections":                            "401   200   200   200   200   200",
    "POST /v1/photo-checks":                          "401   403   200   200   200   200",
    "GET /v1/inspections/{inspection_id}":            "401   200   200   200   200   200",
    "GET /v1/inspections/{inspection_id}/photos/{position}":
                                                      "401   200   200   200   200   200",
    "GET /v1/inspections/{inspection_id}/photos/{position}/drawn":
                                                      "401   200   200   200   200   200",
    "GET /v1/inspections/{inspection_id}/report.pdf": "401   200   200   200   200   200",
    "GET /v1/inspections/{inspection_id}/opinions":   "401   200   200   200   200   200",
    "POST /v1/inspections/{inspection_id}/feedback":  "401   403   201   201   201   201",
    "POST /v1/inspections/{inspection_id}/disputes":  "401   403   201   201   201   201",
    "POST /v1/inspections/{inspection_id}/verdicts":  "401   403   403   201   403   201",
    "GET /v1/vehicles/{vehicle_id}/changes":          "401   200   200   200   200   200",
    "POST /v1/listings":                              "401   403   200   403   403   200",
    "GET /metrics":                                   "401   403   403   403   200   200",
    "POST /v1/audit/verification":                    "401   403   403   403   200   200",
    "POST /v1/alerts/test":                           "401   403   403   403   403   200",
    "GET /v1/keys":                                   "401   403   403   403   403   200",
    "POST /v1/keys":                                  "401   403   403   403   403   201",
    "DELETE /v1/keys/{name}":                         "401   403   403   403   403   200",
    "PUT /v1/keys/{name}/password":                   "401   403   403   403   403   200",
    "GET /v1/incidents":                              "401   200   403   200   200   200",
    "GET /v1/incidents/{incident_id}":                "401   200   403   200   200   200",
    "POST /v1/incidents/{incident_id}/notes":         "401   403   403   403   200   200",
    "POST /v1/incidents/{incident_id}/acknowledge":   "401   403   403   403   200   200",
    "POST /v1/incidents/{incident_id}/resolve":       "401   403   403   403   200   200",
    "GET /v1/monitoring/drift":                       "401   200   403   200   200   200",
    "GET /v1/kpis":                                   "401   200   403   200   200   200",
    "GET /v1/reviews":                                "401   403   403   200   403   200",
    "POST /v1/reviews/{number}/done":                 "401   403   403   200   403   200",
    "POST /v1/reviews/next":                          "401   403   403   200   403   200",
    "POST /v1/reviews/{number}/claim":                "401   403   403   200   403   200",
    "POST /v1/reviews/{number}/release":              "401   403   403   204   403   204",
    "POST /v1/reviews/{number}":                      "401   403   403   200   403   200",
    "POST /v1/annotations":                           "401   403   403   202   202   202",
    "GET /v1/annotations/{batch_id}":                 "401   403   403   200   200   200",
    "POST /v1/annotations/{batch_id}/decision":       "401   403   403   409   409   409",  # it is not in quarantine
    "POST /v1/contradictions/{contradiction_id}/decision":
                                                      "401   403   403   409   409   409",  # there is none
    "POST /v1/label-studio/webhook":                  "401   403   403   200   403   200",
    "GET /v1/datasets/{version}/photos/{photo_id}":   "401   404   403   404   404   404",  # nor a dataset version
    "POST /v1/promotions":                            "401   403   403   403   409   409",
    "POST /v1/rollbacks":                             "401   403   403   403   409   409",
    "GET /v1/rollouts":                               "401   403   403   403   200   200",
    "POST /v1/rollouts/{number}/decision":            "401   403   403   403   200   200",
    "POST /invocations":                              "401   403   403   403   200   200",
    "GET /v2":                                        "401   403   403   403   200   200",
    "GET /v2/models/{name}":                          "401   403   403   403   200   200",
    "GET /v2/models/{name}/versions/{version}":       "401   403   403   403   200   200",
    "GET /v2/models/{name}/ready":                    "401   403   403   403   200   200",
    "GET /v2/models/{name}/versions/{version}/ready": "401   403   403   403   200   200",
    "POST /v2/models/{name}/infer":                   "401   403   403   403   200   200",
    "POST /v2/models/{name}/versions/{version}/infer":
                                                      "401   403   403   403   200   200",
    "GET /v1/models/{name}":                          "401   403   403   403   200   200",
    "GET /v1/models/{name}/versions/{version}":       "401   403   403   403   200   200",
    "GET /v1/models/{name}/metadata":                 "401   403   403   403   200   200",
    "GET /v1/models/{name}/versions/{version}/metadata":
                                                      "401   403   403   403   200   200",
    "POST /v1/models/{name}:predict":                 "401   403   403   403   200   200",
    "POST /v1/models/{name}/versions/{version}:predict":
                                                      "401   403   403   403   200   200",
}  # fmt: skip

PHOTO = as_photo(rectangles_rgb(320, 240, ("scratch", 40, 30, 90, 20)))
_ZIP = zip_of({"a.png": PHOTO})
_LISTING = {"id": "L-1", "created_at": "2026-11-01T00:00:00Z"}
_MISSED = {"photo": 0, "label": "dent", "x": 10, "y": 10, "width": 30, "height": 20}
_PREDICT: dict[str, Any] = {"json": {"instances": [{"b64": base64.b64encode(PHOTO).decode()}]}}
_INFER: dict[str, Any] = {"content": PHOTO, "headers": {"Inference-Header-Content-Length": "0"}}
REQUESTS: dict[str, dict[str, Any]] = {
    "POST /v1/inspections": {"files": [upload("a.png", PHOTO)]},
    "POST /v1/inspections/{inspection_id}/feedback": {"json": {"rating": 5}},
    "POST /v1/inspections/{inspection_id}/disputes": {"json": {"reason": "that is dirt"}},
    "POST /v1/inspections/{inspection_id}/verdicts": {"json": {"verdict": "missed", "missed": _MISSED}},
    "POST /v1/photo-checks": {"content": PHOTO},
    "POST /v1/listings": {"json": _LISTING},
    "POST /v1/keys": {"json": {"name": "another", "role": "viewer"}},
    "PUT /v1/keys/{name}/password": {"json": {"password": "a long enough one"}},
    "POST /v1/annotations": {"content": _ZIP},
    **{f"POST /v1/reviews/{one}": {"json": {}} for one in ("next", "{number}", "{number}/claim", "{number}/release")},
    "POST /v1/label-studio/webhook": {"json": {"action": "PROJECT_UPDATED"}},
    "POST /v1/annotations/{batch_id}/decision": {"json": {"decision": "reject", "reason": "It is shuffled."}},
    "POST /v1/contradictions/{contradiction_id}/decision": {"json": {"take": "claimed", "reason": "It is a dent."}},
    "POST /v1/rollouts/{number}/decision": {"json": {"decision": "vetoed", "reason": "It calls reflections dents."}},
    **{
        f"POST /v1/incidents/{{incident_id}}/{action}": {"json": {"text": "I look into it."}}
        for action in ("notes", "acknowledge", "resolve")
    },
    "POST /v1/promotions": {"json": {"version": 1, "reason": "There is no such version in this house."}},
    "POST /v1/rollbacks": {"json": {"reason": "There was no champion in this house."}},
    "POST /invocations": {"content": PHOTO, "headers": {"content-type": "image/png"}},
    "POST /v2/models/{name}/infer": _INFER,
    "POST /v2/models/{name}/versions/{version}/infer": _INFER,
    "POST /v1/models/{name}:predict": _PREDICT,
    "POST /v1/models/{name}/versions/{version}:predict": _PREDICT,
}
"""What is sent; the other routes need nothing but their path."""


@dataclass
class House:
    """A service with a key for each role and one more seller, and what the sellers submitted: two inspections each."""

    service: Service
    keys: dict[str, str]
    own: list[str]
    others: list[str]

    def ask(self, caller: str, route: str, **places: object) -> httpx.Response:
        """A valid request on ``route``; ``places`` replace the variables of its path."""
        method, _, path = route.partition(" ")
        version = self.service.document["model"].rpartition("/")[2]
        usual = {
            "inspection_id": self.own[0],
            "position": 0,
            "vehicle_id": "OWN",
            "name": self.new_key() if "/v1/keys" in route else "dentwatch",
            "version": "latest" if "/v1/datasets/" in route else version,
            "photo_id": "0" * 64,
            "contradiction_id": "0" * 10,
            "incident_id": self.new_incident() if "{incident_id}" in route else "",
            "batch_id": self.new_batch() if "{batch_id}" in route else "",
            "number": self.new_review()
            if "/v1/reviews/" in route
            else self.new_rollout()
            if "rollouts" in route
            else 1,
        }
        request = dict(REQUESTS.get(route, {}))
        headers = {**request.pop("headers", {}), **self.shown(caller)}
        return self.service.client.request(method, path.format(**(usual | places)), headers=headers, **request)

    def new_incident(self) -> str:
        """The id of an incident that nobody has touched."""
        at = datetime.now(UTC)
        signal = Signal(
            "dark", "light", f"channel={uuid.uuid4()}", at, at, "Photos have been darker.", str(uuid.uuid4())
        )
        with Database.of(Settings(home=self.service.home)).writing() as connection:
            return incidents.open_or_update(connection, signal).id

    def new_batch(self) -> str:
        """The id of a batch that lies in the inbox."""
        return keep_upload(Settings(home=self.service.home), "a", _ZIP).id

    def new_key(self) -> str:
        """The name of a key that nobody uses."""
        name = f"key {uuid.uuid4()}"
        with Database.of(Settings(home=self.service.home)).writing() as connection:
            api_keys.create(connection, name, Role.VIEWER, "test")
        return name

    def new_rollout(self) -> int:
        """The number of a model version that sees photos in the shadow."""
        number = 2 + uuid.uuid4().int % 10**6
        with Database.of(Settings(home=self.service.home)).writing() as connection:
            rollouts.begin(connection, f"dentwatch/{number}", "shadow", 0.1)
        return number

    def new_review(self) -> int:
        """The number of a photo that waits to be reviewed, with no detection to judge."""
        with Database.of(Settings(home=self.service.home)).writing() as connection:
            position = uuid.uuid4().int % 10**9
            photo = {"photo_id": "0" * 64, "name": "a.png", "width": 320, "height": 240}
            connection.execute(insert(inspection_photos).values(inspection_id=self.own[0], position=position, **photo))
            review_plan.plan(connection, [Candidate(self.own[0], position)], share=1.0)
            return max(item.number for item in review_plan.open_items(connection, 1000))

    def get(self, caller: str, path: str, **params: str) -> httpx.Response:
        return self.service.client.get(path, params=params, headers=self.shown(caller))

    def shown(self, caller: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[caller]}"} if caller in self.keys else {}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("roles")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DENTWATCH_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def house(bundle: ModelBundle, home: Path) -> Iterator[House]:
    roles = {**{str(role): role for role in Role}, "other": Role.SELLER}
    with Database.of(Settings(home=home)).writing() as connection:
        keys = {name: api_keys.create(connection, name, role, "ada").text for name, role in roles.items()}
    with serving(bundle, home, home / "log") as service:
        house = House(service, keys, [], [])
        for caller, vehicle, kept in (("seller", "OWN", house.own), ("other", "OTHER", house.others)):
            for _ in range(2):
                made = service.inspect(upload("a.png", PHOTO), headers=house.shown(caller), vehicle_id=vehicle)
                kept.append(made.json()["id"])
        yield house


def test_every_route_has_its_row(house: House) -> None:
    paths: dict[str, Any] = house.get("admin", "/openapi.json").json()["paths"]
    described = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    assert described | {"GET /openapi.json"} == EXPECTED.keys()


def test_no_route_is_missing_from_the_description(bundle: ModelBundle, tmp_path: Path) -> None:
    runtime = Runtime(Settings(home=tmp_path), str(bundle.folder))
    try:
        app = create_app(runtime, ROUTERS)
    finally:
        asyncio.run(runtime.close())
    flat = [inner for route in app.routes for inner in getattr(route, "original_router", app).routes]
    api = (route for route in (*flat, *app.routes) if not _is_of_pages(route))
    paths = {path for route in api if (path := getattr(route, "path", None))}
    assert paths == {row.partition(" ")[2] for row in EXPECTED}


def _is_of_pages(route: Any) -> bool:
    """Whether people look at it: tests/web walks through these."""
    endpoint = getattr(route, "endpoint", None)
    return getattr(endpoint, "__module__", "").startswith("dentwatch.web.") and not route.include_in_schema


@pytest.mark.parametrize("caller", CALLERS)
def test_every_route_answers_each_role_as_the_table_says(house: House, caller: str) -> None:
    column = CALLERS.index(caller)
    due = {route: int(row.split()[column]) for route, row in EXPECTED.items()}
    answers = {route: house.ask(caller, route) for route in EXPECTED}
    assert {route: answer.status_code for route, answer in answers.items()} == due
    for route, answer in answers.items():
        if answer.status_code == 401:
            assert_problem(answer, 401, "key-missing")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        elif answer.status_code == 403 and "/models/{name}" not in route and route != "GET /v2":
            assert_problem(answer, 403, "not-permitted")
        elif answer.status_code == 403:
            assert caller in answer.json()["error"]  # in the contract's own form


@pytest.mark.parametrize("route", [route for route in EXPECTED if "{inspection_id}" in route])
def test_another_sellers_inspection_is_answered_like_one_that_does_not_exist(house: House, route: str) -> None:
    nobodys = str(uuid.uuid4())
    [there, nowhere] = [house.ask("seller", route, inspection_id=one) for one in (house.others[0], nobodys)]
    assert there.status_code == nowhere.status_code == (403 if route.endswith("verdicts") else 404)
    assert there.text.replace(house.others[0], nobodys) == nowhere.text
    assert _plain(there.headers) == _plain(nowhere.headers)


def _plain(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in ("date", "traceparent")}


def test_a_list_shows_a_seller_their_own_and_the_others_everybodys(house: House) -> None:
    for caller in CALLERS[1:]:
        found = house.get(caller, "/v1/inspections", limit="500").json()["inspections"]
        ids = {one["id"] for one in found}
        assert ids >= set(house.own)
        assert (ids & set(house.others) == set()) == (caller == "seller"), caller
    assert house.get("seller", "/v1/inspections", vehicle_id="OTHER").json()["inspections"] == []
    assert len(house.get("viewer", "/v1/inspections", vehicle_id="OTHER").json()["inspections"]) == 2


def test_a_place_in_somebody_elses_list_opens_no_door(house: House) -> None:
    cursor = house.get("viewer", "/v1/inspections", limit="1").json()["next"]
    found = house.get("seller", "/v1/inspections", cursor=cursor).json()["inspections"]
    assert not {one["id"] for one in found} & set(house.others)


def test_the_changes_of_a_vehicle_are_told_to_those_who_see_its_inspections(house: House) -> None:
    [others, nobodys] = [house.get("seller", f"/v1/vehicles/{one}/changes") for one in ("OTHER", "NOBODY")]
    assert_problem(others, 404, "nothing-to-compare")
    assert others.text.replace("OTHER", "NOBODY") == nobodys.text
    for places in ("earlier", "later"):
        asked = house.get("seller", "/v1/vehicles/OWN/changes", **{places: house.others[0]})
        assert_problem(asked, 404, "no-such-inspection")
    assert house.get("viewer", "/v1/vehicles/OTHER/changes").status_code == 200


def test_a_seller_learns_that_a_photo_was_reused_and_not_by_whom(house: House) -> None:
    path = f"/v1/inspections/{house.others[0]}"
    [told] = house.get("inspector", path).json()["photos"]
    assert {one["vehicle_id"] for one in told["reuse"]} == {"OWN"}
    [hidden] = house.get("other", path).json()["photos"]
    assert len(hidden["reuse"]) == len(told["reuse"])
    for one in hidden["reuse"]:
        assert one["kind"] == "exact"
        assert one["inspection_id"] is one["position"] is one["vehicle_id"] is None
    again = house.service.inspect(upload("a.png", PHOTO), headers=house.shown("other"), vehicle_id="OTHER")
    assert {one["vehicle_id"] for one in again.json()["photos"][0]["reuse"]} == {None}


def test_an_idempotency_key_belongs_to_who_used_it(house: House) -> None:
    ids = []
    for caller in ("seller", "other", "seller"):
        headers = {**house.shown(caller), "Idempotency-Key": "the same"}
        ids.append(house.service.inspect(upload("a.png", PHOTO), headers=headers).json()["id"])
    assert ids[0] == ids[2] != ids[1]
    assert house.get("seller", f"/v1/inspections/{ids[1]}").status_code == 404


def test_what_is_not_there_is_closed_too(house: House) -> None:
    for path in ("/docs", "/v1", "/v1/inspections/", "/../etc/passwd", "/openapi.json/x"):
        assert_problem(house.get("none", path), 401, "key-missing")
        assert house.get("viewer", path).status_code in (404, 405, 307)
    assert_problem(house.service.client.get("/v1/inspections", headers={"X-API-Key": "dw_a_b"}), 401, "key-refused")
    for path, allowed in (("/v1/inspections", "GET, POST"), ("/v1/listings", "POST"), ("/ping", "GET, HEAD")):
        refused = house.service.client.request("DELETE", path, headers=house.shown("admin"))
        assert_problem(refused, 405)
        assert refused.headers["allow"] == allowed


def test_a_revoked_key_is_out_after_a_few_seconds(house: House) -> None:
    house.keys["revoked"] = dentwatch("keys", "create", "soon revoked", "--role", "admin").stdout.strip()
    assert house.get("revoked", "/v1/inspections").status_code == 200
    assert dentwatch("keys", "revoke", "soon revoked").returncode == 0
    deadline = time.monotonic() + 6
    while (answer := house.get("revoked", "/v1/inspections")).status_code == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert_problem(answer, 401, "key-refused")
    assert house.get("admin", "/v1/inspections").status_code == 200
