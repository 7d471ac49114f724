"""Nobody gets in without a key, nobody does more than their role allows, and no key takes the service for itself."""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import HTMLResponse

from dentwatch.errors import DatabaseError
from dentwatch.records import api_keys
from dentwatch.records.database import Database
from dentwatch.records.roles import Role
from dentwatch.serving import access, problems, security_headers
from dentwatch.serving.access import CONFIRM_SECONDS, GRACE_SECONDS, PUBLIC, Access, require
from dentwatch.serving.permissions import ANONYMOUS, PERMISSIONS, Caller, Permission
from dentwatch.serving.security_headers import HEADERS
from dentwatch.serving.token_bucket import TokenBucket
from dentwatch.settings import ServingSettings

ACCESS_PAGE = Path(__file__).resolve().parents[2] / "docs" / "access.md"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Door:
    """A running service with a key for every role."""

    def __init__(self, database: Database, address: str, clock: Clock, resume: threading.Event) -> None:
        self.database = database
        self.address = address
        self.clock = clock
        self.resume = resume
        self.client = httpx.Client(base_url=address, timeout=20)
        with database.writing() as connection:
            self.keys = {role: api_keys.create(connection, role, role, "ada").text for role in Role}

    def get(self, path: str, key: str | Role | None = None, **headers: str) -> httpx.Response:
        if key is not None:
            headers["Authorization"] = f"Bearer {self.keys[key] if isinstance(key, Role) else key}"
        return self.client.get(path, headers=headers)

    def revoke(self, role: Role) -> None:
        with self.database.writing() as connection:
            api_keys.revoke(connection, role, "ada")


def _app(door: Access, resume: threading.Event) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None)
    problems.install(app)
    access.install(app, door)
    security_headers.install(app)

    def add(permission: Permission) -> None:
        @app.get(f"/may/{permission.name}", responses=access.REFUSALS)
        async def may(caller: Annotated[Caller, Depends(require(permission))]) -> dict[str, str | None]:
            return {"key_id": caller.key_id, "name": caller.name, "role": caller.role}

    for permission in Permission:
        add(permission)

    @app.post("/upload", dependencies=[Depends(require(Permission.SUBMIT_INSPECTIONS))])
    async def upload() -> None: ...

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.to_thread(resume.wait, 20)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("on purpose")

    @app.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse("<p>", headers={"Content-Security-Policy": "default-src 'self'"})

    @app.get("/healthz")
    async def health() -> str:
        return "ok"

    return app


