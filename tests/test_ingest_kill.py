"""An ingest that is killed leaves the old state or the new one, and running it again completes it."""

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from garage import fleet

from dentwatch.data.ingest import Ingest
from dentwatch.data.provenance import with_source
from dentwatch.data.sources import open_source
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.photos import PhotoStore, photo_id_of
from dentwatch.settings import Settings

KILLS = 10
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["dentwatch.data.ingest", "dentwatch.data.sources"])


def _take_in(home: Path, source: str, workers: int, tell: Connection) -> None:
    tell.send(os.getpid())
    counted = iter(range(10**6))

    def on_photo() -> None:
        if next(counted) == 8:
            tell.send([child.pid for child in multiprocessing.active_children()])

    photos = with_source(open_source(source).photos(), source)
    Ingest(Settings(home=home), workers=workers).run(photos, on_photo=on_photo)


def _started(home: Path, source: str, workers: int = 1) -> tuple[ForkServerProcess, Connection]:
    listen, tell = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_take_in, args=(home, source, workers, tell))
    process.start()
    tell.close()
    listen.recv()
    return process, listen


def _finish(home: Path, source: str) -> None:
    process, _listen = _started(home, source)
    process.join()
    assert process.exitcode == 0


def _kill(process: ForkServerProcess) -> None:
    process.kill()
    process.join()


def _state(home: Path) -> tuple[list[str], int, int]:
    """The versions, and how many entries and figures there are; every file that counts is whole."""
    store, photos = DatasetStore(str(home / "datasets")), PhotoStore(str(home / "photos"))
    versions = [info.id for info in store.versions()]
    for version in versions:
        rows = list(store.get(version).photos())
        assert len(rows) == store.get(version).info.photos
        assert all(photo_id_of(photos.get(row.photo_id)) == row.photo_id for row in rows)
    return versions, len(list(store.set_aside())), len(list(store.figures()))


@pytest.mark.timeout(240)
def test_a_killed_ingest_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    old = fleet(tmp_path / "old", 6).add("bad.jpg", b"no photo", []).write()
    new = fleet(tmp_path / "new", 30, first=4).add("worse.jpg", b"no photo either", []).write()
    reference = tmp_path / "reference"
    for source in (old, new):
        started = time.monotonic()
        _finish(reference, source)
        duration = time.monotonic() - started
    versions, *_ = new_state = _state(reference)
    assert len(versions) == 2

    home = tmp_path / "home"
    _finish(home, old)
    old_state = _state(home)
    generator = random.Random(7)
    killed = 0
    for attempt in range(KILLS):
        process, _listen = _started(home, new)
        # Spread over the whole run, the last ones around its end, where the state changes.
        share = attempt / KILLS if attempt < 7 else generator.uniform(0.7, 1.0)
        time.sleep(share * duration)
        killed += process.is_alive()
        _kill(process)
        assert _state(home) in (old_state, new_state)
    assert killed >= 3
    _finish(home, new)
    assert _state(home) == new_state
    assert not list((home / "datasets").glob(".scratch-*"))


@pytest.mark.parametrize("step", ["prepare", "catalog"])
def test_a_kill_right_before_or_after_the_last_step(tmp_path: Path, step: str) -> None:
    source = fleet(tmp_path / "cars", 3).write()
    home = tmp_path / "home"
    process = _CONTEXT.Process(target=_take_in_and_die, args=(home, source, step))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    versions, _, figures = _state(home)
    assert (len(versions), figures) == ((0, 0) if step == "prepare" else (1, 3))
    _finish(home, source)
    versions, _, figures = _state(home)
    assert (len(versions), figures) == (1, 3)


def _take_in_and_die(home: Path, source: str, step: str) -> None:
    """Die of SIGKILL when the version is written but does not count yet, or right after it counts."""
    name = "prepare" if step == "prepare" else "commit"
    original = getattr(DatasetStore, name)

    def dying(*args: object, **kwargs: object) -> None:
        original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(DatasetStore, name, dying)
    Ingest(Settings(home=home)).run(open_source(source).photos())


def test_processes_of_a_killed_ingest_end_by_themselves(tmp_path: Path) -> None:
    source = fleet(tmp_path / "cars", 200).write()
    process, listen = _started(tmp_path / "home", source, workers=2)
    children = listen.recv()
    assert len(children) >= 2
    _kill(process)
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "processes of the killed ingest are still there"
        time.sleep(0.05)
    assert _state(tmp_path / "home") == ([], 0, 0)
