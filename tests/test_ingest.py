"""What goes in is accepted, or set aside with a reason; nothing is lost, and the result does not depend on chance."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from garage import Garage, fleet, jpeg, picture
from PIL import Image

from dentwatch import settings
from dentwatch.data.difference import changes
from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.ingest import Ingest
from dentwatch.data.ingest_report import IngestReport
from dentwatch.data.label_map import LabelMap
from dentwatch.data.provenance import source_name, with_source, without_password
from dentwatch.data.retry import Retry
from dentwatch.data.sources import open_source
from dentwatch.data.statistics import STATISTIC_NAMES
from dentwatch.data.validation import NOTES, REASONS
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.photos import PhotoStore

SCRATCH = ("scratch", [10.0, 20.0, 30.0, 5.0])
DENT = ("dent", [50.5, 60.0, 20.0, 20.0])


def ingest(location: str, mapping: dict[str, str] | None = None, workers: int = 1, **options: Any) -> IngestReport:
    photos = with_source(open_source(location, **options.pop("source", {})).photos(), location)
    return Ingest(settings.load(), LabelMap(mapping), workers, **options).run(photos)


def store() -> DatasetStore:
    return DatasetStore(settings.load().dataset_store_url)


def rows() -> dict[str, PhotoRecord]:
    return {record.name: record for record in store().get("latest").photos()}


def total(report: IngestReport) -> int:
    return report.new + report.known + report.duplicates + report.photos_set_aside.total()


def test_photos_become_a_version(home: Path, tmp_path: Path) -> None:
    report = ingest(fleet(tmp_path / "cars", 12).write())
    assert (report.seen, report.new, report.changed) == (12, 12, True)
    assert report.version is not None
    assert (report.version.photos, report.version.vehicles, report.version.undamaged, report.version.boxes) == (
        12,
        4,
        3,
        18,
    )
    assert report.missing_licence == report.missing_consent == 12
    by_vehicle: dict[str, set[str]] = {}
    for row in rows().values():
        by_vehicle.setdefault(row.vehicle, set()).add(row.split)
        assert row.source == "cars"
        assert PhotoStore(settings.load().photo_store_url).has(row.photo_id)
    assert all(len(splits) == 1 for splits in by_vehicle.values())
    figures = list(store().figures())
    assert len(figures) == 12
    assert tuple(figures[0].statistics) == STATISTIC_NAMES


def test_the_version_does_not_depend_on_order_machine_or_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    garage = fleet(tmp_path / "cars", 40)
    garage.add("near.jpg", jpeg(picture(1), quality=50), [DENT], vehicle_group="another car")
    garage.add("copy.jpg", jpeg(picture(2)), [SCRATCH], vehicle_group="yet another")
    source = garage.write()
    ids = []
    for number, (workers, step) in enumerate([(1, 1), (2, 1), (1, -1)]):
        monkeypatch.setenv("DENTWATCH_HOME", str(tmp_path / f"home {number}"))
        settings.load.cache_clear()
        photos = list(with_source(open_source(source).photos(), source))[::step]
        report = Ingest(settings.load(), workers=workers).run(photos)
        assert report.version is not None
        ids.append(report.version.id)
    settings.load.cache_clear()
    assert len(set(ids)) == 1


def test_taking_in_again_changes_nothing(home: Path, tmp_path: Path) -> None:
    source = fleet(tmp_path / "cars", 5).add("bad.jpg", b"no photo", [SCRATCH]).write()
    first, second = ingest(source), ingest(source)
    assert (second.new, second.known, second.changed, second.updated) == (0, 5, False, 0)
    assert first.version == second.version
    assert len(store().versions()) == 1
    assert len(list(store().figures())) == 5
    assert [entry.reason for entry in store().set_aside()] == ["not_an_image"]
    assert total(first) == total(second) == 6


def test_new_photos_join_the_latest_version_and_move_nothing(home: Path, tmp_path: Path) -> None:
    first = ingest(fleet(tmp_path / "one", 9).write())
    before = rows()
    second = ingest(fleet(tmp_path / "two", 9, first=6).write())
    assert (second.new, second.known) == (6, 3)
    assert second.version is not None
    assert first.version is not None
    assert second.version.parent == first.version.id
    after = rows()
    assert len(after) == 15
    assert {name: after[name] for name in before} == before
    old, new = store().get(first.version.id), store().get(second.version.id)
    found = list(changes(old, new))
    assert [change.kind for change in found] == ["added"] * 6
    assert sum(len(change.boxes_added) for change in found) == 2 * sum(n % 4 != 0 for n in range(9, 15))


def test_a_vehicle_keeps_its_split_when_a_source_says_otherwise(home: Path, tmp_path: Path) -> None:
    ingest(Garage(tmp_path / "one").add("1.jpg", jpeg(picture(1)), [], vehicle_group="a", split="test").write())
    report = ingest(
        Garage(tmp_path / "two").add("2.jpg", jpeg(picture(2)), [], vehicle_group="a", split="train").write()
    )
    assert {row.split for row in rows().values()} == {"test"}
    assert report.split_conflicts.count == 1
    assert "2.jpg is stated to be in train" in report.split_conflicts.examples[0]
    assert rows()["2.jpg"].notes == ("split_conflict",)


def test_stated_splits_are_kept_and_torn_vehicles_mended(home: Path, tmp_path: Path) -> None:
    garage = Garage(tmp_path / "cars")
    for number, (vehicle, split) in enumerate(
        [("a", "val"), ("b", "train"), ("b", "train"), ("b", "test"), ("c", None)]
    ):
        fields = {"split": split} if split else {}
        garage.add(f"{number}.jpg", jpeg(picture(number)), [], vehicle_group=vehicle, **fields)
    report = ingest(garage.write())
    assert {row.vehicle: row.split for row in rows().values()} | {"c": "?"} == {"a": "val", "b": "train", "c": "?"}
    assert report.split_conflicts.count == 1
    assert report.split_origins == {"stated": 2, "hash": 1}


SPOILED: list[tuple[str, Callable[[Garage], Garage]]] = [
    ("not_an_image", lambda garage: garage.add("x.jpg", b"just text", [SCRATCH])),
    ("truncated", lambda garage: garage.add("x.jpg", jpeg(picture(50))[:1500], [SCRATCH])),
    ("unreadable", lambda garage: garage.add("x.jpg", b"\xff\xd8\xff\xe0 no more", [SCRATCH])),
    ("too_small", lambda garage: garage.add("x.jpg", jpeg(picture(50, 300, 40)), [SCRATCH])),
    ("missing", lambda garage: garage.add("x.jpg", None, [SCRATCH])),
    ("decompression_bomb", lambda garage: garage.add("x.jpg", jpeg(picture(50, 2000, 1500)), [SCRATCH])),
]


@pytest.mark.parametrize(("reason", "spoil"), SPOILED)
def test_what_is_no_usable_photo_is_set_aside_whole(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, spoil: Callable[[Garage], Garage]
) -> None:
    monkeypatch.setenv("DENTWATCH_DATA__MAX_PIXELS", "1000000")
    garage = spoil(fleet(tmp_path / "cars", 2))
    report = ingest(garage.write())
    assert report.photos_set_aside == {reason: 1}
    assert (report.new, total(report)) == (2, 3)
    (entry,) = store().set_aside()
    assert (entry.kind, entry.reason, entry.name) == ("photo", reason, "x.jpg")
    assert "scratch" in (entry.annotations or "")
    if reason != "missing":
        assert entry.photo_id is not None
        kept = PhotoStore(settings.load().photo_store_url).get(entry.photo_id)
        assert kept == (garage.folder / "x.jpg").read_bytes()


def test_annotations_that_fail_are_set_aside_and_the_photo_is_kept(home: Path, tmp_path: Path) -> None:
    boxes = [SCRATCH, ("rust", [1, 1, 9, 9]), ("dent", [400, 10, 20, 20]), ("dent", [10, 10, 0, 9]), SCRATCH]
    boxes.append(("dent", [280, 180, 60, 60]))
    garage = Garage(tmp_path / "cars").add("x.jpg", jpeg(picture(1)), boxes, vehicle_group="a")
    garage.add("y.jpg", jpeg(picture(2)), [("rust", [1, 1, 9, 9])], vehicle_group="a")
    garage.add("z.jpg", jpeg(picture(3)), [SCRATCH], vehicle_group="a", width=100, height=200)
    report = ingest(garage.write())
    assert report.annotations_set_aside == {"unknown_class": 2, "box_outside": 1, "box_empty": 1, "size_mismatch": 1}
    assert report.unknown_classes == {"rust": 2}
    found = rows()
    assert [item.label for item in found["x.jpg"].annotations] == ["dent", "scratch"]
    assert found["x.jpg"].annotations[0].box.xyxy == (280, 180, 300, 200)
    assert found["x.jpg"].notes == ("annotations_set_aside", "box_clipped", "duplicate_box")
    # Everything that was said about y is set aside, which is not the same as "no damage".
    assert [found[name].annotated for name in ("x.jpg", "y.jpg", "z.jpg")] == [True, False, False]


def test_set_aside_annotations_come_back_after_mapping(home: Path, tmp_path: Path) -> None:
    garage = Garage(tmp_path / "cars").add("x.jpg", jpeg(picture(1)), [SCRATCH, ("hail", [60, 60, 9, 9])])
    garage.add("y.jpg", jpeg(picture(2)), [("hail", [1, 1, 9, 9])]).add(
        "z.jpg", jpeg(picture(3)), [("dirt", [1, 1, 9, 9])]
    )
    ingest(garage.write())
    again = Retry(settings.load(), "unknown_class").run(Ingest(settings.load()))
    assert (again.changed, again.annotations_set_aside) == (False, {"unknown_class": 3})

    mapped = Retry(settings.load()).run(Ingest(settings.load(), LabelMap({"hail": "dent", "dirt": "ignore"})))
    assert (mapped.updated, mapped.known, mapped.new) == (3, 3, 0)
    assert mapped.ignored_classes == {"dirt": 1}
    found = rows()
    assert [[item.label for item in found[name].annotations] for name in ("x.jpg", "y.jpg", "z.jpg")] == [
        ["scratch", "dent"] if found["x.jpg"].annotations[0].label == "scratch" else ["dent", "scratch"],
        ["dent"],
        [],
    ]
    assert all(row.annotated and row.notes == ("vehicle_unknown",) for row in found.values())
    assert list(store().set_aside()) == []

    direct = ingest(garage.write(), {"hail": "dent", "dirt": "ignore"})
    assert not direct.changed


def test_set_aside_photos_come_back_after_a_setting_changed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Garage(tmp_path / "cars").add("small.jpg", jpeg(picture(1, 300, 80)), [SCRATCH], height=80).write()
    report = ingest(source)
    assert report.version is None
    assert store().versions() == []
    monkeypatch.setenv("DENTWATCH_DATA__MIN_SIDE", "50")
    settings.load.cache_clear()
    assert Retry(settings.load(), "truncated").run(Ingest(settings.load())).seen == 0
    assert Retry(settings.load()).run(Ingest(settings.load())).new == 1
    assert rows()["small.jpg"].annotations[0].box.xyxy == (10, 20, 40, 25)
    assert list(store().set_aside()) == []


def test_rights_can_be_required_and_stated_later(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENTWATCH_DATA__REQUIRE_RIGHTS", "true")
    settings.load.cache_clear()
    report = ingest(fleet(tmp_path / "cars", 3).write(), source={"licence": "CC0"})
    assert report.photos_set_aside == {"missing_consent": 3}
    back = Retry(settings.load(), consent="seller agreed").run(Ingest(settings.load()))
    assert back.new == 3
    assert {(row.licence, row.consent) for row in rows().values()} == {("CC0", "seller agreed")}


def test_copies_count_once_and_contradictions_are_kept(home: Path, tmp_path: Path) -> None:
    data = jpeg(picture(1))
    garage = Garage(tmp_path / "cars")
    garage.add("a.jpg", data, [SCRATCH]).add("b.jpg", data, [SCRATCH], vehicle_group="v").add("c.jpg", data, [DENT])
    garage.add("d.jpg", data)
    report = ingest(garage.write())
    assert (report.new, report.duplicates, report.photos_set_aside) == (1, 2, {"contradiction": 1})
    assert total(report) == report.seen == 4
    (row,) = rows().values()
    assert (row.name, row.vehicle, [item.label for item in row.annotations]) == ("b.jpg", "v", ["scratch"])
    (entry,) = store().set_aside()
    assert (entry.name, entry.kind) == ("c.jpg", "photo")
    assert "dent" in (entry.annotations or "")


def test_corrected_annotations_need_a_word(home: Path, tmp_path: Path) -> None:
    data = jpeg(picture(1))
    ingest(Garage(tmp_path / "old").add("a.jpg", data).write())
    assert not rows()["a.jpg"].annotated
    report = ingest(Garage(tmp_path / "seen").add("a.jpg", data, [SCRATCH]).write())
    assert (report.updated, rows()["a.jpg"].annotated) == (1, True)
    report = ingest(Garage(tmp_path / "more").add("a.jpg", data, [SCRATCH, DENT]).write())
    assert (report.updated, len(rows()["a.jpg"].annotations)) == (1, 2)

    corrected = Garage(tmp_path / "corrected").add("a.jpg", data, [("dent", [1, 1, 50, 50])]).write()
    report = ingest(corrected)
    assert (report.contradictions.count, report.changed) == (1, False)
    report = ingest(corrected, update=True)
    assert report.changed
    assert [item.box.width for item in rows()["a.jpg"].annotations] == [50]
    assert list(store().set_aside()) == []


def test_look_alikes_are_noted_and_share_a_split(home: Path, tmp_path: Path) -> None:
    garage = Garage(tmp_path / "cars")
    for number in range(30):
        garage.add(f"{number}.jpg", jpeg(picture(number)), [SCRATCH], vehicle_group=f"car {number}")
        garage.add(
            f"{number}-resaved.jpg", jpeg(picture(number), quality=50), [SCRATCH], vehicle_group=f"sold {number}"
        )
    mirrored = jpeg(picture(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    garage.add("mirrored.jpg", mirrored, [SCRATCH], vehicle_group="mirrored")
    garage.add("series.jpg", jpeg(picture(1), quality=40), [SCRATCH], vehicle_group="car 1")
    report = ingest(garage.write())
    found = rows()
    for number in range(30):
        assert found[f"{number}.jpg"].split == found[f"{number}-resaved.jpg"].split
        assert "near_duplicate_elsewhere" in found[f"{number}.jpg"].notes
    assert found["mirrored.jpg"].split == found["0.jpg"].split
    assert "near_duplicate_mirrored" in found["mirrored.jpg"].notes
    assert "near_duplicate" in found["series.jpg"].notes
    assert report.leaks.count == 0
    assert len({row.split for row in found.values()}) == 3


def test_stated_splits_that_leak_are_reported(home: Path, tmp_path: Path) -> None:
    garage = Garage(tmp_path / "cars").add("a.jpg", jpeg(picture(1)), [], vehicle_group="a", split="train")
    garage.add("b.jpg", jpeg(picture(1), quality=50), [], vehicle_group="b", split="test")
    report = ingest(garage.write())
    assert (report.leaks.count, report.leaks.examples) in (
        (1, ["a.jpg in train looks like b.jpg in test."]),
        (1, ["b.jpg in test looks like a.jpg in train."]),
    )
    assert {row.vehicle: row.split for row in rows().values()} == {"a": "train", "b": "test"}


def test_turned_photos_are_noted_and_their_boxes_turned(home: Path, tmp_path: Path) -> None:
    image = picture(1)
    image.getexif()[0x0112] = 6
    turned = jpeg(image, exif=image.getexif().tobytes())
    ingest(Garage(tmp_path / "cars").add("a.jpg", turned, [("dent", [10, 20, 30, 40])], vehicle_group="a").write())
    row = rows()["a.jpg"]
    assert (row.width, row.height, row.notes) == (200, 300, ("boxes_turned", "exif_orientation"))
    assert row.annotations[0].box.xyxy == (140, 10, 180, 40)


def test_an_export_taken_in_elsewhere_is_the_same_version(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dentwatch.data.formats.export import export

    report = ingest(fleet(tmp_path / "cars", 8).add("new.jpg", jpeg(picture(99))).write())
    version = store().get("latest")
    assert report.version is not None
    photos = PhotoStore(settings.load().photo_store_url)
    for form in ("coco", "yolo"):
        export(version.photos(), photos, tmp_path / form, form)
        monkeypatch.setenv("DENTWATCH_HOME", str(tmp_path / f"home {form}"))
        settings.load.cache_clear()
        again = ingest(str(tmp_path / form))
        assert again.version is not None
        assert again.version.boxes_by_split == report.version.boxes_by_split
        for old, new in zip(version.photos(), store().get("latest").photos(), strict=True):
            assert replace(new, annotations=()) == replace(old, annotations=())
            for one, other in zip(old.annotations, new.annotations, strict=True):
                assert one.label == other.label
                np.testing.assert_allclose(other.box.xyxy, one.box.xyxy, atol=0.01)


def test_the_source_is_named_alike_on_every_machine() -> None:
    names = (
        "/data/bilgi/",
        "../bilgi",
        "s3://cars/bilgi.zip",
        "bilgi.zip",
        "postgresql://u:secret@host:5432/bilgi?x=/y",
    )
    assert {source_name(name) for name in names} == {"bilgi"}
    assert [without_password(name) for name in names[:-1]] == list(names[:-1])
    assert without_password(names[-1]) == "postgresql://u:***@host:5432/bilgi?x=/y"


def test_the_real_photos(home: Path, shared: Path) -> None:
    report = ingest(str(shared / "photos" / "bilgi"), workers=2)
    assert (report.seen, report.new, report.photos_set_aside, report.annotations_set_aside) == (1078, 1078, {}, {})
    assert report.version is not None
    assert report.version.photos_by_split == {"train": 797, "val": 150, "test": 131}
    assert (report.version.vehicles, sum(report.version.vehicles_by_split.values())) == (215, 215)
    assert report.version.boxes_by_label == {
        "scratch": 1456,
        "dent": 704,
        "lamp_broken": 183,
        "glass_shatter": 74,
        "other": 627,
    }
    assert report.split_conflicts.count == 0
    assert {"cizik", "gocuk"} <= {
        item.original_label for row in store().get("latest").photos() for item in row.annotations
    }


def test_what_a_source_cannot_read_is_reported_and_kept(home: Path, tmp_path: Path) -> None:
    garage = Garage(tmp_path / "cars").add("a.jpg", jpeg(picture(1)), [SCRATCH], vehicle_group="a")
    garage.add("b.jpg", jpeg(picture(2)), [("scratch", ["x", 1, 2, 3])], vehicle_group="b")  # type: ignore[list-item]
    garage.annotations.append({"id": 99, "image_id": 77, "category_id": 1, "bbox": [1, 1, 5, 5]})
    garage.images.append({"id": 50, "width": 5, "height": 5})
    garage.images.append(dict(garage.images[0], id=60))
    report = ingest(garage.write(), source={"vehicle_field": "vehicle_group"})
    assert report.photos_set_aside == {"annotation_orphaned": 1, "entry_malformed": 1}
    assert report.annotations_set_aside == {"box_malformed": 1}
    assert [(row.annotated, row.notes) for row in rows().values()] == [
        (name == "a.jpg", ("entry_duplicate",) if name == "a.jpg" else ("annotations_set_aside",)) for name in rows()
    ]


def die() -> bytes:
    """Stands for a photo on which a decoder crashes."""
    os._exit(1)


def test_a_photo_that_kills_its_process_is_set_aside_and_the_rest_goes_on(home: Path, tmp_path: Path) -> None:
    photos = list(open_source(fleet(tmp_path / "cars", 80).write()).photos())
    photos.insert(20, IncomingPhoto("deadly.jpg", die))
    report = Ingest(settings.load(), workers=2).run(photos)
    assert (report.seen, report.new, report.photos_set_aside) == (81, 80, {"unreadable": 1})
    (entry,) = store().set_aside()
    assert (entry.name, entry.photo_id) == ("deadly.jpg", None)


def test_every_reason_and_note_is_documented() -> None:
    text = (Path(__file__).parent.parent / "docs" / "data.md").read_text()
    assert [name for name in (*REASONS, *NOTES) if f"`{name}`" not in text] == []
