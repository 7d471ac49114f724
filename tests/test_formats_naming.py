"""Exported photos get names that every file system takes, and that no two of them share."""

import io

import pytest
from photo_trees import photo
from PIL import Image

from dentwatch.data.formats.naming import Names, safe_path
from dentwatch.records.annotations import PhotoRecord


def record(name: str, number: int = 0) -> PhotoRecord:
    return PhotoRecord(f"{number:064x}", name, "v", "train", 8, 8, False)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a/b c/é 文.jpg", "a/b c/é 文.jpg"),
        ("images/a.jpg", "a.jpg"),
        ("images/images/a.jpg", "images_/a.jpg"),
        ("x/labels/a.jpg", "x/labels_/a.jpg"),
        ("/etc/../a.jpg", "etc/a.jpg"),
        ("../../a.jpg", "a.jpg"),
        ("C:\\photos\\a.jpg", "C__photos_a.jpg"),
        (".hidden/.a.jpg", "_.hidden/_.a.jpg"),
        ("a\n\0b?.jpg", "a__b_.jpg"),
        ("dots.../a.jpg", "dots/a.jpg"),
        ("x" * 300 + ".jpeg", "x" * 95 + ".jpeg"),
        ("///", ""),
    ],
)
def test_names_are_made_safe_and_otherwise_kept(name: str, safe: str) -> None:
    assert safe_path(name) == safe


def test_no_two_photos_share_a_name_even_without_ending_or_in_another_case() -> None:
    names = Names()
    given = ["a.jpg", "A.JPG", "a.png", "images/a.jpg", "\u00e9.jpg", "e\u0301.jpg", "", "."]
    paths = [names.path_for(record(name, number), photo(), "images") for number, name in enumerate(given)]
    assert paths[0] == "images/a.jpg"
    stems = [path.rsplit(".", 1)[0].casefold() for path in paths]
    assert len(set(stems)) == len(given)
    assert paths[5].startswith("images/e\u0301-")
    assert all(path.startswith("images/") and path.lower().endswith((".jpg", ".png")) for path in paths)


def test_the_same_record_twice_gets_two_names() -> None:
    names = Names()
    assert len({names.path_for(record("a.jpg"), photo()) for _ in range(4)}) == 4


@pytest.mark.parametrize(("format", "ending"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp")])
def test_a_name_without_ending_gets_the_photos(format: str, ending: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, format)
    assert Names().path_for(record("row 7"), out.getvalue()) == f"row 7{ending}"
    assert Names().path_for(record("row 7"), b"nothing known") == "row 7.jpg"
