"""Photos come from folders, zips and databases, with what the user says about them."""

import json
import multiprocessing
import os
import sqlite3
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from photo_trees import boxes, photo, read_tree, reasons, write_tree, write_zip

from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.sources import open_source
from dentwatch.errors import PhotoError, SourceError


def call(read: Callable[[], bytes]) -> bytes:
    return read()


def test_another_process_reads_the_photos(tmp_path: Path) -> None:
    red, blue = photo(colour="red"), photo(colour="blue")
    folder = write_tree(tmp_path / "folder", {"a.jpg": red})
    archive = write_zip(tmp_path / "photos.zip", {"b é.jpg": blue})
    found = [next(iter(open_source(str(place)).photos())) for place in (folder, archive)]
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned) as pool:
        assert list(pool.map(call, [item.read for item in found])) == [red, blue]


def test_forked_processes_read_one_zip_at_once(tmp_path: Path) -> None:
    files = {f"{number}.jpg": os.urandom(50_000) for number in range(40)}
    photos = list(open_source(str(write_zip(tmp_path / "photos.zip", files))).photos())
    photos[0].read()  # the zip is open when the processes are forked
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        for item, data in zip(photos, pool.map(call, [item.read for item in photos], chunksize=2), strict=True):
            assert data == files[item.name]


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a.jpg": photo()})
    assert len(list(open_source(f"file://{tmp_path}").photos())) == 1


class TestZip:
    def test_nothing_is_unpacked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        archive = write_zip(tmp_path / "photos.zip", {"deep/er/a.jpg": photo(), "b.jpg": photo()})
        for item in open_source(str(archive)).photos():
            assert item.read() == photo()
        assert list(tmp_path.iterdir()) == [archive]

    @pytest.mark.parametrize("member", ["../evil.jpg", "/evil.jpg", "a/../../evil.jpg"])
    def test_paths_that_lead_out_are_refused(self, tmp_path: Path, member: str) -> None:
        archive = write_zip(tmp_path / "photos.zip", {"a.jpg": photo(), member: b"evil"})
        with pytest.raises(SourceError, match="leads out"):
            open_source(str(archive))

    def test_a_zip_that_is_replaced_is_read_anew(self, tmp_path: Path) -> None:
        for colour in ("red", "blue"):
            archive = write_zip(tmp_path / "photos.zip", {"a.jpg": photo(colour=colour)})
            os.utime(archive, ns=(len(colour), len(colour)))
            assert next(iter(open_source(str(archive)).photos())).read() == photo(colour=colour)

    def test_what_is_no_zip_says_so(self, tmp_path: Path) -> None:
        for data in (b"", b"PK\x03\x04 nonsense"):
            (tmp_path / "photos.zip").write_bytes(data)
            with pytest.raises(SourceError, match="not a zip"):
                open_source(str(tmp_path / "photos.zip"))

    def test_a_damaged_member_costs_only_itself(self, tmp_path: Path) -> None:
        archive = write_zip(tmp_path / "photos.zip", {"a.jpg": b"A" * 1000, "b.jpg": photo()})
        data = bytearray(archive.read_bytes())
        data[data.index(b"AAAA") + 10] ^= 1
        archive.write_bytes(data)
        first, second = open_source(str(archive)).photos()
        with pytest.raises(PhotoError) as caught:
            first.read()
        assert caught.value.reason == "unreadable"
        assert second.read() == photo()


def test_a_photo_deleted_meanwhile_is_missing(tmp_path: Path) -> None:
    (found,) = open_source(str(write_tree(tmp_path, {"a.jpg": photo()}))).photos()
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(PhotoError) as caught:
        found.read()
    assert caught.value.reason == "missing"


def test_a_large_folder_needs_little_memory(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"{number % 10}/{number:05}.jpg": b"x" for number in range(2_000)})
    source = open_source(str(tmp_path))
    tracemalloc.start()
    assert sum(1 for _ in source.photos()) == 2_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000 * 250  # bytes: paths and nothing else


