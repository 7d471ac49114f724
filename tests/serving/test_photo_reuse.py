"""A photo that was submitted for another vehicle is found, whoever kept it, and photos that show nothing are not."""

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import delete, update
from views_of import panel

from dentwatch.data.perceptual_hash import perceptual_hashes
from dentwatch.data.statistics import photo_statistics
from dentwatch.records.database import Database
from dentwatch.records.tables import inspection_photos, inspections
from dentwatch.serving.hash_bands import HashBands
from dentwatch.serving.photo_reuse import Reuse, ReuseIndex, is_distinctive

OWN, MIRRORED = 0x0123456789ABCDEF, 0xFEDCBA9876543210


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'dentwatch.db'}")
    yield opened
    opened.close()


def keep(
    database: Database, vehicle: str | None, *photos: tuple[str, int | None], status: str = "done", number: Any = None
) -> str:
    """Keep an inspection with photos of these ids and hashes, as a service's process does."""
    inspection = str(uuid.uuid4())
    row = {"id": inspection, "created_at": datetime.now(UTC), "status": status, "vehicle_id": vehicle}
    with database.writing() as connection:
        connection.execute(inspections.insert().values(**row, **({} if number is None else {"number": number})))
        for position, (photo_id, value) in enumerate(photos):
            connection.execute(
                inspection_photos.insert().values(
                    inspection_id=inspection,
                    position=position,
                    photo_id=photo_id,
                    name="left.jpg",
                    vehicle_id=vehicle,
                    perceptual_hash=value,
                    mirrored_hash=value,
                )
            )
    return inspection


class Index:
    """An index that opens the database for each thing it is asked."""

    def __init__(self, database: Database, distance: int) -> None:
        self._database, self._index = database, ReuseIndex(distance)

    def __len__(self) -> int:
        return len(self._index)

    def refresh(self) -> int:
        with self._database.reading() as connection:
            return self._index.refresh(connection)

    def find(self, photo_id: str, own_hash: int | None, mirrored: int | None, vehicle_id: str | None) -> list[Reuse]:
        with self._database.reading() as connection:
            return self._index.find(connection, photo_id, own_hash, mirrored, vehicle_id)


def test_the_same_file_for_another_vehicle_is_exact(database: Database) -> None:
    kept = keep(database, "A", ("other", 0), ("photo", None))
    index = Index(database, 4)  # not even refreshed: the database knows its files
    assert index.find("photo", None, None, "B") == [Reuse(kept, 1, "A", "exact")]
    assert index.find("photo", None, None, "A") == []


@pytest.mark.parametrize(("asked", "mirrored"), [((OWN, 0), False), ((0, OWN), True)])
def test_a_look_alike_is_near_and_says_whether_it_is_mirrored(
    database: Database, asked: tuple[int, int], mirrored: bool
) -> None:
    kept = keep(database, "A", ("photo", OWN ^ 0b111))
    index = Index(database, 4)
    assert index.refresh() == 1
    assert index.find("new", *asked, "B") == [Reuse(kept, 0, "A", "near", 3, mirrored)]
    assert index.find("new", *asked, "A") == []
    assert Index(database, 2).find("new", *asked, "B") == []


def test_the_same_file_is_not_named_twice_and_comes_first(database: Database) -> None:
    near = keep(database, "A", ("resaved", OWN ^ 1))
    exact = keep(database, "C", ("photo", OWN))
    index = Index(database, 4)
    index.refresh()
    found = index.find("photo", OWN, MIRRORED, "B")
    assert [(reuse.inspection_id, reuse.kind) for reuse in found] == [(exact, "exact"), (near, "near")]


def test_photos_of_no_known_vehicle_are_left_out(database: Database) -> None:
    keep(database, None, ("photo", OWN))
    index = Index(database, 4)
    index.refresh()
    assert len(index) == 0
    assert index.find("photo", OWN, MIRRORED, "B") == []
    keep(database, "A", ("photo", OWN))
    index.refresh()
    assert index.find("photo", OWN, MIRRORED, None) == []


def test_what_another_process_keeps_is_found_after_a_refresh(database: Database) -> None:
    here = Index(database, 4)
    here.refresh()
    elsewhere = Database(database.url)
    kept = keep(elsewhere, "A", ("photo", OWN))
    elsewhere.close()
    assert here.refresh() == 1
    assert here.refresh() == 0
    assert here.find("new", OWN, MIRRORED, "B") == [Reuse(kept, 0, "A", "near")]


