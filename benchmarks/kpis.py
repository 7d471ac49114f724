"""How long it takes to keep the KPIs of many inspections up to date, and to show them.

    python benchmarks/kpis.py --inspections 1000000

Inspections with their photos, detections, ratings, verdicts and listings are written to a new SQLite database as rows:
a year of them, day after day, of three channels and two model versions; in chunks, each of which is then counted as in
production. At the end the KPIs of the year are summarised, and the sums are compared with what SQL counts in the rows.
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from dentwatch.monitoring.kpis import rollups, totals
from dentwatch.monitoring.kpis.report import report
from dentwatch.monitoring.kpis.totals import Period, Scope
from dentwatch.records.database import Database
from dentwatch.settings import KpiSettings

CHUNK = 100_000
START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = Scope(Period(date(2026, 1, 1), date(2027, 1, 1)))

INSERTS = {
    "inspections": "(id, created_at, status, listing_id, channel, model, damages, answer, attempts) "
    "VALUES (?, ?, 'done', ?, ?, ?, ?, '{}', 0)",
    "inspection_photos": "(inspection_id, position, photo_id, name, reliable, decode_ms, infer_ms) "
    "VALUES (?, 0, ?, 'a.jpg', 1, ?, ?)",
    "detections": "(id, inspection_id, position, number, label, score, x, y, width, height) "
    "VALUES (?, ?, 0, 0, ?, 0.7, 1, 2, 30, 40)",
    "feedback": "(id, inspection_id, created_at, actor, rating) VALUES (?, ?, ?, 'user', ?)",
    "verdicts": "(id, inspection_id, created_at, actor, verdict, detection_id) VALUES (?, ?, ?, 'inspector', ?, ?)",
    "listings": "(id, created_at, channel) VALUES (?, ?, ?)",
    "kpi_changes": "(kind, subject) VALUES (?, ?)",
}

CHECKS = {
    "inspections": "SELECT count(*) FROM inspections",
    "photos": "SELECT count(*) FROM inspection_photos",
    "detections": "SELECT count(*) FROM detections",
    "ratings": "SELECT count(*) FROM feedback",
    "right": "SELECT count(*) FROM verdicts WHERE verdict = 'right'",
    "wrong": "SELECT count(*) FROM verdicts WHERE verdict = 'wrong'",
    "listings": "SELECT count(*) FROM listings",
    "listings_inspected": "SELECT count(DISTINCT l.id) FROM listings l JOIN inspections i ON i.listing_id = l.id",
}


def rows_of(first: int, count: int, of: int, rng: np.random.Generator) -> dict[str, list[tuple[object, ...]]]:
    """The rows of ``count`` of the year's ``of`` inspections, from number ``first`` on, by table."""
    channel, model = rng.integers(3, size=count), rng.integers(2, size=count)
    times, damaged, drawn = rng.lognormal(4, 0.5, (count, 2)).tolist(), rng.random(count) < 0.4, rng.random((count, 3))
    rows: dict[str, list[tuple[object, ...]]] = {table: [] for table in INSERTS}
    for number in range(count):
        one = f"{first + number:036d}"
        at = (START + timedelta(days=365) * ((first + number) / of)).strftime("%Y-%m-%d %H:%M:%S.000000")
        named = ("app", "web", "dealer")[channel[number]]
        listing = f"L{first + number}" if drawn[number, 2] < 0.1 else None
        rows["inspections"].append((one, at, listing, named, f"dentwatch/{model[number]}", int(damaged[number])))
        rows["inspection_photos"].append((one, f"{first + number:064x}", *times[number]))
        rows["kpi_changes"].append(("finished", one))
        if damaged[number]:
            rows["detections"].append((one, one, "scratch" if number % 3 else "dent"))
            if drawn[number, 0] < 0.05:
                rows["verdicts"].append((one, one, at, "right" if drawn[number, 0] < 0.035 else "wrong", one))
                rows["kpi_changes"].append(("said", one))
        if drawn[number, 1] < 0.03:
            rows["feedback"].append((one, one, at, 1 + number % 5))
            rows["kpi_changes"].append(("said", one))
        if listing is not None or drawn[number, 2] > 0.95:
            rows["listings"].append((f"L{first + number}", at, named))
            rows["kpi_changes"].append(("listing", f"L{first + number}"))
    return rows


def measure(count: int, folder: Path) -> None:
    """Fill, count, summarise and check; prints what it took."""
    path = folder / "kpis.db"
    rng = np.random.default_rng(0)
    spent: list[float] = []
    with closing(Database(f"sqlite:///{path}")) as database:
        database.check()
        for first in range(0, count, CHUNK):
            with closing(sqlite3.connect(path)) as raw, raw:
                for table, rows in rows_of(first, min(CHUNK, count - first), count, rng).items():
                    raw.executemany(f"INSERT INTO {table} {INSERTS[table]}", rows)
            started = time.perf_counter()
            rollups.catch_up(database)
            spent.append(time.perf_counter() - started)
            if (first // CHUNK) % 10 == 9:
                print(
                    f"{first + CHUNK:>12,} inspections; the last million counted in {sum(spent[-10:]):.0f} s",
                    flush=True,
                )
        print(f"counting: {sum(spent) / count * 1e6:.0f} s per million inspections")
        summaries = [_summarise(database) for _ in range(5)]
        print(f"summary of {count:,}: {min(summaries):.3f} s at best, {statistics.median(summaries):.3f} s median")
        _check(database, path)
    print(f"database: {path.stat().st_size / 1e9:.2f} GB")


def _summarise(database: Database) -> float:
    started = time.perf_counter()
    with database.reading() as connection:
        report(connection, KpiSettings(), YEAR)
    return time.perf_counter() - started


def _check(database: Database, path: Path) -> None:
    with database.reading() as connection:
        found = totals.read(connection, YEAR)["all"]
    with closing(sqlite3.connect(path)) as raw:
        for measure, query in CHECKS.items():
            [[expected]] = raw.execute(query)
            print(
                f"{measure:>20}: {found.sum(measure):,} {'=' if found.sum(measure) == expected else '≠'} {expected:,}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inspections", type=int, default=1_000_000)
    with tempfile.TemporaryDirectory() as temporary:
        measure(parser.parse_args().inspections, Path(temporary))
