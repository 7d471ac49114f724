"""``dentwatch inspect``: one line per photo, whatever the photo."""

import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import command, dentwatch
from PIL import Image
from rectangles import as_photo, rectangle_graph, rectangles_rgb, write_bundle
from typer.testing import CliRunner, Result

from dentwatch.cli.app import app
from dentwatch.records.model_bundle import ModelBundle

PhotoFile = Callable[..., Path]


def _inspect(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)])


def _lines(result: Result) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_bad_photos_get_a_line_and_the_rest_go_on_without_torch(
    home: Path, bundle: ModelBundle, photo_file: PhotoFile, tmp_path: Path
) -> None:
    good = photo_file("good.png", 640, 480, ("scratch", 100, 50, 200, 40))
    text = tmp_path / "notes.jpg"
    text.write_text("not a photo")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(as_photo(rectangles_rgb(640, 480), file_format="JPEG")[:-400])
    also_good = photo_file("also good.png", 256, 256, ("dent", 10, 20, 30, 40))
    photos = [good, text, tmp_path / "missing.jpg", cut, also_good]

    run = dentwatch("inspect", *photos, "--model", bundle.folder, "--json", bare=True)

    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [line["photo"] for line in lines] == [str(photo) for photo in photos]
    assert [line.get("reason") for line in lines] == [None, "not_an_image", "not_found", "truncated", None]
    assert all(line["error"] and "detections" not in line for line in lines[1:4])
    assert (lines[0]["width"], lines[0]["height"], lines[0]["model"]) == (640, 480, bundle.name)
    [found] = lines[0]["detections"]
    assert found.keys() == {"label", "score", "x", "y", "width", "height"}
    assert found["label"] == "scratch"
    assert [found[key] for key in ("x", "y", "width", "height")] == pytest.approx([100, 50, 200, 40], abs=3)
    assert lines[4]["detections"] == [{"label": "dent", "score": 1.0, "x": 10, "y": 20, "width": 30, "height": 40}]
    assert lines[4]["statistics"]["lighting"] == "normal"
    assert lines[4]["timing_ms"]["decode"] > 0
    assert lines[4]["timing_ms"]["infer"] > 0
    assert run.stderr.strip() == "3 of 5 photos could not be inspected."
    assert run.returncode == 1


