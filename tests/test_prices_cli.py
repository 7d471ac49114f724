"""``dentwatch prices check`` shows a table that is valid, and explains one that is not."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dentwatch.cli.app import app
from dentwatch.errors import SettingsError
from dentwatch.records.labels import LABELS
from dentwatch.serving.price_file import PACKAGED, read_table


def run(*arguments: str | Path) -> str:
    return CliRunner().invoke(app, ["prices", "check", *map(str, arguments)], catch_exceptions=False).stdout


def changed(folder: Path, old: str, new: str) -> Path:
    """A copy of the packaged table with one change."""
    path = folder / "prices.yaml"
    text = PACKAGED.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_it_shows_every_label_and_says_that_the_packaged_amounts_are_placeholders(home: Path) -> None:
    shown = run()
    assert read_table(PACKAGED).version in shown
    for word in (*LABELS, "60 – 180", "luxury", "unless stated otherwise", "at most 8,000 EUR", "placeholders"):
        assert word in shown
    assert not home.exists()


def test_the_business_s_own_table_is_shown_as_it_is(tmp_path: Path, home: Path) -> None:
    path = changed(tmp_path, "valid_from: 2026-01-01", "valid_from: 2999-01-01")
    shown = run(path)
    assert "valid from 2999-01-01 only" in shown
    assert "placeholders" not in shown
    path = changed(tmp_path, "cap: 8000", "# cap")
    assert "no limit" in run(path)


def test_json_holds_the_whole_table(home: Path) -> None:
    document = json.loads(run("--json"))
    assert document["version"] == read_table(PACKAGED).version
    assert document["file"] == str(PACKAGED)
    assert document["labels"]["scratch"]["minor"] == [60.0, 180.0]
    assert document["valid_from"] == "2026-01-01"


def test_a_table_with_a_mistake_ends_in_an_error_that_names_the_line(tmp_path: Path, home: Path) -> None:
    path = changed(tmp_path, "minor: [60, 180]", "minor: [180, 60]")
    line = 1 + path.read_text(encoding="utf-8").splitlines().index("    minor: [180, 60]")
    with pytest.raises(SettingsError, match=rf"line {line}: labels\.scratch\.minor: the range is reversed"):
        run(path)
