"""A service under load whose worker processes are killed at random moments, and what is left of its promises.

    python tests/serving/kills.py 100 [FOLDER]

prints how many inspections were acknowledged and what became of them.
"""

import hashlib
import os
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from rectangles import as_photo, rectangle_graph, rectangles_rgb, write_bundle
from running_service import Service, serving, upload

_SENDERS = 4


@dataclass
class Tally:
    """What happened: acknowledged inspections by id with their photos' ids, and requests that came to nothing."""

    acknowledged: dict[str, list[str]] = field(default_factory=dict)
    accepted_later: set[str] = field(default_factory=set)
    unanswered: int = 0
    kills: int = 0


def workers_of(pid: int) -> list[int]:
    """The worker processes of a service without a watcher: forks of a process that it started for that."""
    with suppress(psutil.NoSuchProcess):
        return sorted(fork.pid for server in fork_servers_of(pid) for fork in server.children())
    return []


def fork_servers_of(pid: int) -> list[psutil.Process]:
    """The process that the workers are forks of."""
    return [child for child in psutil.Process(pid).children() if "multiprocessing.forkserver" in str(child.cmdline())]


def kill_under_load(service: Service, kills: int, seed: int) -> Tally:
    """Submit inspections from several threads while worker processes are killed ``kills`` times."""
    tally = Tally()
    over = threading.Event()
    senders = [threading.Thread(target=_send, args=(service, tally, over, seed + n)) for n in range(_SENDERS)]
    for sender in senders:
        sender.start()
    rng = random.Random(seed)
    try:
        while tally.kills < kills:
            answered = len(tally.acknowledged)
            while len(tally.acknowledged) == answered:  # one that is just starting has promised nothing yet
                time.sleep(0.01)
            time.sleep(rng.uniform(0.0, 0.5))
            if workers := workers_of(service.process.pid):
                with suppress(ProcessLookupError):
                    os.kill(rng.choice(workers), signal.SIGKILL)
                    tally.kills += 1
    finally:
        over.set()
        for sender in senders:
            sender.join()
    return tally


def _send(service: Service, tally: Tally, over: threading.Event, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with httpx.Client(base_url=service.document["address"], timeout=20) as client:
        while not over.is_set():
            photos = [
                as_photo(rng.integers(0, 120, (60, 80, 3), np.uint8)),
                as_photo(rectangles_rgb(200, 200, ("dent", *rng.integers(10, 90, 4).tolist()))),
            ]
            later = rng.random() < 0.3
            headers = {"Prefer": "respond-async"} if later else {}
            try:
                answer = client.post(
                    "/v1/inspections", files=[upload(f"{n}.png", one) for n, one in enumerate(photos)], headers=headers
                )
            except httpx.HTTPError:
                tally.unanswered += 1
                continue
            if answer.status_code in (200, 202):
                identity = answer.json()["id"]
                tally.acknowledged[identity] = [hashlib.sha256(one).hexdigest() for one in photos]
                if answer.status_code == 202:
                    tally.accepted_later.add(identity)
            else:
                tally.unanswered += 1


def broken_promises(service: Service, tally: Tally, patience: float = 60) -> list[str]:
    """Every acknowledged inspection that is not there whole, and every one that is there by half."""
    broken = []
    deadline = time.monotonic() + patience
    with httpx.Client(base_url=service.document["address"], timeout=20) as client:  # its connections are all new
        for identity, photo_ids in tally.acknowledged.items():
            found = _found(client, identity, deadline)
            while found.status_code == 200 and found.json()["status"] == "pending" and time.monotonic() < deadline:
                time.sleep(0.1)
                found = _found(client, identity, deadline)
            if found.status_code != 200:
                broken.append(f"{identity} was acknowledged and is lost ({found.status_code})")
            elif found.json()["status"] != "done" or _photo_ids(found.json()) != photo_ids:
                broken.append(f"{identity} is {found.json()['status']}, or has other photos")
    return broken + _halves(service.home)


def _found(client: httpx.Client, identity: str, deadline: float) -> httpx.Response:
    """The inspection, asked for anew where the connection was dealt to a worker that was just killed."""
    while True:
        try:
            return client.get(f"/v1/inspections/{identity}")
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise


def _photo_ids(inspection: dict[str, Any]) -> list[str]:
    return [one["photo_id"] for one in inspection["photos"]]


def _halves(home: Path) -> list[str]:
    halves = []
    with closing(sqlite3.connect(home / "dentwatch.db")) as connection:
        photos = dict(connection.execute("SELECT inspection_id, count(*) FROM inspection_photos GROUP BY 1"))
        audited = {row[0] for row in connection.execute("SELECT subject FROM audit_entries")}
        for identity, status, damages in connection.execute("SELECT id, status, damages FROM inspections").fetchall():
            [found] = connection.execute("SELECT count(*) FROM detections WHERE inspection_id = ?", (identity,))
            if photos.get(identity) != 2 or identity not in audited or (status == "done" and found[0] != damages):
                halves.append(f"{identity} is there by half")
        for photo_id, *_ in connection.execute("SELECT photo_id FROM inspection_photos").fetchall():
            path = home / "photos" / photo_id[:2] / photo_id
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != photo_id:
                halves.append(f"the photo {photo_id} is missing or damaged")
    return halves


def main() -> None:
    """Run with as many kills as asked for."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        place = Path(sys.argv[2] if len(sys.argv) > 2 else folder)
        bundle = write_bundle(place / "model", rectangle_graph())
        started = time.monotonic()
        with serving(bundle, place / "home", place / "log", workers=2, queue=100) as service:
            tally = kill_under_load(service, kills, seed=1)
            broken = broken_promises(service, tally)
    sys.stdout.write(
        f"{tally.kills} kills in {time.monotonic() - started:.0f} s: {len(tally.acknowledged)} inspections kept "
        f"({len(tally.accepted_later)} to be answered later), {tally.unanswered} requests unanswered, {len(broken)} "
        "promises broken\n"
    )
    sys.stdout.writelines(f"{one}\n" for one in broken)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
