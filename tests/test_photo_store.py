"""The photo store keeps every photo once, whole, under its own hash."""

import hashlib
import multiprocessing
import os
from pathlib import Path

import pytest

from dentwatch.errors import DataError, PhotoError
from dentwatch.records.photos import PhotoStore


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_what_goes_in_comes_out(tmp_path: Path, kind: str) -> None:
    store = PhotoStore(str(tmp_path / "photos") if kind == "folder" else f"memory://{tmp_path.name}/photos")
    data = b"any bytes at all"
    photo_id = store.put(data)
    assert photo_id == hashlib.sha256(data).hexdigest()
    assert store.has(photo_id)
    assert store.get(photo_id) == data
    assert store.put(data) == photo_id
    assert list(store.photo_ids()) == [photo_id]
    assert (store.local_path(photo_id) is not None) == (kind == "folder")


def test_a_missing_photo_is_named(tmp_path: Path) -> None:
    store = PhotoStore(str(tmp_path))
    absent = "0" * 64
    assert not store.has(absent)
    assert store.local_path(absent) is None
    with pytest.raises(PhotoError, match=absent) as caught:
        store.get(absent)
    assert caught.value.reason == "missing"
    with pytest.raises(PhotoError, match="not a photo id"):
        store.get("../../etc/passwd")


def test_an_emptied_file_is_written_again(tmp_path: Path) -> None:
    store = PhotoStore(str(tmp_path))
    photo_id = store.put(b"photo", durable=False)
    path = store.local_path(photo_id)
    assert path is not None
    path.write_bytes(b"")
    assert store.put(b"photo") == photo_id
    assert store.get(photo_id) == b"photo"


def test_a_photo_that_is_there_already_is_on_the_disk_when_it_has_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PhotoStore(str(tmp_path))
    photo_id = store.put(b"photo", durable=False)
    synced: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    store.put(b"photo", durable=False)
    assert not synced
    store.put(b"photo")
    path = store.local_path(photo_id)
    assert path is not None
    assert synced == {path.stat().st_ino, path.parent.stat().st_ino}


def test_the_names_of_new_folders_are_on_the_disk_before_the_first_photo_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    photos = tmp_path / "home" / "photos"
    photo_id = PhotoStore(str(photos)).put(b"photo")
    photo = photos / photo_id[:2] / photo_id
    parents = [photos, tmp_path / "home", tmp_path]  # each holds the name of the one before
    assert synced == [path.stat().st_ino for path in (*parents, photo, photo.parent)]
    synced.clear()
    PhotoStore(str(photos)).put(b"another")  # as after a new start
    assert synced[0] == photos.stat().st_ino
    assert len(synced) == 3


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system has no posix_fadvise")
@pytest.mark.parametrize(
    ("durable", "cached", "leaves"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_a_photo_leaves_the_page_cache_where_nobody_will_read_it_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool, cached: bool, leaves: bool
) -> None:
    advised: list[int] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *asked: advised.append(asked[3]))
    PhotoStore(str(tmp_path)).put(b"photo", durable=durable, cached=cached)
    assert advised == ([os.POSIX_FADV_DONTNEED] if leaves else [])


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "photos").write_text("a file, not a folder")
    with pytest.raises(DataError, match="cannot be written"):
        PhotoStore(str(tmp_path / "photos")).put(b"photo")


def _put_all(folder: str) -> None:
    store = PhotoStore(folder)
    for number in range(50):
        store.put(f"photo {number}".encode() * 1000, durable=False)


def test_processes_may_write_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_put_all, args=(str(tmp_path),)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    store = PhotoStore(str(tmp_path))
    assert len(list(store.photo_ids())) == 50
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
