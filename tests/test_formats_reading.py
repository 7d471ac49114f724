"""What each format's many dialects say is understood as it was meant."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from photo_trees import boxes, photo, read_tree, reasons, write_tree, write_zip

from dentwatch.data.sources import open_source
from dentwatch.errors import PhotoError, SourceError


def coco(**fields: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 50}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 30, 40.5]}],
        "categories": [{"id": 3, "name": "Dent"}],
        **fields,
    }


class TestCoco:
    def test_the_real_photos(self, shared: Path) -> None:
        source = open_source(str(shared / "photos" / "bilgi"))
        photos = list(source.photos())
        assert (source.format, source.count(), len(photos)) == ("coco", 1078, 1078)
        assert sum(len(item.annotations or ()) for item in photos) == 3044
        splits = [item.split for item in photos]
        assert [splits.count(split) for split in ("train", "val", "test")] == [797, 150, 131]
        assert len({item.vehicle for item in photos}) == 215
        assert {item.licence for item in photos} == {"CC BY 4.0 (as stated by Roboflow export)"}
        assert not any(item.problems for item in photos)
        first = photos[0]
        assert first.name == "images/bilgi_00001.jpg"
        assert first.vehicle == "50"
        assert first.annotations is not None
        assert (first.annotations[0].label, first.annotations[0].original_label) == ("scratch", "cizik")
        assert boxes(first)[0] == ("scratch", 2, 92, 270, 276)
        assert first.read()[:2] == b"\xff\xd8"

    def test_an_image_without_annotations_shows_no_damage_and_an_unlisted_one_waits(self, tmp_path: Path) -> None:
        document = coco(annotations=[])
        found = read_tree(tmp_path, {"ann.json": document, "a.jpg": photo(), "unlisted.jpg": photo()})
        assert found["a.jpg"].annotations == ()
        assert found["unlisted.jpg"].annotations is None

    def test_roboflows_layout_has_one_file_per_split(self, tmp_path: Path) -> None:
        files: dict[str, Any] = {}
        for folder in ("train", "valid", "test"):
            files |= {f"{folder}/_annotations.coco.json": coco(), f"{folder}/a.jpg": photo()}
        found = read_tree(tmp_path, files)
        assert {name: item.split for name, item in found.items()} == {
            "train/a.jpg": "train",
            "valid/a.jpg": "val",
            "test/a.jpg": "test",
        }

    def test_the_official_layout_names_splits_in_the_file_name(self, tmp_path: Path) -> None:
        found = read_tree(tmp_path, {"annotations/instances_val2017.json": coco(), "val2017/a.jpg": photo()})
        assert boxes(found["val2017/a.jpg"]) == [("Dent", 1, 2, 31, 42.5)]
        assert found["val2017/a.jpg"].split == "val"
        found = read_tree(tmp_path / "b", {"annotations/instances_val.json": coco(), "images/a.jpg": photo()})
        assert found["images/a.jpg"].split == "val"

    def test_several_files_about_one_photo_are_joined(self, tmp_path: Path) -> None:
        other = coco(annotations=[{"id": 1, "image_id": 1, "category_id": 3, "bbox": [5, 5, 5, 5]}])
        found = read_tree(tmp_path, {"x.json": coco(), "y.json": other, "a.jpg": photo()})["a.jpg"]
        assert boxes(found) == [("Dent", 1, 2, 31, 42.5), ("Dent", 5, 5, 10, 10)]
        assert reasons(found) == ["entry_duplicate"]

    def test_polygons_without_a_box_become_boxes(self, tmp_path: Path) -> None:
        polygons = [[10, 10, 20, 5, 30, 30], [1, 20, 2, 21, 3, 20]]
        document = coco(annotations=[{"id": 1, "image_id": 1, "category_id": 3, "segmentation": polygons}])
        found = read_tree(tmp_path, {"x.json": document, "a.jpg": photo()})["a.jpg"]
        assert boxes(found) == [("Dent", 1, 5, 30, 30)]

    def test_licences_by_image_then_of_the_whole(self, tmp_path: Path) -> None:
        images = [{"id": 1, "file_name": "a.jpg", "license": 2}, {"id": 2, "file_name": "b.jpg"}]
        licences = [{"id": 1, "name": "CC0"}, {"id": 2, "name": "CC BY 4.0"}]
        files = {"a.jpg": photo(), "b.jpg": photo()}
        document = coco(images=images, licenses=licences, info={"license": "MIT"})
        found = read_tree(tmp_path / "1", {"x.json": document, **files})
        assert (found["a.jpg"].licence, found["b.jpg"].licence) == ("CC BY 4.0", "MIT")
        found = read_tree(tmp_path / "2", {"x.json": coco(images=images, licenses=licences), **files}, licence="mine")
        assert (found["a.jpg"].licence, found["b.jpg"].licence) == ("CC BY 4.0", "mine")

    def test_the_vehicle_field_is_found_or_named(self, tmp_path: Path) -> None:
        document = coco(images=[{"id": 1, "file_name": "a.jpg", "vehicle_group": 7.0, "plate": "ab 1"}])
        files = {"x.json": document, "a.jpg": photo()}
        assert read_tree(tmp_path, files)["a.jpg"].vehicle == "7"
        assert read_tree(tmp_path, files, vehicle_field="plate")["a.jpg"].vehicle == "ab 1"
        missing = read_tree(tmp_path, files, vehicle_field="vin")["a.jpg"]
        assert (missing.vehicle, reasons(missing)) == (None, ["vehicle_missing"])


LABELS_ROW = "0 0.5 0.5 0.2 0.4\n"
ROW_BOX = ("scratch", 40, 15, 60, 35)
NAMES = "names: [scratch, dent]\n"


class TestYolo:
    def test_roboflows_layout(self, tmp_path: Path) -> None:
        files = {
            "data.yaml": f"train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\n{NAMES}",
            "train/images/a.jpg": photo(),
            "train/labels/a.txt": LABELS_ROW,
            "valid/images/a.jpg": photo(),
            "valid/labels/a.txt": "",
            "valid/images/b.jpg": photo(),
            "README.dataset.txt": "about this data set",
        }
        found = read_tree(tmp_path, files)
        assert boxes(found["train/images/a.jpg"]) == [ROW_BOX]
        assert found["valid/images/a.jpg"].annotations == ()
        assert found["valid/images/b.jpg"].annotations is None
        assert [item.split for item in found.values()] == ["train", "val", "val"]

    @pytest.mark.parametrize("root", ["", "path: ../datasets/cars\n", "path: /home/somebody/cars\n"])
    def test_ultralytics_layout_wherever_its_path_leads(self, tmp_path: Path, root: str) -> None:
        files = {
            "cars.yaml": f"{root}train: images/train\nval: images/val\nnames:\n  0: scratch\n  1: dent\n",
            "images/train/a.jpg": photo(),
            "labels/train/a.txt": LABELS_ROW,
            "images/val/sub/b.jpg": photo(),
            "labels/val/sub/b.txt": "1 0.5 0.5 1 1",
        }
        found = read_tree(tmp_path, files)
        assert boxes(found["images/train/a.jpg"]) == [ROW_BOX]
        assert boxes(found["images/val/sub/b.jpg"]) == [("dent", 0, 0, 100, 50)]
        assert [item.split for item in found.values()] == ["train", "val"]

    def test_lists_of_photos(self, tmp_path: Path) -> None:
        files = {
            "data.yaml": f"path: .\ntrain: train.txt\nval: [val.txt]\n{NAMES}",
            "train.txt": "./images/a.jpg\n/home/somebody/cars/images/gone.jpg\n",
            "val.txt": "images/b.jpg\n",
            "images/a.jpg": photo(),
            "images/b.jpg": photo(),
            "labels/a.txt": LABELS_ROW,
        }
        found = read_tree(tmp_path, files)
        assert (found["images/a.jpg"].split, found["images/b.jpg"].split) == ("train", "val")
        with pytest.raises(PhotoError, match=r"train\.txt"):
            found["/home/somebody/cars/images/gone.jpg"].read()

    def test_polygons_turned_boxes_and_scores(self, tmp_path: Path) -> None:
        rows = "0 0.1 0.2 0.5 0.1 0.3 0.8\n1 0.5 0.1 0.9 0.5 0.5 0.9 0.1 0.5\n" + LABELS_ROW.strip() + " 0.87\n"
        found = read_tree(tmp_path, {"data.yaml": f"nc: 2\n{NAMES}", "a.jpg": photo(), "a.txt": rows})["a.jpg"]
        assert boxes(found) == [("scratch", 10, 5, 50, 40), ("dent", 10, 5, 90, 45), ROW_BOX]

    def test_numbers_are_of_the_upright_photo(self, tmp_path: Path) -> None:
        files = {"data.yaml": f"nc: 2\n{NAMES}", "a.jpg": photo(orientation=6), "a.txt": LABELS_ROW}
        found = read_tree(tmp_path, files)["a.jpg"]
        assert (found.width, found.height) == (50, 100)
        assert boxes(found) == [("scratch", 20, 30, 30, 70)]

    def test_class_names_may_be_a_list_in_a_text_file(self, tmp_path: Path) -> None:
        files = {"images/a.jpg": photo(), "labels/a.txt": LABELS_ROW, "labels/classes.txt": "scratch\ndent\n"}
        assert boxes(read_tree(tmp_path, files)["images/a.jpg"]) == [ROW_BOX]

    def test_labels_without_a_photo_are_not_dropped(self, tmp_path: Path) -> None:
        files = {"data.yaml": f"nc: 2\n{NAMES}", "train/labels/gone.txt": LABELS_ROW, "train/images/a.jpg": photo()}
        gone = read_tree(tmp_path, files)["train/labels/gone.txt"]
        with pytest.raises(PhotoError) as caught:
            gone.read()
        assert caught.value.reason == "missing"


def voc(objects: str = "", filename: str = "a.jpg") -> str:
    return (
        f"<annotation><folder>x</folder><filename>{filename}</filename><path>C:\\me\\{filename}</path>"
        f"<size><width>100</width><height>50</height><depth>3</depth></size>{objects}</annotation>"
    )


VOC_DENT = (
    "<object><name>dent</name><bndbox><xmin>1</xmin><ymin>2.5</ymin><xmax>31</xmax><ymax>42</ymax></bndbox></object>"
)


class TestVoc:
    def test_the_challenges_layout_with_image_sets(self, tmp_path: Path) -> None:
        files = {
            "VOC/Annotations/a.xml": voc(VOC_DENT),
            "VOC/Annotations/b 1.xml": voc(filename="b 1.jpg"),
            "VOC/JPEGImages/a.jpg": photo(),
            "VOC/JPEGImages/b 1.jpg": photo(),
            "VOC/ImageSets/Main/train.txt": "a\n",
            "VOC/ImageSets/Main/val.txt": "b 1\n",
            "VOC/ImageSets/Main/trainval.txt": "a\nb 1\n",
            "VOC/ImageSets/Main/dent_train.txt": "a  1\n",
        }
        found = read_tree(tmp_path, files)
        assert boxes(found["VOC/JPEGImages/a.jpg"]) == [("dent", 1, 2.5, 31, 42)]
        assert found["VOC/JPEGImages/b 1.jpg"].annotations == ()
        assert [item.split for item in found.values()] == ["train", "val"]
        assert (found["VOC/JPEGImages/a.jpg"].width, found["VOC/JPEGImages/a.jpg"].height) == (100, 50)

    def test_roboflows_layout_has_xml_beside_photos(self, tmp_path: Path) -> None:
        found = read_tree(tmp_path, {"valid/a.xml": voc(VOC_DENT), "valid/a.jpg": photo()})["valid/a.jpg"]
        assert (found.split, len(boxes(found))) == ("val", 1)

    def test_a_photo_renamed_together_with_its_xml(self, tmp_path: Path) -> None:
        found = read_tree(tmp_path, {"new.xml": voc(VOC_DENT, filename="old.jpg"), "new.png": photo()})
        assert boxes(found["new.png"])

    def test_same_names_in_different_folders(self, tmp_path: Path) -> None:
        files = {
            "Annotations/one/a.xml": voc(VOC_DENT),
            "Annotations/two/a.xml": voc(),
            "JPEGImages/one/a.jpg": photo(),
            "JPEGImages/two/a.jpg": photo(),
        }
        found = read_tree(tmp_path, files)
        assert len(boxes(found["JPEGImages/one/a.jpg"])) == 1
        assert found["JPEGImages/two/a.jpg"].annotations == ()

    def test_polygons_and_turned_boxes(self, tmp_path: Path) -> None:
        polygon = "<polygon><x1>5</x1><y1>6</y1><x2>20</x2><y2>3</y2><x3>9</x3><y3>30</y3></polygon>"
        turned = "<robndbox><cx>50</cx><cy>25</cy><w>40</w><h>10</h><angle>1.5707963267948966</angle></robndbox>"
        objects = f"<object><name>a</name>{polygon}</object><object><name>b</name>{turned}</object>"
        found = read_tree(tmp_path, {"a.xml": voc(objects), "a.jpg": photo()})["a.jpg"]
        assert boxes(found) == [("a", 5, 3, 20, 30), ("b", 45, 5, 55, 45)]


def region(kind: str = "rectanglelabels", label: str = "dent", **value: Any) -> dict[str, Any]:
    value = value or {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
    size = {"original_width": 100, "original_height": 50}
    return {"id": "r", "type": kind, "value": {**value, kind: [label]}, **size}


def task(*annotations: dict[str, Any], image: str = "/data/upload/3/0a1b2c3d-a.jpg", **data: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": image, **data}, "annotations": list(annotations)}


class TestLabelStudio:
    @pytest.mark.parametrize(
        "image",
        [
            "/data/upload/3/0a1b2c3d-a.jpg",
            "/data/local-files/?d=cars%2Fa.jpg",
            "s3://bucket/cars/a.jpg",
            "https://example.org/cars/a.jpg?signature=x",
            "a.jpg",
        ],
    )
    def test_photos_are_found_whatever_address_they_had(self, tmp_path: Path, image: str) -> None:
        annotation = {"completed_by": {"email": "ann@example.org"}, "result": [region()]}
        found = read_tree(tmp_path, {"e.json": [task(annotation, image=image)], "images/a.jpg": photo()})[
            "images/a.jpg"
        ]
        assert boxes(found) == [("dent", 10, 10, 40, 30)]
        assert found.annotations is not None
        assert found.annotations[0].annotator == "ann@example.org"
        assert (found.width, found.height) == (100, 50)

    def test_turned_rectangles_polygons_and_ellipses_become_boxes(self, tmp_path: Path) -> None:
        regions = [
            region(x=50, y=20, width=20, height=20, rotation=90),
            region("polygonlabels", points=[[1, 2], [30, 4], [5, 60]]),
            region("ellipselabels", x=50, y=50, radiusX=10, radiusY=20),
        ]
        found = read_tree(tmp_path, {"e.json": [task({"result": regions})], "a.jpg": photo()})["a.jpg"]
        assert boxes(found) == [("dent", 40, 10, 50, 30), ("dent", 1, 1, 30, 30), ("dent", 40, 15, 60, 35)]

    def test_a_brush_stroke_is_reported_and_the_rest_kept(self, tmp_path: Path) -> None:
        regions = [region("brushlabels", format="rle", rle=[1, 2]), region()]
        found = read_tree(tmp_path, {"e.json": [task({"result": regions})], "a.jpg": photo()})["a.jpg"]
        assert (len(boxes(found)), reasons(found)) == (1, ["annotation_unsupported"])

    def test_the_newest_annotation_that_was_not_cancelled_counts(self, tmp_path: Path) -> None:
        old = {"result": [region(label="old")], "updated_at": "2026-01-01T00:00:00Z"}
        new = {"result": [region(label="new")], "updated_at": "2026-02-01T00:00:00Z"}
        cancelled = {"result": [], "was_cancelled": True, "updated_at": "2026-03-01T00:00:00Z"}
        found = read_tree(tmp_path, {"e.json": [task(new, old, cancelled)], "a.jpg": photo()})["a.jpg"]
        assert boxes(found)[0][0] == "new"
        assert reasons(found) == ["annotations_contradict"]

    def test_no_annotation_waits_and_an_empty_one_says_no_damage(self, tmp_path: Path) -> None:
        tasks = [task(image="a.jpg"), task({"result": []}, image="b.jpg"), task({"was_cancelled": True}, image="c.jpg")]
        files = {name: photo() for name in ("a.jpg", "b.jpg", "c.jpg")}
        found = read_tree(tmp_path, {"e.json": tasks, **files})
        assert [found[name].annotations for name in files] == [None, (), None]

    def test_json_min(self, tmp_path: Path) -> None:
        value = {**region()["value"], "original_width": 100, "original_height": 50}
        row = {
            "id": 1,
            "image": "/data/upload/1/a.jpg",
            "car": "K7",
            "annotator": 4,
            "annotation_id": 9,
            "label": [value],
        }
        rows = [{**row, "created_at": "2026-01-01"}, {**row, "created_at": "2026-01-02"}]
        found = read_tree(tmp_path, {"e.json": rows, "a.jpg": photo()}, vehicle_field="car")["a.jpg"]
        assert boxes(found) == [("dent", 10, 10, 40, 30)]
        assert found.annotations is not None
        assert (found.annotations[0].annotator, found.vehicle, found.problems) == ("4", "K7", ())


def cvat(images: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta/>{images}</annotations>'


class TestCvat:
    def test_shapes_become_boxes_and_attributes_are_kept(self, tmp_path: Path) -> None:
        shapes = (
            '<box label="dent" xtl="1" ytl="2" xbr="31" ybr="42"><attribute name="annotator">bo</attribute></box>'
            '<box label="turned" xtl="40" ytl="20" xbr="60" ybr="30" rotation="90"/>'
            '<polygon label="scratch" points="5,6;20,3;9,30"/><polyline label="line" points="0,0;10,5"/>'
            '<ellipse label="round" cx="50" cy="25" rx="10" ry="5"/>'
            '<mask label="m" rle="1, 2" left="0" top="0" width="1" height="3"/>'
            '<tag label="photo"><attribute name="vin">V1</attribute></tag>'
        )
        images = f'<image id="0" name="a.jpg" subset="Validation" width="100" height="50">{shapes}</image>'
        files = {"annotations.xml": cvat(images), "images/Validation/a.jpg": photo()}
        found = read_tree(tmp_path, files, vehicle_field="vin")["images/Validation/a.jpg"]
        assert boxes(found) == [
            ("dent", 1, 2, 31, 42),
            ("turned", 45, 15, 55, 35),
            ("scratch", 5, 3, 20, 30),
            ("line", 0, 0, 10, 5),
            ("round", 40, 20, 60, 30),
        ]
        assert found.annotations is not None
        assert found.annotations[0].annotator == "bo"
        assert (found.vehicle, found.split, reasons(found)) == ("V1", "val", ["annotation_unsupported"])

    def test_the_zip_that_cvat_exports(self, tmp_path: Path) -> None:
        images = '<image id="0" name="sub/a b.jpg" width="100" height="50"/>'
        path = write_zip(tmp_path / "task.zip", {"annotations.xml": cvat(images), "images/sub/a b.jpg": photo()})
        source = open_source(str(path))
        assert source.format == "cvat"
        (found,) = source.photos()
        assert (found.name, found.annotations) == ("images/sub/a b.jpg", ())
        assert found.read() == photo()


class TestTelling:
    def test_two_formats_in_one_place_are_named_and_one_can_be_chosen(self, tmp_path: Path) -> None:
        files = {"x.json": coco(), "annotations.xml": cvat('<image id="0" name="a.jpg"/>'), "a.jpg": photo()}
        folder = str(write_tree(tmp_path, files))
        with pytest.raises(SourceError, match=r"coco \(x\.json\) and cvat \(annotations\.xml\)"):
            open_source(folder)
        assert len(boxes(next(iter(open_source(folder, format="coco").photos())))) == 1
        assert next(iter(open_source(folder, format="cvat").photos())).annotations == ()
        assert next(iter(open_source(folder, format="photos").photos())).annotations is None

    def test_plain_photos_wait_for_review(self, tmp_path: Path) -> None:
        files = {"a.jpg": photo(), "test/b.HEIC": b"x", ".hidden/c.jpg": b"x", "._a.jpg": b"x", "notes.txt": "hello"}
        source = open_source(str(write_tree(tmp_path, files)))
        assert source.format == "photos"
        assert [(item.name, item.annotations, item.split) for item in source.photos()] == [
            ("a.jpg", None, None),
            ("test/b.HEIC", None, "test"),
        ]

    def test_an_export_inside_one_folder_of_a_zip_is_found(self, tmp_path: Path) -> None:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr("cars/ann.json", json.dumps(coco()))
            archive.writestr("cars/images/a.jpg", photo())
            archive.writestr("__MACOSX/cars/images/._a.jpg", b"x")
        (tmp_path / "x.zip").write_bytes(data.getvalue())
        (found,) = open_source(str(tmp_path / "x.zip")).photos()
        assert (found.name, len(boxes(found))) == ("cars/images/a.jpg", 1)