class TestOverrides:
    def test_a_pattern_finds_the_vehicle(self, tmp_path: Path) -> None:
        files = {"car12_front.jpg": photo(), "car12_rear.jpg": photo(), "other.jpg": photo()}
        found = read_tree(tmp_path, files, vehicle_pattern=r"car(?P<vehicle>\d+)_")
        assert [item.vehicle for item in found.values()] == ["12", "12", None]
        assert reasons(found["other.jpg"]) == ["vehicle_missing"]
        assert read_tree(tmp_path, files, vehicle_pattern=r"^(\w+?)_")["car12_rear.jpg"].vehicle == "car12"

    def test_a_csv_goes_before_everything_else(self, tmp_path: Path) -> None:
        (tmp_path / "list.csv").write_text(
            "name,vehicle,split,licence,consent,source\n"
            'a.jpg,V1,valid,CC0,yes,"yard, north"\nsub/b.jpg,V2,,,,\nc.jpg,V3,test,,,\ngone.jpg,V4,,,,\n'
        )
        images = [{"id": 1, "file_name": "a.jpg", "vehicle": "X", "split": "train"}]
        document = {"images": images, "annotations": [], "categories": []}
        files = {"x.json": document, "a.jpg": photo(), "sub/b.jpg": photo(), "sub/c.jpg": photo()}
        options: dict[str, Any] = {"sidecar": tmp_path / "list.csv", "licence": "CC BY 4.0", "consent": "asked"}
        found = read_tree(tmp_path / "photos", files, **options)
        first = found["a.jpg"]
        assert (first.vehicle, first.split, first.licence) == ("V1", "val", "CC0")
        assert (first.consent, first.source) == ("yes", "yard, north")
        second = found["sub/b.jpg"]
        assert (second.vehicle, second.split, second.licence, second.consent) == ("V2", None, "CC BY 4.0", "asked")
        assert (found["sub/c.jpg"].vehicle, found["sub/c.jpg"].split) == ("V3", "test")
        with pytest.raises(PhotoError, match="CSV"):
            found["gone.jpg"].read()

    def test_a_named_field_goes_before_the_sidecar_of_an_export(self, tmp_path: Path) -> None:
        images = [{"id": 1, "file_name": "a.jpg", "plate": "AB 1"}]
        document = {"images": images, "annotations": [], "categories": []}
        sidecar = {"file": "a.jpg", "name": "front.jpg", "vehicle": "V1", "split": "test", "notes": ["near_duplicate"]}
        files = {"x.json": document, "a.jpg": photo(), "dentwatch.jsonl": sidecar}
        found = read_tree(tmp_path, files)["front.jpg"]
        assert (found.vehicle, found.split, found.notes) == ("V1", "test", ("near_duplicate",))
        assert read_tree(tmp_path, files, vehicle_field="plate")["front.jpg"].vehicle == "AB 1"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("file,vehicle\na.jpg,1\n", "columns file, vehicle"),
            ("", "columns none"),
            ("name,colour\na.jpg,red\n", "colour"),
            ("name,vehicle\na.jpg\n", "line 2"),
            ("name,vehicle\na.jpg,1\na.jpg,2\n", "line 3"),
            ("name,split\na.jpg,most\n", "'most' is not a split"),
            ("name,vehicle\n,1\n", "empty"),
        ],
    )
    def test_a_csv_that_makes_no_sense(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "list.csv").write_text(text)
        with pytest.raises(SourceError, match=message):
            read_tree(tmp_path / "photos", {"a.jpg": photo()}, sidecar=tmp_path / "list.csv")

    def test_a_pattern_or_csv_that_is_none(self, tmp_path: Path) -> None:
        files = {"a.jpg": photo()}
        for pattern in ("(", "no group"):
            with pytest.raises(SourceError, match="pattern"):
                read_tree(tmp_path, files, vehicle_pattern=pattern)
        with pytest.raises(SourceError, match="cannot be read"):
            read_tree(tmp_path, files, sidecar=tmp_path / "gone.csv")
        with pytest.raises(SourceError, match="YOLO has no fields"):
            read_tree(tmp_path / "yolo", {"data.yaml": "nc: 1\nnames: [a]", "a.jpg": photo()}, vehicle_field="vin")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Photos as bytes, by path, by URL, and missing."""
    (tmp_path / "p.jpg").write_bytes(photo(colour="green"))
    items = [{"label": "dent", "bbox": [1, 2, 3, 4.5], "annotator": "ann"}, {"label": "dent", "bbox": [1, None]}, {}]
    rows = [
        ("bytes é.jpg", photo(), None, None, json.dumps(items), 7, "valid", "CC0", None),
        ("path", None, str(tmp_path / "p.jpg"), None, "[]", "V2", None, None, "yes"),
        (None, None, None, f"file://{tmp_path}/p.jpg", None, None, None, None, None),
        ("none", None, None, None, "null", None, None, None, None),
        ("broken", photo(), None, None, "[{", None, None, None, None),
    ]
    path = tmp_path / "cars.db"
    with sqlite3.connect(path) as connection:
        columns = "name, photo, path, url, annotations, car, split, licence, consent"
        connection.execute(f"CREATE TABLE photos ({columns})")
        connection.executemany(f"INSERT INTO photos ({columns}) VALUES (?,?,?,?,?,?,?,?,?)", rows)
    connection.close()
    return path


class TestDatabase:
    def test_rows_are_photos(self, database: Path) -> None:
        query = "SELECT *, '10:30 %s' AS source FROM photos"
        source = open_source(f"sqlite:///{database}", sql_query=query, vehicle_field="car", licence="mine")
        assert (source.format, source.count()) == ("sql", None)
        first, second, third, fourth, fifth = source.photos()
        assert (first.name, boxes(first)) == ("bytes é.jpg", [("dent", 1, 2, 4, 6.5)])
        assert reasons(first) == ["box_malformed", "class_unknown"]
        assert (first.vehicle, first.split, first.licence, first.source) == ("7", "val", "CC0", "10:30 %s")
        assert first.read() == photo()
        assert (second.annotations, second.vehicle, second.consent, second.licence) == ((), "V2", "yes", "mine")
        assert second.read() == third.read() == photo(colour="green")
        assert (third.annotations, fourth.annotations) == (None, None)
        with pytest.raises(PhotoError) as caught:
            fourth.read()
        assert caught.value.reason == "missing"
        assert (fifth.annotations, reasons(fifth)) == (None, ["annotations_malformed"])

    def test_rows_are_streamed(self, tmp_path: Path) -> None:
        path = tmp_path / "large.db"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE photos (name, photo)")
            connection.executemany(
                "INSERT INTO photos VALUES (?, ?)", ((f"{number}.jpg", bytes(200_000)) for number in range(200))
            )
        connection.close()
        source = open_source(f"sqlite:///{path}", sql_query="SELECT * FROM photos")
        tracemalloc.start()
        assert sum(len(item.read()) for item in source.photos()) == 40_000_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 12_000_000  # some rows at once, not all

    @pytest.mark.parametrize(
        ("url", "query", "message"),
        [
            ("nonsense", "SELECT 1", "not a database URL"),
            ("nosuch://x/y", "SELECT 1", "nosuch"),
            ("sqlite:///{path}", "SELECT * FROM absent", "no such table"),
            ("sqlite:///{path}", "SELECT name FROM photos", "returns name"),
            ("sqlite:///{path}", "CREATE TABLE t (x)", "returns no columns"),
            ("sqlite:///{path}", "SELECT photo FROM photos", "vehicle field car"),
        ],
    )
    def test_queries_that_make_no_sense(self, database: Path, url: str, query: str, message: str) -> None:
        location = url.replace("{path}", str(database))
        with pytest.raises(SourceError, match=message):
            list(open_source(location, sql_query=query, vehicle_field="car").photos())

    def test_a_password_is_never_shown(self) -> None:
        location = "postgresql+nodriver://me:s3cret@localhost/cars"
        with pytest.raises(SourceError) as caught:
            list(open_source(location, sql_query="SELECT 1").photos())
        assert "s3cret" not in str(caught.value)

    def test_a_database_without_a_query_says_what_is_missing(self, database: Path) -> None:
        with pytest.raises(SourceError) as caught:
            open_source(f"sqlite:///{database}")
        assert "query" in str(caught.value)


def test_the_same_source_gives_the_same_photos_in_the_same_order(shared: Path) -> None:
    location = str(shared / "photos" / "bilgi")

    def statements() -> list[IncomingPhoto]:
        return list(open_source(location).photos())

    assert statements() == statements()
