"""``dentwatch models`` shows, promotes, rolls back and exports what the registry holds."""

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from typer.testing import CliRunner

from dentwatch import settings
from dentwatch.cli.app import app
from dentwatch.errors import ModelError
from dentwatch.records.model_versions import digest_of
from dentwatch.records.registry import Registry


def _run(*arguments: str) -> str:
    return CliRunner().invoke(app, ["models", *arguments], catch_exceptions=False).stdout


def _json(*arguments: str) -> Any:
    return json.loads(_run(*arguments, "--json"))


@pytest.fixture
def two(home: Path, tmp_path: Path, empty_tracking_database: Path) -> Registry:
    """A registry with version 1, the champion, and version 2, the challenger."""
    home.mkdir()
    shutil.copy(empty_tracking_database, home)
    registry = Registry(settings.load())
    metrics = {"test_ap50_scratch": 0.21, "val_ap50_dent": 0.35}
    registry.register(tiny_model.write_bundle(tmp_path / "one", metrics=metrics))
    registry.promote(1, "the first", "ada")
    registry.register(tiny_model.write_bundle(tmp_path / "two", card="# Two\n", nms_iou=0.6))
    return registry


def test_list_shows_aliases_and_figures(two: Registry) -> None:
    lines = _run("list").splitlines()
    first, second = (next(line for line in lines if line.split()[:1] == [number]) for number in ("1", "2"))
    assert "champion" in first
    assert "challenger" in second
    assert "0.210" in first
    assert "0.350 val" in first  # no figure on test: the one on val is marked
    document = _json("list")
    assert [(version["version"], version["aliases"]) for version in document["versions"]] == [
        (1, ["champion"]),
        (2, ["challenger"]),
    ]
    assert document["versions"][0]["spec"]["rights"][0]["licence"] == "CC0-1.0"
    assert document["unusable"] == []


def test_list_without_models_names_the_next_step(home: Path) -> None:
    assert "No model is registered yet; `dentwatch train`" in _run("list")
    assert _json("list") == {"versions": [], "unusable": []}
    assert "no champion yet" in _run("history")
    assert not home.exists()


def test_empty_list_needs_no_mlflow(home: Path) -> None:
    code = """
        import sys
        from typer.testing import CliRunner
        from dentwatch.cli.app import app
        assert CliRunner().invoke(app, ["models", "list"]).exit_code == 0
        assert "mlflow" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_show_tells_where_a_version_comes_from(two: Registry) -> None:
    shown = " ".join(_run("show", "champion").split())
    for fact in ("dentwatch/1 · champion", "yolo nano", "5d1f00aa33bb", "tiny photos: CC0-1.0", "ada made 1 champion"):
        assert fact in shown
    document = _json("show", "1")
    assert document["id"] == two.get(1).digest
    assert [change["reason"] for change in document["history"]] == ["the first"]
    assert _json("show", "2")["history"] == []


def test_promote_and_rollback_change_who_answers(two: Registry) -> None:
    promoted = _json("promote", "challenger", "--reason", "better on test", "--actor", "bob")
    assert (promoted["version"], promoted["previous"], promoted["actor"]) == (2, 1, "bob")
    assert two.get("champion").number == 2
    assert "already" in _run("promote", "2", "--reason", "again")

    assert "Model version 1 is now the champion instead of 2." in _run("rollback", "--reason", "false boxes").replace(
        "\n", " "
    )
    assert two.get("champion").number == 1
    told = [(change["action"], change["reason"]) for change in _json("history")["history"]]
    assert told == [("promote", "the first"), ("promote", "better on test"), ("rollback", "false boxes")]
    assert "went back to 1" in _run("history")
    with pytest.raises(ModelError, match="no earlier champion"):
        _run("rollback", "--reason", "again")


def test_card_is_printed_as_it_was_written(two: Registry) -> None:
    assert _run("card", "2") == "# Two\n"
    assert _json("card", "2") == {"model": "dentwatch/2", "card": "# Two\n"}


def test_export_gives_a_folder_that_inspect_takes(two: Registry, tmp_path: Path) -> None:
    document = _json("export", "champion", str(tmp_path / "copy"))
    assert document["files"] == ["card.md", "model.json", "model.onnx"]
    assert digest_of(tmp_path / "copy") == two.get(1).digest
    with pytest.raises(ModelError, match="not empty"):
        _run("export", "2", str(tmp_path / "copy"))


def test_clean_counts_what_it_removed(two: Registry) -> None:
    assert _json("clean") == {"removed": 0}
    assert "Removed 0 unfinished registrations." in _run("clean")


def test_unknown_version_is_one_readable_paragraph(two: Registry) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from dentwatch.cli import main; main()", "models", "show", "9"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    told = " ".join(done.stderr.split())
    assert told == "Error: There is no model version '9'. There are: 1 (champion), 2 (challenger)."


@pytest.mark.parametrize("command", ["list", "show", "card", "promote", "rollback", "history", "export", "clean"])
def test_every_command_has_an_example(command: str) -> None:
    assert f"Example: dentwatch models {command}" in " ".join(_run(command, "--help").split())