def test_success_is_exit_code_0(home: Path, bundle: ModelBundle, photo_file: PhotoFile) -> None:
    result = _inspect(photo_file("plain.png", 300, 200), "--model", bundle.folder, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert _lines(result)[0]["detections"] == []


def test_an_answer_is_out_before_the_next_photo_is_there(
    home: Path, bundle: ModelBundle, photo_file: PhotoFile, tmp_path: Path
) -> None:
    first = photo_file("first.png", 64, 64)
    late = tmp_path / "late.png"
    os.mkfifo(late)
    arguments = command("inspect", first, late, "--model", bundle.folder, "--json")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["photo"] == str(first)
        late.write_bytes(first.read_bytes())
        assert json.loads(process.stdout.readline())["photo"] == str(late)
    assert process.returncode == 0


def test_a_minimum_score_replaces_the_models_thresholds(home: Path, bundle: ModelBundle, photo_file: PhotoFile) -> None:
    scene = ("scratch", 10, 10, 40, 40), ("dent", 80, 10, 40, 40), ("other", 160, 90, 70, 40)
    photo = photo_file("dim.png", 300, 200, *scene, level=204)  # each scores 0.8; the thresholds are 0.5, 0.7, 0.9

    def scores(*options: str) -> list[tuple[str, float]]:
        [line] = _lines(_inspect(photo, "--model", bundle.folder, "--json", *options))
        return [(found["label"], found["score"]) for found in line["detections"]]

    assert [label for label, _ in scores()] == ["scratch", "dent"]
    assert [label for label, _ in scores("--min-score", "0.001")] == ["scratch", "dent", "other"]
    assert scores("--min-score", "0.001")[0][1] == pytest.approx(0.8, abs=0.01)
    assert scores("--min-score", "0.9") == []
    assert len(scores("--min-score", "0")) == 9
    assert _inspect(photo, "--min-score", "1.5").exit_code == 2


def test_folders_and_patterns_stand_for_the_photos_in_them(
    home: Path, bundle: ModelBundle, photo_file: PhotoFile, tmp_path: Path
) -> None:
    for name in ("lot/b.png", "lot/a.PNG", "lot/deep/c.png"):
        photo_file(name, 64, 64)
    (tmp_path / "lot" / "readme.txt").write_text("no photo")
    lot = tmp_path / "lot"
    inside = [str(lot / name) for name in ("a.PNG", "b.png", "deep/c.png")]

    assert [line["photo"] for line in _lines(_inspect(lot, "--model", bundle.folder, "--json"))] == inside
    pattern = _inspect(lot / "*.png", "--model", bundle.folder, "--json")
    assert [line["photo"] for line in _lines(pattern)] == [inside[1]]
    nothing = _inspect(lot / "*.tif", "--model", bundle.folder, "--json")
    assert [(line["photo"], line["reason"]) for line in _lines(nothing)] == [(str(lot / "*.tif"), "not_found")]


def test_a_folder_without_photos_is_an_error(home: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run = dentwatch("inspect", tmp_path / "empty", "--model", bundle.folder, "--json")
    assert (run.returncode, run.stdout) == (1, "")
    assert "empty holds no photos." in " ".join(run.stderr.split())


def test_a_name_that_is_no_text_is_still_answered(home: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/t\xfcr.png"
    Path(os.fsdecode(path)).write_bytes(as_photo(rectangles_rgb(64, 64)))
    run = subprocess.run(
        [*command("inspect", "--model", bundle.folder, "--json"), path], capture_output=True, timeout=60, check=True
    )
    assert json.loads(run.stdout)["photo"].endswith("t\ufffdr.png")


def test_without_json_a_person_reads_a_table(home: Path, bundle: ModelBundle, photo_file: PhotoFile) -> None:
    photo = photo_file("[a].png", 256, 256, ("scratch", 10, 20, 30, 40))
    result = _inspect(photo, photo.parent / "gone.jpg", "--model", bundle.folder)
    shown = " ".join(result.stdout.split())
    assert "[a].png 256 × 256 px, normal light, 1 detection" in shown
    assert "label score x y width height scratch 1.00 10 20 30 40" in shown
    assert "gone.jpg There is no such file." in shown
    assert result.exit_code == 1


def test_saved_drawings_show_the_boxes_on_the_upright_photo_without_its_metadata(
    home: Path, bundle: ModelBundle, tmp_path: Path
) -> None:
    upright = rectangles_rgb(400, 300, ("dent", 100, 150, 120, 90))
    stored = as_photo(np.ascontiguousarray(np.rot90(upright, 1)), orientation=6, file_format="JPEG")
    photo, twin = tmp_path / "car.jpg", tmp_path / "twin" / "car.jpg"
    twin.parent.mkdir()
    photo.write_bytes(stored)
    twin.write_bytes(stored)

    result = _inspect(photo, twin, tmp_path / "gone.jpg", "--model", bundle.folder, "--save", tmp_path)

    assert result.exit_code == 1
    assert photo.read_bytes() == stored
    assert sorted(path.name for path in tmp_path.glob("*.inspected.jpg")) == [
        "car-2.inspected.jpg",
        "car.inspected.jpg",
    ]
    drawn = Image.open(tmp_path / "car.inspected.jpg")
    assert (drawn.format, drawn.size, len(drawn.getexif())) == ("JPEG", (400, 300), 0)
    pixels = np.asarray(drawn).astype(int)
    assert np.abs(pixels[151, 160] - (86, 180, 233)).max() < 60  # the line, in the colour of dents
    assert np.abs(pixels[200, 160] - (0, 255, 0)).max() < 20  # inside the box the photo is what it was
    assert np.abs(pixels[50, 50] - (90, 90, 90)).max() < 10


def test_a_folder_that_cannot_be_made_is_named_before_any_work(
    home: Path, bundle: ModelBundle, photo_file: PhotoFile, tmp_path: Path
) -> None:
    photo = photo_file("a.png", 64, 64)
    run = dentwatch("inspect", photo, "--model", bundle.folder, "--save", photo / "drawn", "--json")
    assert (run.returncode, run.stdout) == (1, "")
    assert "Drawings cannot be saved in" in " ".join(run.stderr.split())


def test_a_broken_model_is_one_readable_paragraph(home: Path, photo_file: PhotoFile, tmp_path: Path) -> None:
    broken = write_bundle(tmp_path / "broken", rectangle_graph())
    broken.onnx_path.write_bytes(b"nonsense")
    run = dentwatch("inspect", photo_file("a.png", 64, 64), "--model", broken.folder)
    assert run.returncode == 1
    assert run.stderr.startswith("Error: ")
    assert "model.onnx cannot be loaded" in " ".join(run.stderr.split())
    assert "Traceback" not in run.stderr


def test_the_real_photos_are_answered(home: Path, bundle: ModelBundle, shared: Path) -> None:
    photos = sorted((shared / "photos" / "bilgi").rglob("*.jpg"))[:4]
    result = _inspect(*photos, "--model", bundle.folder, "--json")
    assert result.exit_code == 0
    for path, line in zip(photos, _lines(result), strict=True):
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            assert (line["width"], line["height"]) == image.size
        for found in line["detections"]:
            assert found["x"] >= 0
            assert found["x"] + found["width"] <= line["width"] + 0.002
            assert found["y"] + found["height"] <= line["height"] + 0.002