@contextmanager
def _open_door(folder: Path, *, is_open: bool = False, **limits: Any) -> Iterator[Door]:
    database, clock, resume = Database(f"sqlite:///{folder / 'dentwatch.db'}"), Clock(), threading.Event()
    admission = Access(database, ServingSettings(**limits), is_open=is_open, clock=clock)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(_app(admission, resume), log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            door = Door(database, f"http://127.0.0.1:{listener.getsockname()[1]}", clock, resume)
            with door.client:
                yield door
        finally:
            resume.set()
            server.should_exit = True
            thread.join()
            admission.close()
            database.close()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A service that no test here changes."""
    with _open_door(tmp_path_factory.mktemp("door")) as door:
        yield door


@pytest.fixture
def own_door(tmp_path: Path) -> Iterator[Callable[..., Door]]:
    """Starts a service of the test's own."""
    opened: list[Any] = []

    def start(**limits: Any) -> Door:
        opened.append(_open_door(tmp_path, **limits))
        return opened[-1].__enter__()  # type: ignore[no-any-return]

    yield start
    for one in opened:
        one.__exit__(None, None, None)


def _problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and kind of a problem document, which it must be."""
    assert answer.headers["content-type"] == problems.MEDIA_TYPE
    document = answer.json()
    assert document["status"] == answer.status_code
    assert document["detail"]
    return answer.status_code, document["type"].removeprefix("urn:dentwatch:problem:")


# Getting in


@pytest.mark.parametrize(
    "path", ["/may/SEE_METRICS", "/slow", "/openapi.json", "/nothing", "/", "/healthz/", "//healthz"]
)
def test_every_path_is_closed_without_a_key_even_one_that_is_not_there(path: str, door: Door) -> None:
    answer = door.get(path)
    assert _problem(answer) == (401, "key-missing")
    assert answer.headers["www-authenticate"] == 'Bearer realm="dentwatch"'


def test_health_is_open() -> None:
    assert {"/healthz", "/readyz"} <= PUBLIC


def test_health_is_answered_without_a_key(door: Door) -> None:
    assert door.get("/healthz").json() == "ok"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer {}"},
        {"authorization": "bearer   {}"},
        {"X-API-Key": "{}"},
        {"Authorization": "Basic YTpi", "X-API-Key": "{}"},  # a proxy's own
    ],
)
def test_a_key_is_taken_in_either_header(headers: dict[str, str], door: Door) -> None:
    shown = {name: value.format(door.keys[Role.SELLER]) for name, value in headers.items()}
    answer = door.client.get("/may/SEE_INSPECTIONS", headers=shown)
    assert answer.json()["name"] == "seller"


@pytest.mark.parametrize("key", ["", "x", f"dw_{'0' * 12}_{'0' * 64}", "\xff" * 8, "dw_" * 20_000])
def test_a_wrong_key_is_refused(key: str, door: Door) -> None:
    answer = door.client.get("/may/SEE_INSPECTIONS", headers={b"X-API-Key": key.encode("latin-1")})
    assert _problem(answer) == (401, "key-refused")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert not key or key not in answer.text


def test_a_request_without_a_key_is_refused_before_its_body_is_read(door: Door) -> None:
    host, port = door.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(f"POST /upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 200000000\r\n".encode())
        raw.sendall(b"Expect: 100-continue\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 401 ")


# Roles


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_a_role_may_do_what_the_table_says_and_nothing_else(role: Role, permission: Permission, door: Door) -> None:
    answer = door.get(f"/may/{permission.name}", role)
    if permission in PERMISSIONS[role]:
        assert answer.json() == {"key_id": answer.json()["key_id"], "name": role, "role": role}
    else:
        assert _problem(answer) == (403, "not-permitted")
        assert permission in answer.json()["detail"]


def test_the_documentation_shows_the_table() -> None:
    table = ACCESS_PAGE.read_text(encoding="utf-8").partition("## Roles\n")[2].strip().partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    roles = [Role(name) for name in rows[0][1:]]
    shown = {
        Permission(what): {role for role, mark in zip(roles, marks, strict=True) if mark} for what, *marks in rows[2:]
    }
    assert shown == {one: {role for role in Role if one in PERMISSIONS[role]} for one in Permission}


def test_problems_are_documented() -> None:
    source = Path(access.__file__).read_text(encoding="utf-8")
    kinds = set(re.findall(r'"((?:key|keys|not|too)-[a-z-]+)"', source))
    documented = set(re.findall(r"urn:dentwatch:problem:([a-z-]+)", ACCESS_PAGE.read_text(encoding="utf-8")))
    assert kinds == documented


def test_a_seller_sees_their_own_inspections_and_others_see_all() -> None:
    seller = Caller("7", "shop", Role.SELLER)
    assert seller.sees("7")
    assert not seller.sees("8")
    assert not seller.sees(None)  # what was submitted while the service ran open
    assert seller.sees_only == "7"
    for caller in (ANONYMOUS, *(Caller("7", "x", role) for role in Role if role is not Role.SELLER)):
        assert caller.sees("8")
        assert caller.sees(None)
        assert caller.sees_only is None


def test_a_caller_cannot_pass_for_a_person_in_the_records() -> None:
    assert Caller("7", "ada", Role.ADMIN).actor == "key:ada"
    assert ANONYMOUS.actor == "anonymous"


# Revocation, and a database that is away


def test_a_revoked_key_is_out_within_seconds(own_door: Callable[..., Door]) -> None:
    door = own_door()
    assert door.get("/may/SEE_PHOTOS", Role.SELLER).status_code == 200
    door.revoke(Role.SELLER)
    door.clock.now += CONFIRM_SECONDS
    assert CONFIRM_SECONDS <= 5
    assert _problem(door.get("/may/SEE_PHOTOS", Role.SELLER)) == (401, "key-refused")
    assert door.get("/may/SEE_PHOTOS", Role.VIEWER).status_code == 200


def test_the_database_is_asked_about_a_key_once_in_a_while(
    own_door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    door = own_door()
    asked = []
    authenticate = api_keys.authenticate
    monkeypatch.setattr(api_keys, "authenticate", lambda *given: asked.append(1) or authenticate(*given))
    for _ in range(10):
        assert door.get("/may/SEE_PHOTOS", Role.SELLER).status_code == 200
    assert len(asked) == 1
    door.clock.now += CONFIRM_SECONDS
    door.get("/may/SEE_PHOTOS", Role.SELLER)
    assert len(asked) == 2


def test_a_known_key_goes_on_for_a_while_when_the_database_is_gone(
    own_door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    door = own_door()
    assert door.get("/may/SEE_PHOTOS", Role.SELLER).status_code == 200

    def gone(_database: Database) -> None:
        raise DatabaseError("The database is gone.")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "reading", gone)
        door.clock.now += GRACE_SECONDS - 1
        assert door.get("/may/SEE_PHOTOS", Role.SELLER).status_code == 200
        unknown = door.get("/may/SEE_PHOTOS", Role.VIEWER)
        assert _problem(unknown) == (503, "keys-unavailable")
        assert int(unknown.headers["retry-after"]) >= 1
        door.clock.now += CONFIRM_SECONDS
        assert _problem(door.get("/may/SEE_PHOTOS", Role.SELLER)) == (503, "keys-unavailable")
    door.clock.now += CONFIRM_SECONDS
    assert door.get("/may/SEE_PHOTOS", Role.SELLER).status_code == 200
    assert door.get("/may/SEE_PHOTOS", Role.VIEWER).status_code == 200


def test_a_database_that_hangs_holds_up_one_request_of_a_known_key_and_not_for_long(
    own_door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    door = own_door()
    door.get("/may/SEE_PHOTOS", Role.SELLER)
    released = threading.Event()
    monkeypatch.setattr(api_keys, "authenticate", lambda *_: released.wait(20) and None)
    monkeypatch.setattr(access, "_PATIENCE_SECONDS", 0.5)
    door.clock.now += CONFIRM_SECONDS
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(door.get, "/may/SEE_PHOTOS", Role.SELLER)
        start = time.perf_counter()
        time.sleep(0.1)
        assert door.get("/may/SEE_PHOTOS", Role.SELLER).status_code == 200
        assert not held.done()
        assert held.result().status_code == 200
        assert 0.4 < time.perf_counter() - start < 5
    released.set()


# How much


def test_a_key_that_asks_too_often_is_told_when_to_come_back(own_door: Callable[..., Door]) -> None:
    door = own_door(rate=0.5, burst=3)
    statuses = [door.get("/may/SEE_PHOTOS", Role.SELLER).status_code for _ in range(3)]
    assert statuses == [200] * 3
    refused = door.get("/may/SEE_PHOTOS", Role.SELLER)
    assert _problem(refused) == (429, "too-often")
    assert refused.headers["retry-after"] == "2"
    assert door.get("/may/SEE_PHOTOS", Role.VIEWER).status_code == 200  # others are not held up
    door.clock.now += 2
    assert door.get("/may/SEE_PHOTOS", Role.SELLER).status_code == 200
    assert door.get("/may/SEE_PHOTOS", Role.SELLER).status_code == 429


@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 10), min_size=1, max_size=200),
)
def test_a_bucket_never_lets_more_through_than_rate_and_burst(rate: float, burst: int, pauses: list[float]) -> None:
    now, let_through = 50.0, 0
    bucket = TokenBucket(rate, burst, now)
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        if wait == 0:
            let_through += 1
        else:
            assert 0 < wait <= 1 / rate * (1 + 1e-9)
        assert let_through <= burst + rate * (now - 50) * (1 + 1e-9)


def test_whoever_waits_as_long_as_told_is_let_through() -> None:
    bucket = TokenBucket(rate=0.3, burst=1, at=0)
    assert bucket.take(0) == 0
    wait = bucket.take(1)
    assert bucket.take(1 + wait * 0.99) > 0
    assert bucket.take(1 + wait * 1.01) == 0


def test_a_key_has_no_more_requests_under_way_than_allowed(own_door: Callable[..., Door]) -> None:
    door = own_door(key_concurrency=2)
    with ThreadPoolExecutor(2) as pool:
        held = [pool.submit(door.get, "/slow", Role.ADMIN) for _ in range(2)]
        deadline = time.monotonic() + 10
        while (refused := door.get("/may/SEE_PHOTOS", Role.ADMIN)).status_code == 200:
            assert time.monotonic() < deadline
        assert _problem(refused) == (429, "too-many-at-once")
        assert refused.headers["retry-after"] == "1"
        assert door.get("/may/SEE_PHOTOS", Role.SELLER).status_code == 200
        door.resume.set()
        assert [one.result().status_code for one in held] == [200, 200]
    assert door.get("/may/SEE_PHOTOS", Role.ADMIN).status_code == 200


def test_a_request_that_fails_gives_its_place_back(own_door: Callable[..., Door]) -> None:
    door = own_door(key_concurrency=1)
    assert [door.get("/broken", Role.ADMIN).status_code for _ in range(3)] == [500] * 3
    assert door.get("/may/SEE_PHOTOS", Role.ADMIN).status_code == 200


# Running open


def test_an_open_service_lets_programs_of_this_machine_do_everything(own_door: Callable[..., Door]) -> None:
    door = own_door(is_open=True, burst=1, rate=0.001)
    for permission in Permission:
        answer = door.get(f"/may/{permission.name}")
        assert answer.json() == {"key_id": None, "name": "anonymous", "role": "admin"}
    assert door.get("/nothing", Host="localhost:8000").status_code == 404
    assert door.get("/may/SEE_PHOTOS", Host="[::1]:8000", Origin="http://localhost:3000").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},  # a name that was made to lead here (DNS rebinding)
        {"Host": "localhost.evil.example:8000"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Host": "["},
    ],
)
def test_an_open_service_is_closed_to_web_pages_of_other_sites(
    headers: dict[str, str], own_door: Callable[..., Door]
) -> None:
    door = own_door(is_open=True)
    assert _problem(door.get("/may/SEE_PHOTOS", **headers)) == (403, "not-from-here")


def test_a_key_that_is_shown_to_an_open_service_counts(own_door: Callable[..., Door]) -> None:
    door = own_door(is_open=True)
    assert door.get("/may/SEE_PHOTOS", Role.SELLER).json()["name"] == "seller"
    assert _problem(door.get("/may/SEE_METRICS", Role.SELLER)) == (403, "not-permitted")
    assert _problem(door.get("/may/SEE_METRICS", "dw_wrong")) == (401, "key-refused")


# What answers carry, and what the description says


@pytest.mark.parametrize(
    ("path", "role", "status"),
    [
        ("/may/SEE_PHOTOS", Role.SELLER, 200),
        ("/healthz", None, 200),
        ("/may/SEE_PHOTOS", None, 401),
        ("/may/SEE_METRICS", Role.SELLER, 403),
        ("/nothing", Role.SELLER, 404),
        ("/broken", Role.SELLER, 500),
    ],
)
def test_every_answer_carries_the_security_headers(path: str, role: Role | None, status: int, door: Door) -> None:
    answer = door.get(path, role)
    assert answer.status_code == status
    assert HEADERS.items() <= {name: answer.headers.get(name) for name in HEADERS}.items()
    page = ACCESS_PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}: {value}`" in page for name, value in HEADERS.items())


def test_a_route_may_set_a_header_itself(door: Door) -> None:
    answer = door.get("/page", Role.VIEWER)
    assert answer.headers["content-security-policy"] == "default-src 'self'"
    assert answer.headers["x-frame-options"] == "DENY"


def test_the_description_says_how_a_key_is_shown(door: Door) -> None:
    description = json.loads(door.get("/openapi.json", Role.VIEWER).text)
    schemes = description["components"]["securitySchemes"]
    assert (schemes["Bearer"]["type"], schemes["Bearer"]["scheme"]) == ("http", "bearer")
    assert (schemes["X-API-Key"]["in"], schemes["X-API-Key"]["name"]) == ("header", "X-API-Key")
    route = description["paths"]["/may/SEE_PHOTOS"]["get"]
    assert route["security"] == [{"Bearer": []}, {"X-API-Key": []}]  # either of them
    assert {"401", "403", "429", "503"} <= route["responses"].keys()
    assert not route.get("parameters")
