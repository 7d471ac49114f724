"""What holds for every page: right HTML, nothing serious for axe, no dead link, small, the same as its JSON twin."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import html5lib
import pytest
import tiny_model
from axe_playwright_python.sync_playwright import Axe
from house import House

from dentwatch.data.ingest import Ingest
from dentwatch.data.sources import open_source
from dentwatch.data.synthetic import generate
from dentwatch.monitoring import incidents, review_plan
from dentwatch.monitoring.incidents import Signal
from dentwatch.monitoring.review_plan import Candidate
from dentwatch.records import rollouts
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.registry import Registry
from dentwatch.serving.access import SIGN_IN
from dentwatch.web.pages import PLACES

if TYPE_CHECKING:
    from playwright.sync_api import Page

_MOST_BYTES = 300_000
"""Of a page with its scripts and styles, without photos."""

PATHS = [place.path for place in PLACES]
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def lived_in(house: House, empty_tracking_database: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A house in which things have happened, and the pages about each of them."""
    found = house.inspect(("scratch", 60, 80, 160, 90), ("dent", 400, 200, 90, 90), vehicle_id="VIN-1", channel="app")
    nothing = house.inspect(vehicle_id="VIN-2", channel="web", listing_id="L-1")
    at = datetime.now(UTC)
    signal = Signal("dark", "light", "channel=app", at, at, "Photos from the app have been darker.", found["id"])
    with house.database.writing() as connection:
        incident = incidents.open_or_update(connection, signal)
        review_plan.plan(connection, [Candidate(found["id"], 0)], share=1.0)
        rollouts.begin(connection, "dentwatch/1", "canary", 0.1)
    folder = tmp_path_factory.mktemp("lived-in")
    file = generate(folder / "photos", 4, size=96, photos_per_vehicle=2, undamaged_share=0, workers=1)
    Ingest(house.settings, workers=1).run(open_source(str(file.parent)).photos())
    version = DatasetStore(house.settings.dataset_store_url).get("latest")
    shutil.copy(empty_tracking_database, house.settings.home)
    registry = Registry(house.settings)
    registry.register(tiny_model.write_bundle(folder / "model", dataset_version=version.id))
    registry.bundle(1)
    about = (f"inspections/{found['id']}", f"inspections/{nothing['id']}", f"incidents/{incident.id}", "incidents")
    return [*PATHS, *(f"/{one}" for one in about), f"/data/{version.id}", "/models/1", "/models/compare?a=1"]


@pytest.mark.parametrize(("phone", "scheme"), [(False, "light"), (True, "dark")], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(
    lived_in: list[str], visit: Callable[..., "Page"], house: House, phone: bool, scheme: str
) -> None:
    page = visit(SIGN_IN, role="admin", phone=phone, scheme=scheme)
    found = []
    for path in [SIGN_IN, "/review/editor", *lived_in]:
        page.goto(house.url + path)
        wide, screen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        if wide > screen:
            found.append(f"{path} is {wide} pixels wide")
        for one in Axe().run(page).response["violations"]:
            if one["impact"] in SERIOUS:
                found.extend(f"{path}: {one['id']}: {node['html'][:120]}" for node in one["nodes"])
    assert found == []


def test_every_page_is_right_html_with_one_heading_first(lived_in: list[str], house: House) -> None:
    for path in [SIGN_IN, *lived_in]:
        text = _page(house, path)
        parser = html5lib.HTMLParser(tree=html5lib.treebuilders.getTreeBuilder("etree"), namespaceHTMLElements=False)
        document = parser.parse(text)
        assert [error for error in parser.errors if error[1] != "expected-doctype"] == [], path
        headings = [int(one.tag[1]) for one in document.iter() if str(one.tag) in ("h1", "h2", "h3", "h4")]
        assert headings[0] == 1, path
        assert headings.count(1) == 1, path
        ids = [one.get("id") for one in document.iter() if one.get("id")]
        assert len(ids) == len(set(ids)), path


def test_no_link_leads_nowhere(lived_in: list[str], house: House) -> None:
    checked: set[str] = set()
    for path in lived_in:
        document = html5lib.parse(_page(house, path), namespaceHTMLElements=False)
        for one in document.iter():
            for name in ("href", "src", "action"):
                target = one.get(name)
                if not target or one.get("data-beside") is not None or one.get("method") == "post":
                    continue
                url = urljoin(house.url + path, target)
                assert urlsplit(url).netloc == urlsplit(house.url).netloc, f"{path} links to {url}"
                if (place := url.partition("#")[0]) not in checked:
                    checked.add(place)
                    answer = house.service.client.get(place, headers=house.headers("admin"))
                    assert answer.status_code < 400, f"{path} links to {url}: {answer.status_code}"
    assert len(checked) > 20


def test_every_page_is_small(lived_in: list[str], house: House) -> None:
    for path in lived_in:
        document = html5lib.parse(text := _page(house, path), namespaceHTMLElements=False)
        assets = {one.get(name) for one in document.iter() for name in ("href", "src")}
        sizes = [
            len(house.service.client.get(one).content)
            for one in assets
            if one is not None and one.startswith("/assets/")
        ]
        assert len(text.encode()) + sum(sizes) < _MOST_BYTES, path


def test_every_page_has_a_twin_for_programs(lived_in: list[str], house: House) -> None:
    for path in lived_in:
        place, mark, query = path.partition("?")
        twin = "/overview.json" if path == "/" else f"{place}.json{mark}{query}"
        answer = house.service.client.get(twin, headers=house.headers("admin"))
        assert answer.status_code == 200, twin
        assert answer.json(), twin


def test_the_menu_shows_each_role_what_it_may_see(house: House) -> None:
    for role in house.keys:
        for place in PLACES:
            answer = house.service.client.get(
                place.path, headers={**house.headers(role), "Accept": "text/html"}, follow_redirects=True
            )
            shown = f'href="{place.path}"' in answer.text.partition('id="menu"')[2].partition("</nav>")[0]
            if place.path != "/":  # the overview's address leads sellers to their inspections, and the mark to it
                assert shown == (answer.status_code == 200), (role, place.path)


def _page(house: House, path: str) -> str:
    answer = house.service.client.get(path, headers={**house.headers("admin"), "Accept": "text/html"})
    assert answer.status_code == 200, f"{path}: {answer.text[:300]}"
    return answer.text
