"""`dentwatch data` on the command line: results on stdout, errors as one paragraph, exit code 0 only for success."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import command_here
import pytest
from garage import Garage, fleet, jpeg, picture
from typer.testing import CliRunner

from dentwatch.cli.app import app


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `dentwatch data …` and gives (exit code, stdout, stderr)."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = command_here.call(monkeypatch, ["data", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_the_way_from_a_folder_to_an_export(run: Any, tmp_path: Path) -> None:
    garage = fleet(tmp_path / "cars", 6).add(
        "x.jpg", jpeg(picture(77)), [("Paint chip", [5, 5, 20, 20])], vehicle_group="x"
    )
    source = garage.add("bad.jpg", b"no photo", []).write()
    code, out, _ = run("ingest", source, "--workers", "1", "--licence", "CC0")
    assert code == 0
    for words in (
        "not_an_image",
        "unknown_class",
        "--map 'Paint chip'=LABEL",
        "without a stated consent",
        "dentwatch train",
    ):
        assert words in " ".join(out.split()), words

    _, out, _ = run("set-aside", "--json")
    assert {entry["reason"] for entry in json.loads(out)["set_aside"]} == {"not_an_image", "unknown_class"}
    _, out, _ = run("set-aside", "--reason", "unknown_class")
    assert "x.jpg" in out
    assert "bad.jpg" not in out

    code, out, err = run("retry", "--map", "Paint chip=scratch", "--json")
    report = json.loads(out)
    assert (code, report["updated"], report["photos_set_aside"]) == (0, 1, {"not_an_image": 1})

    _, out, _ = run("versions", "--json")
    first, second = [info["id"] for info in json.loads(out)["versions"]]
    assert second == report["version"]["id"]
    assert first[:12] in run("versions")[1]
    assert json.loads(run("show", "--json")[1])["parent"] == first
    assert "CC0 (7)" in run("show", second[:6])[1]

    _, out, _ = run("diff", first, second, "--json")
    (change,) = json.loads(out)["changes"]
    assert (change["kind"], [box["label"] for box in change["boxes_added"]]) == ("changed", ["scratch"])
    _, out, _ = run("diff", first[:8])
    assert "+1 scratch" in out
    assert "0 photos added, 0 photos removed, 1 photos changed." in " ".join(out.split())
    assert "nothing differs" in run("diff", second, "latest")[1]

    code, out, _ = run("export", "latest", "--format", "yolo", "--out", str(tmp_path / "yolo"), "--json")
    assert (code, json.loads(out)["photos"]) == (0, 7)
    code, _, err = run("export", "latest", "--out", str(tmp_path / "yolo"))
    assert code == 1
    assert "new or empty" in err


def test_json_is_one_document_on_stdout(home: Path, tmp_path: Path) -> None:
    source = fleet(tmp_path / "cars", 40).write()
    command = [str(Path(sys.executable).with_name("dentwatch")), "data", "ingest", source, "--workers", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["new"] == 40


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show"], "no dataset version"),
        (["ingest", "nowhere"], "nowhere"),
        (["ingest", ".", "--map", "rust"], "--map"),
        (["ingest", ".", "--map", "rust=oxide"], "no such label"),
        (["ingest", ".", "--format", "xls"], "xls"),
        (["diff", "abcdef"], "no dataset version"),
        (["export", "latest", "--out", "somewhere"], "no dataset version"),
    ],
)
def test_errors_name_the_input_and_the_way_out(run: Any, arguments: list[str], words: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert words in " ".join(err.split())
    assert "Traceback" not in err


def test_an_empty_folder_is_an_error(run: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = run("ingest", str(tmp_path / "empty"))
    assert code == 1
    assert "neither photos nor annotations" in " ".join(err.split())


def test_empty_lists_say_how_to_fill_them(run: Any) -> None:
    assert "dentwatch data ingest" in run("versions")[1]
    assert "Nothing is set aside" in run("set-aside")[1]
    assert json.loads(run("versions", "--json")[1]) == {"versions": []}


def test_a_known_photo_with_other_annotations_says_what_to_do(run: Any, tmp_path: Path) -> None:
    data = jpeg(picture(1))
    run("ingest", Garage(tmp_path / "a").add("a.jpg", data, [("dent", [1, 1, 9, 9])]).write())
    source = Garage(tmp_path / "b").add("a.jpg", data, [("scratch", [50, 50, 9, 9])]).write()
    assert "--update" in run("ingest", source)[1]
    code, out, _ = run("ingest", source, "--update", "--json")
    assert (code, json.loads(out)["updated"]) == (0, 1)


def test_every_command_has_help_with_an_example() -> None:
    for command in ("ingest", "versions", "show", "diff", "export", "set-aside", "retry", "generate"):
        result = CliRunner().invoke(app, ["data", command, "--help"])
        assert result.exit_code == 0
        assert "Example" in result.output
        assert f"dentwatch data {command}" in " ".join(result.output.split())
