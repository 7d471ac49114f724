"""Class names become labels only where their meaning is plain."""

from pathlib import Path

import pytest

from dentwatch.data.label_map import IGNORE, LabelMap, parse_mappings
from dentwatch.errors import DataError
from dentwatch.records.labels import LABELS


@pytest.mark.parametrize(
    ("name", "label"),
    [
        *[(label, label) for label in LABELS],
        ("Scratches", "scratch"),
        ("Çizik", "scratch"),
        ("ÇİZİK", "scratch"),
        ("göçük", "dent"),
        ("Dent ", "dent"),
        ("flat-tire", "tire_flat"),
        ("Glass Shatter", "glass_shatter"),
        ("cam_catlagi", "glass_shatter"),
        ("paint chip", None),
        ("damage", None),
        ("", None),
        ("---", None),
    ],
)
def test_plain_names_are_known(name: str, label: str | None) -> None:
    assert LabelMap().label_of(name) == label


def test_what_the_user_says_goes_first() -> None:
    labels = LabelMap({"Paint chip": "Scratch", "dent": "other", "dirt": "-", "shadow": "ignore", "---": "crack"})
    names = ("PAINT-CHIP", "Dent", "dirt", "Shadow", "scratch", "---")
    assert [labels.label_of(name) for name in names] == ["scratch", "other", IGNORE, IGNORE, "scratch", "crack"]


def test_mappings_from_options_and_files(tmp_path: Path) -> None:
    yaml, csv = tmp_path / "map.yaml", tmp_path / "map.csv"
    yaml.write_text("Paint chip: scratch\nhail: dent\n")
    csv.write_text("source,target\nPaint chip,scratch\nhail,dent\n")
    for file in (yaml, csv):
        assert parse_mappings(["hail=other", "a=b=crack"], file) == {
            "Paint chip": "scratch",
            "hail": "other",
            "a=b": "crack",
        }


@pytest.mark.parametrize("option", ["scratch", "=scratch", "rust=", "rust=oxide"])
def test_bad_mappings_are_named(option: str) -> None:
    with pytest.raises(DataError, match=option.rsplit("=", maxsplit=1)[-1] or option):
        parse_mappings([option])


@pytest.mark.parametrize("content", ["- a\n- b\n", "a: [b]\n", "a: {b\n"])
def test_bad_mapping_files_are_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(content)
    with pytest.raises(DataError, match=r"map\.yaml"):
        parse_mappings([], file)
    with pytest.raises(DataError, match=r"absent\.yaml"):
        parse_mappings([], tmp_path / "absent.yaml")
