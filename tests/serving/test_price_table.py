"""A price table is right, or the reader is told what is wrong with it and where."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from price_cases import PRICES, content, table, text
from pydantic import ValidationError

from dentwatch import settings
from dentwatch.errors import DataError, SettingsError
from dentwatch.records.labels import LABELS
from dentwatch.serving.price_file import PACKAGED, path_in_use, read_table
from dentwatch.serving.price_table import SEVERITIES


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def scratch(**changes: Any) -> dict[str, Any]:
    labels = content()["labels"]
    return {"labels": {**labels, "scratch": {**PRICES, **changes}}}


def test_the_packaged_table_is_valid_and_says_that_it_is_a_placeholder() -> None:
    prices = read_table(PACKAGED)
    assert set(prices.labels) == set(LABELS)
    assert prices.version.startswith("placeholder/")
    assert "EVERY AMOUNT BELOW IS A PLACEHOLDER" in PACKAGED.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (text(**{"labels": {**content()["labels"], "scrach": PRICES}}), "labels.scrach: there is no such label"),
        (text(labels=without(content()["labels"], "dent")), "labels: no prices for dent"),
        (text(**scratch(huge=[1, 2])), "labels.scratch.huge: there is no such field"),
        (text(labels={**content()["labels"], "dent": without(PRICES, "severe")}), "labels.dent.severe: it is missing"),
        (text(**scratch(minor=[-5, 128])), "labels.scratch.minor.0: Input should be greater than or equal to 0"),
        (text(**scratch(minor=[128, 64])), "labels.scratch.minor: the range is reversed: 128 comes before 64"),
        (text(**scratch(minor=[64])), "labels.scratch.minor.1: it is missing"),
        (text(**scratch(minor=["64", 128])), "labels.scratch.minor.0: Input should be a valid number"),
        (text(**scratch(minor=[True, 128])), "labels.scratch.minor.0: Input should be a valid number"),
        (text(**scratch(minor=[64, float("inf")])), "labels.scratch.minor.1: Input should be a finite number"),
        (text(**scratch(minor=[200, 300])), "labels.scratch: moderate costs less than minor"),
        (text(**scratch(severe_from=0.1)), "labels.scratch: severe_from (0.1) must lie above moderate_from (0.1)"),
        (text(currency="EUX"), "currency: 'EUX' is no currency of ISO 4217"),
        (text(valid_from="soon"), "valid_from: "),
        (text(close_up_from=1.5), "close_up_from: Input should be less than or equal to 1"),
        (text(vehicle_classes={"normal": 0}), "vehicle_classes.normal: Input should be greater than 0"),
        (text(default_class="dear one"), "default_class 'dear one' is none of vehicle_classes"),
        (text(cap=0), "cap: Input should be greater than 0"),
        (text() + "currency: USD\n", "currency stands there twice"),
        (text().replace("  dent:", "  scratch:"), "labels.scratch stands there twice"),
        ("labels: [1, 2", "it is not YAML: expected ',' or ']'"),
        ("valid_from: 2026-13-01\n", "it is not YAML: month must be in 1..12"),
        ("", "it is not a table of fields"),
        ("- 1\n", "it is not a table of fields"),
    ],
)
def test_a_mistake_is_named_with_file_field_and_way_out(written: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read_table(path)
    assert str(path) in caught.value.message
    assert said in caught.value.message
    assert "dentwatch prices check" in str(caught.value.hint)


def test_a_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    lines = text(**scratch(minor=[128, 64])).splitlines()
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(SettingsError, match=f"line {lines.index('    minor:') + 1}:"):
        read_table(path)
    path.write_text(text() + "name: again\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=f"line {len(text().splitlines()) + 1}: name stands there twice"):
        read_table(path)


def test_several_mistakes_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text(currency="EUX", cap=-1), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"currency: .* \(and 1 more\)"):
        read_table(path)


def test_a_missing_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_table(tmp_path / "nowhere.yaml")


def test_the_version_is_that_of_the_content_and_nothing_else(tmp_path: Path) -> None:
    plain, other = tmp_path / "plain.yaml", tmp_path / "other.yaml"
    plain.write_text(text(), encoding="utf-8")
    backwards = dict(reversed(content().items()))
    other.write_text("# a remark\n" + yaml.safe_dump(backwards, sort_keys=False, indent=7), encoding="utf-8")
    assert read_table(plain).version == read_table(other).version
    assert read_table(plain).version.startswith("test/")
    assert len({table().version, table(cap=5).version, table(**scratch(minor=[64, 127])).version}) == 3


def test_a_table_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        table().currency = "USD"


def test_severities_begin_at_the_sizes_of_the_table() -> None:
    prices = table().of_label("scratch")
    assert [prices.level(size) for size in (0.0, 0.0999, 0.1, 0.2999, 0.3, 1.0)] == [
        "minor", "minor", "moderate", "moderate", "severe", "severe",
    ]  # fmt: skip
    assert [prices.costs(level)[0] for level in SEVERITIES] == [64, 128, 512]


def test_an_unknown_vehicle_class_is_refused_with_those_there_are() -> None:
    assert table().factor("dear") == 2.0
    with pytest.raises(DataError, match=r"no vehicle class 'tank'.*normal, dear"):
        table().factor("tank")


def test_the_table_in_use_is_the_named_one_then_that_of_the_home_then_the_packaged(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert path_in_use(settings.load()) == PACKAGED
    home.mkdir()
    shutil.copy(PACKAGED, home / "prices.yaml")
    assert path_in_use(settings.load()) == home / "prices.yaml"
    monkeypatch.setenv("DENTWATCH_SERVING__PRICE_TABLE", str(tmp_path / "mine.yaml"))
    settings.load.cache_clear()
    assert path_in_use(settings.load()) == tmp_path / "mine.yaml"
