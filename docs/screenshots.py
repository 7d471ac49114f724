"""Make the pictures of the pages in docs/images/pages, from the home that `make demo` leaves (synthetic photos).

    make demo && python docs/screenshots.py .dentwatch/demo

Works on a copy of the home: keys are made in it, a seller's inspection is made and disputed, a review is left open.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from dentwatch.records import api_keys, sessions, tables
from dentwatch.records.database import Database
from dentwatch.records.photos import PhotoStore
from dentwatch.records.roles import Role
from dentwatch.serving.access import SESSION_COOKIE
from dentwatch.settings import Settings

TARGET = Path(__file__).parent / "images" / "pages"
PORT = 8198
BASE = f"http://127.0.0.1:{PORT}"
DESKTOP, PHONE = (1280, 800), (390, 844)
QUALITY = 78


@contextmanager
def serving(home: Path) -> Iterator[None]:
    """A service over ``home``."""
    command = [sys.executable, "-m", "dentwatch", "serve", "--port", str(PORT), "--workers", "1"]
    with subprocess.Popen(
        command, env={**os.environ, "DENTWATCH_HOME": str(home)}, stderr=subprocess.DEVNULL
    ) as server:
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
                while client.get(f"{BASE}/readyz").status_code != 200:
                    pass
            yield
        finally:
            server.terminate()


def people(home: Path) -> tuple[dict[str, str], dict[str, str]]:
    """A key and a session for each role, under names that people have."""
    names = {Role.SELLER: "Mia", Role.INSPECTOR: "Ada", Role.ENGINEER: "Lin", Role.ADMIN: "Sam"}
    with closing(Database.of(Settings(home=home))) as database, database.writing() as connection:
        made = {role: api_keys.create(connection, name, role, "docs") for role, name in names.items()}
        keys = {str(role): one.text for role, one in made.items()}
        tokens = {str(role): sessions.open_session(connection, one.key, "docs") for role, one in made.items()}
    return keys, tokens


def photos_of_a_car(home: Path) -> list[bytes]:
    """Photos that the demo's sellers submitted, of the inspection with most damage that is not dark."""
    rows, photos = tables.inspections, tables.inspection_photos
    with closing(Database.of(Settings(home=home))) as database, database.reading() as connection:
        query = rows.select().where(rows.c.damages > 2).order_by(rows.c.number).limit(1)
        one = connection.execute(query).one()
        ids = connection.execute(
            photos.select().where(photos.c.inspection_id == one.id).order_by(photos.c.position)
        ).all()
    store = PhotoStore(Settings(home=home).photo_store_url)
    return [store.get(photo.photo_id) for photo in ids]


class Camera:
    """Takes pictures of pages, in light and dark."""

    def __init__(self, browser: Browser, tokens: dict[str, str]) -> None:
        self._browser, self._tokens = browser, tokens

    def take(
        self, name: str, path: str, role: str, *, phone: bool = False, whole: bool = False, before: str = ""
    ) -> None:
        """Save ``name``-light.webp and -dark.webp of the page; ``before`` is a script that runs first."""
        width, height = PHONE if phone else DESKTOP
        for scheme in ("light", "dark"):
            context = self._browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
            )
            context.add_cookies([{"name": SESSION_COOKIE, "value": self._tokens[role], "url": BASE}])
            page = context.new_page()
            page.goto(BASE + path, wait_until="load")
            if before:
                page.evaluate(before)
            page.wait_for_timeout(900)
            self._save(page, TARGET / f"{name}-{scheme}.webp", whole)
            context.close()

    @staticmethod
    def _save(page: Page, target: Path, whole: bool) -> None:
        with Image.open(BytesIO(page.screenshot(full_page=whole))) as picture:
            picture.convert("RGB").save(target, "WEBP", quality=QUALITY, method=6)
        sys.stderr.write(f"{target.name}: {target.stat().st_size / 1000:.0f} kB\n")


def main(home: Path) -> None:
    """Copy the home, serve it, and take the pictures."""
    TARGET.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "home"
        shutil.copytree(home, copy)
        keys, tokens = people(copy)
        with serving(copy), sync_playwright() as play:
            camera = Camera(
                play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]), tokens
            )
            _everything(camera, _submitted(copy, keys), keys)


def _submitted(home: Path, keys: dict[str, str]) -> str:
    """The id of an inspection that the seller made, rated and disputed."""
    files = [("photos", (f"view-{number}.jpg", data)) for number, data in enumerate(photos_of_a_car(home), 1)]
    fields = {"vehicle_id": "WVWZZZ1JZXW000001", "listing_id": "L-2041", "channel": "pages"}
    headers = {"Authorization": f"Bearer {keys['seller']}"}
    with httpx.Client(base_url=BASE, headers=headers, timeout=60) as client:
        answer = client.post("/v1/inspections", files=files, data=fields).raise_for_status().json()
        path = f"/v1/inspections/{answer['id']}"
        dispute = {"reason": "This is a reflection.", "detection": answer["damages"][0]["seen"][0]["detection"]}
        client.post(f"{path}/disputes", json=dispute).raise_for_status()
        client.post(f"{path}/feedback", json={"rating": 5}).raise_for_status()
    return str(answer["id"])


def _everything(camera: Camera, inspection: str, keys: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {keys['admin']}"}
    with httpx.Client(base_url=BASE, headers=headers) as client:
        incident = client.get("/v1/incidents").json()["incidents"][0]["id"]
        version = client.get("/data.json").json()["versions"][0]["id"]
        model = client.get("/models.json").json()["versions"][0]["number"]
    camera.take("inspect-phone", "/inspect", "seller", phone=True)
    camera.take("inspection-phone", f"/inspections/{inspection}", "seller", phone=True)
    camera.take("overview", "/", "admin")
    camera.take("inspections", "/inspections", "inspector")
    camera.take("inspection", f"/inspections/{inspection}", "inspector")
    camera.take("reviews", "/review", "inspector")
    camera.take("review", "/review/editor", "inspector")
    camera.take("review-phone", "/review/editor", "inspector", phone=True)
    camera.take("data", "/data", "engineer")
    camera.take("dataset", f"/data/{version}", "engineer")
    camera.take("models", "/models", "engineer")
    camera.take("model", f"/models/{model}", "engineer")
    camera.take("compare", f"/models/compare?a=starter&b={model}", "engineer")
    camera.take("health", "/health", "engineer")
    camera.take("incident", f"/incidents/{incident}", "engineer")
    camera.take("kpis", "/kpis", "admin")
    camera.take("audit", "/audit", "admin")
    camera.take("settings", "/settings", "admin")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, help="What `make demo` has left.")
    main(parser.parse_args().home)
