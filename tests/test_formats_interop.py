"""Other people's readers understand what is exported: labelformat's, and the ones that come with the formats."""

import json
from pathlib import Path

import pytest
import yaml
from defusedxml.ElementTree import parse
from photo_trees import photo
from PIL import Image
from test_formats_round_trips import Photos

from dentwatch.data.formats.export import export
from dentwatch.errors import DataError
from dentwatch.records.annotations import Annotation, Box, PhotoRecord

SIZE = 100, 50
ITEMS = (
    Annotation("dent", Box(1.25, 2.5, 30.1, 40.3), "gocuk", "ann"),
    Annotation("scratch", Box(0.0, 0.0, 100.0, 50.0)),
)


@pytest.fixture
def photos() -> Photos:
    return Photos()


@pytest.fixture
def records(photos: Photos) -> list[PhotoRecord]:
    """A damaged photo, one without damage and one that nobody has annotated."""
    ids = [photos.put(photo(*SIZE, colour)) for colour in ("red", "blue", "green")]
    return [
        PhotoRecord(ids[0], "one/a b.jpg", "v1", "train", *SIZE, True, ITEMS, "yard", "CC BY 4.0", "seller"),
        PhotoRecord(ids[1], "two/a b.jpg", "v2", "train", *SIZE, True),
        PhotoRecord(ids[2], "c.jpg", "v3", "val", *SIZE, False),
    ]


EXPECTED = {
    "one/a b.jpg": [("dent", (1.25, 2.5, 31.35, 42.8)), ("scratch", (0.0, 0.0, 100.0, 50.0))],
    "two/a b.jpg": [],
}


def test_labelformat_reads_the_exports(records: list[PhotoRecord], photos: Photos, tmp_path: Path) -> None:
    from labelformat.formats.coco import COCOObjectDetectionInput
    from labelformat.formats.cvat import CVATObjectDetectionInput
    from labelformat.formats.yolov8 import YOLOv8ObjectDetectionInput

    for format in ("coco", "cvat", "yolo", "yolo-roboflow"):
        export(records, photos, tmp_path / format, format)
    inputs = [
        COCOObjectDetectionInput(tmp_path / "coco" / "annotations.json"),
        CVATObjectDetectionInput(tmp_path / "cvat" / "annotations.xml"),
        YOLOv8ObjectDetectionInput(tmp_path / "yolo" / "data.yaml", "train"),
        YOLOv8ObjectDetectionInput(tmp_path / "yolo-roboflow" / "data.yaml", "train"),
    ]
    for labels in inputs:
        found = {
            item.image.filename: [
                (each.category.name, pytest.approx((each.box.xmin, each.box.ymin, each.box.xmax, each.box.ymax)))
                for each in item.objects
            ]
            for item in labels.get_labels()
        }
        assert found == EXPECTED


def test_labelformat_reads_a_flat_voc_export(records: list[PhotoRecord], photos: Photos, tmp_path: Path) -> None:
    """It looks for XML in one folder only."""
    from labelformat.formats.pascalvoc import PascalVOCObjectDetectionInput

    export(records, photos, tmp_path / "voc", "voc")
    labels = PascalVOCObjectDetectionInput(tmp_path / "voc" / "Annotations" / "one", "dent,scratch")
    (found,) = labels.get_labels()
    assert found.image.filename == "a b.jpg"
    assert [(item.category.name, item.box.xmin) for item in found.objects] == [("dent", 1.25), ("scratch", 0.0)]


def test_coco_evaluation_loads_the_export(records: list[PhotoRecord], photos: Photos, tmp_path: Path) -> None:
    coco = pytest.importorskip("faster_coco_eval")
    export(records, photos, tmp_path / "out", "coco")
    loaded = coco.COCO(str(tmp_path / "out" / "annotations.json"))
    assert len(loaded.getImgIds()) == 2
    assert [item["bbox"] for item in loaded.loadAnns(loaded.getAnnIds(imgIds=[1]))] == [
        [1.25, 2.5, 30.1, 40.3],
        [0.0, 0.0, 100.0, 50.0],
    ]


def test_photos_that_nobody_annotated_never_pass_for_undamaged(
    records: list[PhotoRecord], photos: Photos, tmp_path: Path
) -> None:
    for format in ("yolo", "yolo-roboflow"):
        out = export(records, photos, tmp_path / format, format).folder
        assert (out / "unannotated" / "c.jpg").is_file()
        assert "val" not in yaml.safe_load((out / "data.yaml").read_text())
    coco = json.loads((export(records, photos, tmp_path / "coco", "coco").folder / "annotations.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["one/a b.jpg", "two/a b.jpg"]
    cvat = parse(export(records, photos, tmp_path / "cvat", "cvat").folder / "annotations.xml")
    assert [image.get("name") for image in cvat.iter("image")] == ["one/a b.jpg", "two/a b.jpg"]
    voc = export(records, photos, tmp_path / "voc", "voc").folder
    assert (voc / "ImageSets" / "Main" / "train.txt").read_text() == "one/a b\ntwo/a b\n"
    tasks = json.loads((export(records, photos, tmp_path / "ls", "label-studio").folder / "tasks.json").read_text())
    assert [len(task["annotations"]) for task in tasks] == [1, 1, 0]


def test_exported_photos_are_the_photos(records: list[PhotoRecord], photos: Photos, tmp_path: Path) -> None:
    out = export(records, photos, tmp_path / "out", "coco").folder
    assert (out / "images" / "one" / "a b.jpg").read_bytes() == photos.get(records[0].photo_id)
    with Image.open(out / "images" / "two" / "a b.jpg") as image:
        assert image.size == SIZE


def test_an_export_is_whole_or_not_there(records: list[PhotoRecord], photos: Photos, tmp_path: Path) -> None:
    del photos[records[2].photo_id]
    with pytest.raises(KeyError):
        export(records, photos, tmp_path / "out", "coco")
    assert list(tmp_path.iterdir()) == []


def test_an_export_never_writes_over_anything(records: list[PhotoRecord], photos: Photos, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="holds something"):
        export(records, photos, tmp_path, "coco")
    with pytest.raises(DataError, match="pcx"):
        export(records, photos, tmp_path / "out", "pcx")
