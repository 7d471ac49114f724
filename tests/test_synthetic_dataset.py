"""The data set that `dentwatch data generate` writes."""

import json
from collections import Counter
from pathlib import Path

import cv2
import pytest
import typer
from typer.testing import CliRunner

from dentwatch.cli.generate import generate as command
from dentwatch.data.synthetic import generate, render
from dentwatch.errors import SettingsError, SourceError

SIZE = 128


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.jpg"))}


def test_the_bytes_do_not_depend_on_workers_or_count(tmp_path: Path) -> None:
    generate(tmp_path / "one", 9, seed=4, size=SIZE, workers=1)
    generate(tmp_path / "two", 9, seed=4, size=SIZE, workers=2)
    generate(tmp_path / "few", 5, seed=4, size=SIZE, workers=1)
    one, two, few = (contents(tmp_path / name) for name in ("one", "two", "few"))
    assert len(one) == 9
    assert one == two
    assert few.items() <= one.items()
    first, second = (json.loads((tmp_path / name / "annotations.json").read_text()) for name in ("one", "two"))
    first["info"].pop("command"), second["info"].pop("command")  # they name the folder
    assert first == second


def test_the_annotations_are_coco_and_say_where_they_come_from(tmp_path: Path) -> None:
    path = generate(tmp_path / "set", 8, seed=11, size=SIZE, photos_per_vehicle=2, workers=1)
    document = json.loads(path.read_text())
    assert document["info"]["seed"] == 11
    assert "dentwatch data generate set --count 8 --seed 11 --size 128" in document["info"]["command"]
    assert {category["name"] for category in document["categories"]} == {"scratch", "dent"}
    assert Counter(Counter(image["vehicle_group"] for image in document["images"]).values()) == {2: 4}
    for image in document["images"]:
        assert "split" not in image
        assert image["licence"] == "Apache-2.0"
        assert image["consent"] == "not needed: synthetic"
        picture = cv2.imread(str(tmp_path / "set" / "images" / image["file_name"]))
        assert picture.shape == (image["height"], image["width"], 3)
    assert [entry["id"] for entry in document["annotations"]] == list(range(1, len(document["annotations"]) + 1))


def test_the_annotations_are_those_of_render(tmp_path: Path) -> None:
    path = generate(tmp_path / "set", 6, seed=2, size=SIZE, workers=1, stops=-2, quality=60)
    document = json.loads(path.read_text())
    for image in document["images"]:
        photo = render(2, image["id"] - 1, SIZE, stops=-2, quality=60)
        assert (tmp_path / "set" / "images" / image["file_name"]).read_bytes() == photo.jpeg
        boxes = [entry["bbox"] for entry in document["annotations"] if entry["image_id"] == image["id"]]
        assert boxes == [[a.box.x, a.box.y, a.box.width, a.box.height] for a in photo.annotations]


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    generate(tmp_path, 5, size=SIZE, workers=1, on_progress=lambda done, count: seen.append((done, count)))
    assert seen == [(4, 5), (5, 5)]


def test_making_it_again_replaces_it_but_foreign_files_are_left_alone(tmp_path: Path) -> None:
    generate(tmp_path, 5, size=SIZE, workers=1)
    generate(tmp_path, 2, size=SIZE, workers=1)
    assert len(contents(tmp_path)) == 2
    (tmp_path / "holiday.txt").write_text("mine")
    with pytest.raises(SourceError, match="holds other files"):
        generate(tmp_path, 2, size=SIZE, workers=1)
    with pytest.raises(SourceError, match="is a file"):
        generate(tmp_path / "holiday.txt", 2, size=SIZE, workers=1)


def test_an_interrupted_run_leaves_no_annotations(tmp_path: Path) -> None:
    generate(tmp_path, 4, size=SIZE, workers=1)

    def stop(done: int, count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, 8, size=SIZE, workers=1, on_progress=stop)
    assert not (tmp_path / "annotations.json").exists()


@pytest.mark.parametrize(
    "options",
    [{"count": 0}, {"workers": 0}, {"quality": 0}, {"stops": 99.0}, {"size": 3}, {"undamaged_share": -1.0}],
)
def test_bad_options_write_nothing(tmp_path: Path, options: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        generate(tmp_path / "out", **{"count": 2, **options})  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_the_command_prints_one_json_document(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    arguments = [str(tmp_path / "out"), "--count", "3", "--seed", "7", "--size", "128", "--workers", "1", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["photos"] == 3
    assert (tmp_path / "out" / "annotations.json").exists()
