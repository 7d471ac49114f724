"""A dataset version is named by what it says, never changes, and is read without loading it whole."""

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from dentwatch.errors import DatasetError
from dentwatch.records.annotations import SPLITS, Annotation, Box, PhotoRecord
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.photo_figures import PhotoFigures
from dentwatch.records.set_aside import SetAside


def row(number: int, *annotations: Annotation, **fields: object) -> PhotoRecord:
    plain = {
        "photo_id": f"{number:064x}",
        "name": f"{number}.jpg",
        "vehicle": f"v{number // 3}",
        "split": SPLITS[number // 3 % 3],
        "width": 640,
        "height": 480,
        "annotated": True,
        "source": "garage",
    }
    return PhotoRecord(annotations=annotations, **{**plain, **fields})  # type: ignore[arg-type]


SCRATCH = Annotation("scratch", Box(1, 2.5, 30, 4), "cizik", "ada")
DENT = Annotation("dent", Box(10, 20, 30, 40))


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> DatasetStore:
    return DatasetStore(str(tmp_path / "sets") if request.param == "folder" else f"memory://{tmp_path.name}/sets")


def test_rows_come_back_as_they_went_in(store: DatasetStore) -> None:
    rows = [row(n, DENT, SCRATCH, notes=("b", "a")) if n % 2 else row(n, annotated=n % 4 == 0) for n in range(10)]
    version = store.write(reversed(rows))
    back = list(store.get("latest").photos())
    assert [item.photo_id for item in back] == [item.photo_id for item in rows]
    assert back == [row(n, SCRATCH, DENT, notes=("a", "b")) if n % 2 else rows[n] for n in range(10)]
    assert list(version.photos(split="val")) == [item for item in back if item.split == "val"]
    assert [item.photo_id for item in version.photos(annotated=False)] == [rows[2].photo_id, rows[6].photo_id]


def test_info_counts_what_the_rows_say(store: DatasetStore) -> None:
    info = store.write([row(n, SCRATCH) for n in range(9)] + [row(9, annotated=False, licence="CC0")]).info
    assert (info.photos, info.annotated, info.undamaged, info.boxes, info.vehicles) == (10, 9, 0, 9, 4)
    assert info.photos_by_split == {"train": 4, "val": 3, "test": 3}
    assert info.vehicles_by_split == {"train": 2, "val": 1, "test": 1}
    assert info.boxes_by_label == {"scratch": 9}
    assert info.boxes_by_split["val"] == {"scratch": 3}
    assert info.licences == {"": 9, "CC0": 1}
    assert info.sources == {"garage": 10}


@profile(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(7)), boxes=st.permutations([SCRATCH, DENT]))
def test_the_id_does_not_depend_on_order(tmp_path: Path, order: list[int], boxes: list[Annotation]) -> None:
    store = DatasetStore(str(tmp_path / "sets"))
    assert store.write(row(n, *boxes) for n in order).id == "80de6e1ac6279eb861c65b7512742d8e"
    assert len(store.versions()) == 1


def test_any_change_changes_the_id(store: DatasetStore) -> None:
    variants: list[list[PhotoRecord]] = [
        [row(1)],
        [row(1), row(2)],
        [row(1, SCRATCH)],
        [row(1, Annotation("scratch", Box(1, 2.5, 30, 4.000001), "cizik", "ada"))],
        [row(1, annotated=False)],
        [row(1, split="test")],
        [row(1, vehicle="other")],
        [row(1, licence="CC0")],
        [row(1, notes=("exif_orientation",))],
    ]
    ids = [store.write(rows).id for rows in variants]
    assert len(set(ids)) == len(variants)
    assert [info.id for info in store.versions()] == ids
    assert store.write([row(1, Annotation("scratch", Box(1.0, 2.5, 30.0, 4.0), "cizik", "ada"))]).id == ids[2]


def test_versions_are_found_by_prefix(store: DatasetStore) -> None:
    with pytest.raises(DatasetError, match="no dataset version"):
        store.get("latest")
    assert store.latest() is None
    first, second = store.write([row(1)]), store.write([row(2)], parent="x")
    assert store.get("latest").id == second.id
    assert store.get(first.id[:6]).id == store.get(first.id).id == first.id
    assert store.get(second.id).info.parent == "x"
    for wrong in (first.id[:5], "ffffffffff", ""):
        with pytest.raises(DatasetError, match="names no"):
            store.get(wrong)
    assert store.write([row(1)]).id == first.id
    assert store.get("latest").id == first.id


def test_a_photo_may_not_come_twice(store: DatasetStore) -> None:
    with pytest.raises(DatasetError, match="twice"):
        store.write([row(1), row(1)])
    assert store.versions() == []


def test_nothing_counts_before_the_commit(store: DatasetStore) -> None:
    store.write([row(1)])
    prepared = store.prepare([row(1), row(2)])
    assert [info.photos for info in store.versions()] == [1]
    store.commit(prepared)
    assert [info.photos for info in store.versions()] == [1, 2]


def test_figures_and_what_is_set_aside_are_kept(store: DatasetStore) -> None:
    entry = SetAside("photo", "truncated", "The end is missing.", "0" * 64, "a.jpg", '[{"label": "x"}]', 4, 5)
    figures = [PhotoFigures(f"{n:064x}", 2**64 - 1 - n, n, {"luma_mean": n / 7}) for n in range(3)]
    store.commit(set_aside=[entry], figures=figures[:2])
    store.commit(figures=figures[2:])
    assert list(store.set_aside()) == [entry]
    assert list(store.figures()) == figures
    store.commit(set_aside=[])
    assert list(store.set_aside()) == []


def test_only_one_process_writes(tmp_path: Path) -> None:
    store, other = DatasetStore(str(tmp_path)), DatasetStore(str(tmp_path))
    with store.place.only_writer(), pytest.raises(DatasetError, match="Another process"):
        other.write([row(1)])
    assert other.write([row(1)]).info.photos == 1


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path))
    version = store.write([row(1)])
    (tmp_path / version.id / "info.json").write_text("{}")
    with pytest.raises(DatasetError, match=version.id[:12]):
        store.versions()
    (tmp_path / version.id / "manifest.parquet").unlink()
    with pytest.raises(DatasetError, match="missing"):
        list(version.photos())
    (tmp_path / "catalog.json").write_text("[]")
    with pytest.raises(DatasetError, match="damaged"):
        store.versions()


def test_reading_streams(tmp_path: Path) -> None:
    version = DatasetStore(str(tmp_path)).write(row(n) for n in range(10_000))
    assert [item.name for item in itertools.islice(version.photos(), 3)] == ["0.jpg", "1.jpg", "2.jpg"]