def test_an_inspection_that_is_under_way_is_taken_in_when_it_is_done(database: Database) -> None:
    kept = keep(database, "A", ("photo", None), status="pending")
    keep(database, "C", ("later", MIRRORED))
    index = Index(database, 4)
    assert index.refresh() == 1
    with database.writing() as connection:
        connection.execute(update(inspections).where(inspections.c.id == kept).values(status="done"))
        values = {"perceptual_hash": OWN}
        connection.execute(update(inspection_photos).where(inspection_photos.c.inspection_id == kept).values(**values))
    assert index.refresh() == 1
    assert index.refresh() == 0
    assert index.find("new", OWN, 0, "B") == [Reuse(kept, 0, "A", "near")]


def test_a_number_that_is_committed_late_is_not_missed(database: Database) -> None:
    """PostgreSQL gives numbers out before the commit: number 2 can show up after number 3."""
    keep(database, "A", ("first", 0), number=1)
    keep(database, "A", ("third", 0), number=3)
    index = Index(database, 4)
    assert index.refresh() == 2
    kept = keep(database, "A", ("second", OWN), number=2)
    assert index.refresh() == 1
    assert index.find("new", OWN, MIRRORED, "B") == [Reuse(kept, 0, "A", "near")]


def test_a_deleted_inspection_is_not_named(database: Database) -> None:
    kept = keep(database, "A", ("photo", OWN))
    index = Index(database, 4)
    index.refresh()
    with database.writing() as connection:
        connection.execute(delete(inspections).where(inspections.c.id == kept))
    assert index.find("new", OWN, MIRRORED, "B") == []


def test_an_answer_stays_short(database: Database) -> None:
    for number in range(30):
        keep(database, f"V{number}", ("photo", OWN), ("alike", OWN ^ (number % 4)))
    index = Index(database, 4)
    index.refresh()
    assert len(index.find("photo", OWN, MIRRORED, "B")) == 20
    near = index.find("new", OWN, MIRRORED, "B")
    assert len(near) == 20
    assert [reuse.distance for reuse in near] == sorted(reuse.distance for reuse in near)


def test_threads_may_share_an_index(database: Database) -> None:
    index = Index(database, 4)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for round_ in range(10):
                keep(database, f"V{number}", (f"{number}-{round_}", OWN))
                index.refresh()
                index.find("new", OWN, MIRRORED, "B")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    index.refresh()
    assert len(index) == 40


def test_real_pixels_saved_again_and_mirrored_are_found(database: Database) -> None:
    rgb = panel(1)
    own, _ = perceptual_hashes(rgb)
    kept = keep(database, "A", ("photo", own))
    index = Index(database, 4)
    index.refresh()
    _, data = cv2.imencode(".jpg", cv2.resize(rgb[:, ::-1], (300, 300)), [cv2.IMWRITE_JPEG_QUALITY, 50])
    again = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    [found] = index.find("new", *perceptual_hashes(again), "B")
    assert (found.inspection_id, found.kind, found.mirrored) == (kept, "near", True)
    assert index.find("new", *perceptual_hashes(panel(2)), "B") == []


def test_a_photo_that_shows_nothing_is_not_distinctive() -> None:
    gradient = np.tile(np.linspace(100, 140, 400, dtype=np.uint8)[None, :, None], (300, 1, 3))
    assert not is_distinctive(photo_statistics(gradient))
    assert is_distinctive(photo_statistics(panel(1)))


@given(seed=st.integers(0, 2**32), distance=st.integers(0, 9), pieces=st.integers(1, 4))
@profile(max_examples=30, deadline=None)
def test_the_bands_find_what_comparing_with_all_finds(seed: int, distance: int, pieces: int) -> None:
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 2**64, 20, np.uint64)
    hashes = np.repeat(ground, 600)
    for _ in range(8):
        hashes ^= np.uint64(1) << rng.integers(0, 64, len(hashes)).astype(np.uint64)
    owners = rng.integers(0, 5, len(hashes)).astype(np.uint64)
    bands = HashBands(distance)
    for part in np.array_split(np.arange(len(hashes)), pieces):
        bands.add(hashes[part].tolist(), owners[part].tolist(), part.tolist())
        bands.find(0, 0, 1)  # makes the buckets, so that the next part is their tail
    for value in (*ground[:3].tolist(), *hashes[:3].tolist()):
        bits = np.bitwise_count(hashes ^ np.uint64(value))
        wanted = {(int(i), int(bits[i])) for i in np.flatnonzero((bits <= distance) & (owners != 2))}
        assert set(bands.find(value, 2, len(hashes))) == wanted


def test_a_distance_of_all_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="distance of 64"):
        HashBands(64)
