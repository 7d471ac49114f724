"""A real service with a key for each role, and real Chromium to look at its pages."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from house import PASSWORD, House
from rectangles import Rectangle, as_photo, rectangle_graph, rectangles_rgb, write_bundle
from running_service import serving

from dentwatch.records import api_keys, passwords
from dentwatch.records.database import Database
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.roles import Role
from dentwatch.serving.access import SESSION_COOKIE
from dentwatch.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE, DESKTOP = (390, 844), (1280, 800)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """The model of rectangles."""
    return write_bundle(tmp_path_factory.mktemp("models") / "rectangles", rectangle_graph())


@pytest.fixture(scope="module")
def house(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One service for the tests of a module."""
    folder = tmp_path_factory.mktemp("house")
    settings = Settings(home=folder / "home")
    settings.home.mkdir()
    database = Database.of(settings)
    with database.writing() as connection:
        keys = {role.value: api_keys.create(connection, role.value, role, "test").text for role in Role}
        passwords.set_password(connection, "inspector", PASSWORD, "test")
    with serving(bundle, settings.home, folder / "log") as service:
        yield House(service, settings, database, keys)
    database.close()


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium; it ends with the module, since Playwright's loop would be in the way of others'."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install it (apt-get install chromium) to open the pages in a browser")
    playwright = pytest.importorskip("playwright.sync_api", reason="the playwright package is missing")
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(house: House, browser: "Browser") -> Iterator[Callable[..., "Page"]]:
    """``visit("/path", role="inspector", phone=True)``: the page, open in a browser of its own, signed in.

    ``role=None`` comes without a session. What the page complains about, and whatever it asks of another address,
    fails the test in the end; ``expects`` are parts of complaints that are meant to come.
    """
    troubles: list[str] = []
    expected: list[str] = []
    contexts = []

    def open_page(
        path: str, role: str | None = "admin", phone: bool = False, scheme: str = "light", expects: tuple[str, ...] = ()
    ) -> "Page":
        width, height = PHONE if phone else DESKTOP
        context = browser.new_context(
            viewport={"width": width, "height": height},
            has_touch=phone,
            color_scheme=scheme,  # type: ignore[arg-type]
            reduced_motion="reduce",
        )
        contexts.append(context)
        expected.extend(expects)
        context.set_default_timeout(15_000)
        if role is not None:
            context.add_cookies([{"name": SESSION_COOKIE, "value": house.session(role), "url": house.url}])
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((house.url, "data:", "blob:"))
                else troubles.append(f"asked elsewhere: {request.url}")
            ),
        )
        page.goto(house.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [one for one in troubles if not any(part in one for part in expected)] == []


@pytest.fixture(scope="session")
def photo_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A photo of rectangles as a file, to choose in a form."""
    folder = tmp_path_factory.mktemp("photos")

    def write(name: str, *rectangles: Rectangle, size: tuple[int, int] = (640, 480), level: int = 255) -> Path:
        path = folder / name
        path.write_bytes(as_photo(rectangles_rgb(*size, *rectangles, level=level)))
        return path

    return write
