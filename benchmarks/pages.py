"""How soon each page can be seen over a database of many inspections, in Chromium on this machine.

    python benchmarks/pages.py --inspections 100000

A home is filled as in ``benchmarks/kpis.py``, one more inspection is made with a real photo, and a real service serves
it. Each page is opened several times in a fresh tab, with what browsers keep kept, and once before without. Printed are
the median and the worst time to the first contentful paint, of which the server's answer, and the bytes of the page
with scripts and styles, without photos.
"""

import argparse
import math
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
from kpis import CHUNK, INSERTS, rows_of
from PIL import Image
from playwright.sync_api import BrowserContext, sync_playwright

from dentwatch.monitoring.kpis import rollups
from dentwatch.records.database import Database
from dentwatch.settings import Settings
from dentwatch.web.pages import PLACES

ROUNDS = 5
PORT = 8199
BASE = f"http://127.0.0.1:{PORT}"
TIMING = """() => ({
  paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN,
  server: performance.getEntriesByType("navigation")[0].responseEnd,
  bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .filter((one) => !/photos|figure/.test(one.name)).reduce((sum, one) => sum + one.decodedBodySize, 0),
})"""


def fill(home: Path, count: int) -> None:
    """Write ``count`` inspections and count them."""
    settings = Settings(home=home)
    rng = np.random.default_rng(0)
    with closing(Database.of(settings)) as database:
        database.check()
        for first in range(0, count, CHUNK):
            with closing(sqlite3.connect(home / "dentwatch.db")) as raw, raw:
                for table, rows in rows_of(first, min(CHUNK, count - first), count, rng).items():
                    raw.executemany(f"INSERT INTO {table} {INSERTS[table]}", rows)
        rollups.catch_up(database)


@contextmanager
def serving(home: Path) -> Iterator[None]:
    """A service over ``home``, with the watcher beside it."""
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


def inspected() -> str:
    """The page of an inspection with a real photo."""
    written = BytesIO()
    Image.effect_noise((1600, 1200), 40).convert("RGB").save(written, "JPEG")
    answer = httpx.post(f"{BASE}/v1/inspections", files={"photos": ("a.jpg", written.getvalue())}, timeout=60)
    return f"/inspections/{answer.raise_for_status().json()['id']}"


def look(context: BrowserContext, path: str) -> dict[str, float]:
    """Open a page and say how long that took, in milliseconds."""
    page = context.new_page()
    page.goto(BASE + path, wait_until="load")
    while math.isnan((found := page.evaluate(TIMING))["paint"]):  # it comes a moment after loading
        page.wait_for_timeout(5)
    page.close()
    return found


def measure(count: int) -> None:
    """Fill, serve and look; prints the table."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        fill(home, count)
        with serving(home), sync_playwright() as play:
            paths = [*(place.path for place in PLACES), inspected()]
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            print(f"{'page':<24}{'first':>9}{'median':>9}{'worst':>9}{'server':>9}{'kB':>7}")
            for path in paths:
                context = browser.new_context()
                first = look(context, path)
                seen = [look(context, path) for _ in range(ROUNDS)]
                paints = [one["paint"] for one in seen]
                server = statistics.median(one["server"] for one in seen)
                print(
                    f"{path[:22]:<24}{first['paint']:>7.0f}ms{statistics.median(paints):>7.0f}ms{max(paints):>7.0f}ms"
                    f"{server:>7.0f}ms{first['bytes'] / 1000:>7.0f}",
                    flush=True,
                )
                context.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inspections", type=int, default=100_000)
    measure(parser.parse_args().inspections)
