"""Damaged and hostile annotations get a clear error or a named problem; nothing is dropped without a word."""

import json
from pathlib import Path
from typing import Any

import pytest
from photo_trees import boxes, photo, read_tree, reasons, write_tree

from dentwatch.data.sources import open_source
from dentwatch.errors import PhotoError, SourceError

IMAGE = {"id": 1, "file_name": "a.jpg", "width": 100, "height": 50}
DENT = {"id": 3, "name": "dent"}


def coco(*annotations: dict[str, Any], images: list[Any] | None = None) -> str:
    numbered = [{"id": number, "image_id": 1, "category_id": 3, **item} for number, item in enumerate(annotations)]
    images = [IMAGE] if images is None else images
    return json.dumps({"images": images, "annotations": numbered, "categories": [DENT]})


def refused(folder: Path, files: dict[str, Any], **options: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        list(open_source(str(write_tree(folder, files)), **options).photos())
    return caught.value


def test_broken_json_names_the_file_and_the_line(tmp_path: Path) -> None:
    error = refused(tmp_path, {"sub/ann.json": '{"images": [\n{"id": 1},\n]}', "a.jpg": photo()})
    assert "sub/ann.json" in error.message
    assert "line 3" in error.message


def test_json_that_is_not_utf8_or_nested_without_end(tmp_path: Path) -> None:
    assert "UTF-8" in refused(tmp_path / "1", {"x.json": b'{"images": "\xff"}'}).message
    assert "deeply" in refused(tmp_path / "2", {"x.json": "[" * 200_000 + "]" * 200_000}).message


@pytest.mark.parametrize(
    "bbox", ["[1, 2, NaN, 4]", "[1, 2, Infinity, 4]", "[1, 2, 3]", "[1, 2, -3, 4]", '"1 2 3 4"', '["a", 1, 2, 3]', "7"]
)
def test_a_box_that_makes_no_sense_is_a_problem_of_its_photo(tmp_path: Path, bbox: str) -> None:
    document = coco({"bbox": "BAD"}, {"bbox": [1, 2, 3, 4]}).replace('"BAD"', bbox)
    found = read_tree(tmp_path, {"x.json": document, "a.jpg": photo()})["a.jpg"]
    assert boxes(found) == [("dent", 1, 2, 4, 6)]
    assert reasons(found) == ["box_malformed"]


def test_unknown_classes_and_images(tmp_path: Path) -> None:
    annotations = [{"bbox": [1, 2, 3, 4], "category_id": 9}, {"bbox": [1, 2, 3, 4], "image_id": 77}]
    found = read_tree(tmp_path, {"x.json": coco(*annotations), "a.jpg": photo()})
    assert reasons(found["a.jpg"]) == ["class_unknown"]
    orphan = found["x.json#image_id=77"]
    assert reasons(orphan) == ["annotation_orphaned"]
    with pytest.raises(PhotoError):
        orphan.read()


def test_missing_photos_are_reported_when_they_are_read(tmp_path: Path) -> None:
    found = read_tree(tmp_path, {"x.json": coco({"bbox": [1, 2, 3, 4]}), "b.jpg": photo()})
    with pytest.raises(PhotoError, match=r"a\.jpg.*x\.json") as caught:
        found["a.jpg"].read()
    assert caught.value.reason == "missing"
    assert found["b.jpg"].annotations is None


def test_photos_listed_twice(tmp_path: Path) -> None:
    same_id = [IMAGE, {**IMAGE, "file_name": "b.jpg"}]
    found = read_tree(tmp_path, {"x.json": coco(images=same_id), "a.jpg": photo(), "b.jpg": photo()})
    assert (found["a.jpg"].annotations, found["b.jpg"].annotations) == ((), None)
    assert reasons(found["b.jpg"]) == ["entry_duplicate"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../../etc/passwd", "..\\secret.jpg", "../secret.jpg", "C:\\x\\y.jpg"])
@pytest.mark.parametrize("format", ["coco", "voc", "label-studio", "cvat"])
def test_paths_never_lead_out_of_the_source(tmp_path: Path, name: str, format: str) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    files = {
        "coco": {"x.json": coco(images=[{**IMAGE, "file_name": name}])},
        "voc": {"x.xml": f"<annotation><filename>{name}</filename></annotation>"},
        "label-studio": {"x.json": [{"data": {"image": name}, "annotations": [{"result": []}]}]},
        "cvat": {"x.xml": f'<annotations><image id="0" name="{name}"/></annotations>'},
    }[format]
    for found in read_tree(tmp_path / "source", files).values():
        with pytest.raises(PhotoError):
            found.read()


def test_lists_of_photos_never_lead_out_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "secret.txt").write_text("secret")
    files = {"data.yaml": "train: train.txt\nnames: [a]", "train.txt": "../secret.jpg\n/etc/passwd\n"}
    for found in read_tree(tmp_path / "source", files).values():
        with pytest.raises(PhotoError):
            found.read()
    files = {"data.yaml": "path: ..\ntrain: secret.txt\nnames: [a]", "a.jpg": "x"}
    assert "secret.txt" in refused(tmp_path / "other", files).message


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("doctype", [BOMB, FILE])
@pytest.mark.parametrize("root", ["annotation", "annotations"])
def test_xml_entities_are_refused(tmp_path: Path, doctype: str, root: str) -> None:
    error = refused(tmp_path, {"x.xml": f"{doctype}<{root}><filename>&a;</filename></{root}>", "a.jpg": photo()})
    assert "x.xml" in error.message
    assert "entities" in error.message


def test_one_damaged_xml_among_others_costs_only_its_photo(tmp_path: Path) -> None:
    good = "<annotation><filename>a.jpg</filename></annotation>"
    damaged = ["<annotation><object>", BOMB + good, "", "<annotation>\0</annotation>", b"\xff\xfe<"]
    for number, bad in enumerate(damaged):
        files = {"a.xml": good, "a.jpg": photo(), "b.xml": bad, "b.jpg": photo()}
        found = read_tree(tmp_path / str(number), files)
        assert found["a.jpg"].annotations == ()
        assert (found["b.jpg"].annotations, reasons(found["b.jpg"])) == (None, ["annotations_malformed"])


def test_broken_xml_alone_names_the_line(tmp_path: Path) -> None:
    error = refused(tmp_path, {"x.xml": "<annotations>\n<image>\n</annotations>"})
    assert "x.xml" in error.message
    assert "line 3" in error.message


@pytest.mark.parametrize(
    "corners", [("5", "5", "1", "9"), ("a", "1", "2", "3"), ("nan", "1", "2", "3"), ("", "1", "2", "3")]
)
def test_boxes_in_xml_that_make_no_sense(tmp_path: Path, corners: tuple[str, ...]) -> None:
    sides = "".join(
        f"<{tag}>{text}</{tag}>" for tag, text in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    xml = f"<annotation><object><name>dent</name><bndbox>{sides}</bndbox></object><object/></annotation>"
    found = read_tree(tmp_path / "voc", {"a.xml": xml, "a.jpg": photo()})["a.jpg"]
    assert reasons(found) == ["box_malformed", "class_unknown"]
    named = " ".join(f'{tag}="{text}"' for tag, text in zip(("xtl", "ytl", "xbr", "ybr"), corners, strict=True))
    xml = f'<annotations><image id="0" name="a.jpg"><box label="dent" {named}/><box/></image></annotations>'
    found = read_tree(tmp_path / "cvat", {"x.xml": xml, "a.jpg": photo()})["a.jpg"]
    assert reasons(found) == ["box_malformed", "class_unknown"]


def test_tracks_of_a_video_are_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, {"x.xml": '<annotations><track id="0"><box/></track></annotations>', "a.jpg": photo()})
    assert error.hint is not None
    assert "CVAT for images" in error.hint


def test_yolo_rows_that_make_no_sense(tmp_path: Path) -> None:
    rows = "0 0.5 0.5 0.2 0.4\n7 0.5 0.5 0.1 0.1\n0 nan 0.5 0.1 0.1\n0 0.5\n0 0.1 0.1 0.2 0.2 0.3 0.3 0.4\nx 1 1 1 1\n"
    found = read_tree(tmp_path, {"data.yaml": "nc: 1\nnames: [dent]", "a.jpg": photo(), "a.txt": rows})["a.jpg"]
    assert len(boxes(found)) == 1
    assert reasons(found) == ["class_unknown", "box_malformed", "box_malformed", "box_malformed", "class_unknown"]
    assert "line 2" in found.problems[0][1]


def test_yolo_without_class_names_or_with_broken_ones(tmp_path: Path) -> None:
    labels = {"images/a.jpg": photo(), "labels/a.txt": "0 0.5 0.5 0.2 0.4"}
    assert "names the classes" in refused(tmp_path / "1", labels).message
    assert "line 2" in refused(tmp_path / "2", {"data.yaml": "names: [a]\n]", **labels}).message
    assert "names no classes" in refused(tmp_path / "3", {"data.yaml": "nc: 1\nnames: 7", **labels}).message
    two = {"data.yaml": "nc: 1\nnames: [a]", "other.yaml": "nc: 1\nnames: [b]", **labels}
    assert "different classes" in refused(tmp_path / "4", two).message


def test_yolo_of_a_photo_that_cannot_be_read(tmp_path: Path) -> None:
    files = {"data.yaml": "nc: 1\nnames: [a]", "a.jpg": b"not a photo", "a.txt": "0 0.5 0.5 0.2 0.4"}
    found = read_tree(tmp_path, files)["a.jpg"]
    assert (found.annotations, reasons(found)) == (None, ["size_unknown"])


def test_label_studio_regions_that_make_no_sense(tmp_path: Path) -> None:
    size = {"original_width": 100, "original_height": 50}
    value = {"x": 1, "y": 1, "width": 5, "height": 5, "rectanglelabels": ["dent"]}
    results: list[Any] = [
        {"type": "rectanglelabels", "value": value},
        {"type": "rectanglelabels", "value": {**value, "width": None}, **size},
        {"type": "rectanglelabels", "value": {**value, "rectanglelabels": []}, **size},
        {"type": "polygonlabels", "value": {"points": [[1, None]], "polygonlabels": ["dent"]}, **size},
        "not a result",
        {"type": "rectanglelabels", "value": value, **size},
    ]
    tasks = [{"data": {"image": "a.jpg"}, "annotations": [{"result": results}]}]
    found = read_tree(tmp_path, {"x.json": tasks, "a.jpg": photo()})["a.jpg"]
    assert len(boxes(found)) == 1
    expected = ["size_unknown", "box_malformed", "class_unknown", "box_malformed", "annotation_unsupported"]
    assert reasons(found) == expected


def test_a_name_that_fits_two_photos_is_not_guessed(tmp_path: Path) -> None:
    found = read_tree(tmp_path, {"ann/x.json": coco(), "one/a.jpg": photo(), "two/a.jpg": photo()})
    assert reasons(found["a.jpg"]) == ["photo_ambiguous"]
    assert found["one/a.jpg"].annotations is None


def test_a_damaged_sidecar_names_its_line(tmp_path: Path) -> None:
    lines = '{"file": "a.jpg", "name": "n.jpg"}\n{"file": \n'
    assert "line 2" in refused(tmp_path, {"dentwatch.jsonl": lines, "a.jpg": photo()}).message


@pytest.mark.parametrize("name", ["a.json", "via_export.json", "a.xml", "a.txt"])
def test_annotations_in_an_unknown_format_do_not_pass_for_none(tmp_path: Path, name: str) -> None:
    files = {name: {".json": {"shapes": []}, ".xml": "<labels/>", ".txt": "a dented car"}[Path(name).suffix]}
    error = refused(tmp_path, {**files, "a.jpg": photo()})
    assert name in error.message
    assert read_tree(tmp_path, {}, format="photos")["a.jpg"].annotations is None


def test_yolo_labels_that_are_not_text_cost_only_their_photo(tmp_path: Path) -> None:
    files = {"data.yaml": "nc: 1\nnames: [a]", "a.jpg": photo(), "a.txt": b"\xff\xfe", "b.jpg": photo(), "b.txt": ""}
    found = read_tree(tmp_path, files)
    assert (found["a.jpg"].annotations, reasons(found["a.jpg"])) == (None, ["annotations_malformed"])
    assert found["b.jpg"].annotations == ()


def test_nothing_there_says_so(tmp_path: Path) -> None:
    assert "neither photos nor annotations" in refused(tmp_path / "1", {"notes.txt": "hello"}).message
    assert "voc" in refused(tmp_path / "2", {"a.jpg": photo()}, format="voc").message
    assert "not a format" in refused(tmp_path / "3", {"a.jpg": photo()}, format="pcx").message
    with pytest.raises(SourceError, match="does not exist"):
        open_source(str(tmp_path / "gone"))
