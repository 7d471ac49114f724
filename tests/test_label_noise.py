"""Mistakes in annotations are found where the model knows better, and sound annotations are left alone."""

import json
from pathlib import Path

import numpy as np
from evaluation_cases import LABELS, found, mark, outcome
from garage import Garage
from rectangles import as_photo, rectangle_graph, rectangles_rgb, write_bundle
from serving.command import dentwatch

from dentwatch.data.ingest import Ingest
from dentwatch.data.sources import open_source
from dentwatch.settings import Settings
from dentwatch.training.evaluation.matching import PhotoOutcome
from dentwatch.training.label_noise import disagreements

THRESHOLDS = {"scratch": 0.5, "dent": 0.5}
CURVES = {"scratch": ((0.5, 0.4), (0.9, 0.8)), "dent": ((0.5, 0.4), (0.9, 0.8))}


def test_agreement_is_no_suspicion() -> None:
    sound = outcome(
        [mark("scratch", 10, 10), mark("dent", 200, 100)], [found("scratch", 0.9, 12, 11), found("dent", 0.6, 199, 101)]
    )
    unsure = outcome([], [found("scratch", 0.4, 10, 10)])
    loose = outcome([mark("scratch", 10, 10)], [found("scratch", 0.9, 40, 10)])
    assert disagreements([sound, unsure, loose], LABELS, THRESHOLDS, CURVES) == []


def test_each_kind_is_named_and_the_most_suspect_comes_first() -> None:
    usual = [outcome([mark("scratch", 10, 10)], [found("scratch", 0.9, 10, 10)]) for _ in range(9)]
    forgotten = outcome([], [found("dent", 0.9, 300, 300)], name="forgotten")
    swapped = outcome([mark("dent", 10, 10)], [found("scratch", 0.7, 10, 10)], name="swapped")
    made_up = outcome([mark("scratch", 400, 50)], [], name="made up")
    listed = disagreements([*usual, swapped, made_up, forgotten], LABELS, THRESHOLDS, CURVES)
    assert [(one.kind, one.name, one.label, one.suspicion) for one in listed] == [
        ("unseen", "made up", "scratch", 0.9),  # nine of ten such scratches are found
        ("unannotated", "forgotten", "dent", 0.8),
        ("label", "swapped", "scratch", 0.6),
    ]


def test_photos_that_nobody_annotated_say_nothing() -> None:
    one = outcome([], [found("dent", 0.9, 300, 300)])
    waiting = PhotoOutcome(type(one.photo)(**{**_fields(one), "annotated": False}), one.detections)
    assert disagreements([waiting], LABELS, THRESHOLDS, CURVES) == []


def _fields(one: PhotoOutcome) -> dict[str, object]:
    return {name: getattr(one.photo, name) for name in one.photo.__dataclass_fields__}


def test_mistakes_among_many_annotations_come_to_the_top_of_the_list(home: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    garage = Garage(tmp_path / "cars")
    wrong = {"04.png", "11.png", "17.png"}
    for number in range(24):
        name = f"{number:02}.png"
        x, y = (int(value) for value in rng.integers(5, 120, 2))
        rgb = rectangles_rgb(256, 192, ("scratch", x, y, 60, 14))
        rgb[180:, ::7] = number * 4  # no photo is another's copy
        label = "dent" if name in wrong else "scratch"
        fields = {"width": 256, "height": 192, "vehicle_group": f"car {number}", "split": "val"}
        garage.add(name, as_photo(rgb), [(label, [x, y, 60, 14])], **fields)
    Ingest(Settings(home=home), workers=1).run(open_source(garage.write()).photos())
    model = write_bundle(tmp_path / "rectangles", rectangle_graph())
    done = dentwatch("data", "disagreements", "--model", str(model.folder), "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)["disagreements"]
    assert {one["name"] for one in listed} == wrong
    assert {one["kind"] for one in listed} >= {"label"}
    shown = dentwatch("data", "disagreements", "--model", str(model.folder)).stdout
    assert "04.png" in shown and "24 annotated photos" in shown
