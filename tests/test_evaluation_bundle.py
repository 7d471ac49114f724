"""A real model over a real dataset version: what is evaluated is what is served."""

import json
import sys
from pathlib import Path

import pytest
from serving.command import dentwatch
from serving.rectangles import Rectangle, as_photo, rectangle_graph, rectangles_rgb, write_bundle

from dentwatch.errors import DataError, DatasetError, MissingExtraError, PhotoError
from dentwatch.records.annotations import Annotation, Box, PhotoRecord, Split
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.training.evaluation.evaluator import evaluate_bundle, operating_thresholds
from dentwatch.training.evaluation.operating import ThresholdRule
from dentwatch.training.evaluation.result import RESULT_NAME, EvaluationResult

# Ten vehicles with one val photo each. The model boxes what is drawn; annotated is what stands in the second column, so
# that each photo has known mistakes. The last two photos are dim: the model then scores 0.6, which is below its
# threshold of 0.7 for dents and above that of 0.5 for scratches.
SCRATCH: Rectangle = ("scratch", 40, 40, 100, 60)
DENT: Rectangle = ("dent", 300, 200, 120, 120)
PHOTOS: list[tuple[list[Rectangle], list[Rectangle], int]] = [
    *[([SCRATCH, DENT], [SCRATCH, DENT], 255)] * 4,
    ([SCRATCH], [SCRATCH, DENT], 255),
    ([SCRATCH, DENT], [DENT], 255),
    ([], [], 255),
    ([SCRATCH], [], 255),
    *[([SCRATCH, DENT], [SCRATCH, DENT], 153)] * 2,
]


def rows(store: PhotoStore) -> list[PhotoRecord]:
    records = []
    for number, (drawn, annotated, level) in enumerate(PHOTOS):
        rgb = rectangles_rgb(640, 480, *drawn, level=level)
        rgb[0, 0] = number  # makes every photo another one
        marks = tuple(Annotation(label, Box(*box)) for label, *box in annotated)
        photo_id = store.put(as_photo(rgb))
        records.append(PhotoRecord(photo_id, f"{number}.png", f"car {number}", "val", 640, 480, True, marks))
    waiting = store.put(as_photo(rectangles_rgb(320, 240)))
    return [*records, PhotoRecord(waiting, "waiting.png", "car 99", "test", 320, 240, False)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DENTWATCH_HOME with the photos, their dataset version and a model."""
    home = tmp_path_factory.mktemp("home")
    DatasetStore(str(home / "datasets")).write(rows(PhotoStore(str(home / "photos"))))
    write_bundle(home / "model", rectangle_graph())
    return home


@pytest.fixture(scope="module")
def photos(place: Path) -> PhotoStore:
    return PhotoStore(str(place / "photos"))


@pytest.fixture(scope="module")
def dataset(place: Path) -> DatasetVersion:
    return DatasetStore(str(place / "datasets")).get("latest")


@pytest.fixture(scope="module")
def bundle(place: Path) -> ModelBundle:
    return ModelBundle.load(place / "model")


@pytest.fixture(scope="module")
def result(bundle: ModelBundle, dataset: DatasetVersion, photos: PhotoStore) -> EvaluationResult:
    return evaluate_bundle(bundle, dataset, photos, "val", resamples=40)


def test_the_figures_are_those_of_the_drawn_mistakes(result: EvaluationResult) -> None:
    """Scratches: 7 annotated, 9 drawn, 7 right. Dents: 8 annotated, 7 drawn, 2 of them too dim: 5 right."""
    figures = {name: figure.value for name, figure in result.figures.items()}
    assert result.dataset.truths == {"scratch": 7, "dent": 8}
    assert figures["recall_scratch"] == 1.0
    assert figures["precision_scratch"] == pytest.approx(7 / 9)
    assert figures["recall_dent"] == pytest.approx(5 / 8)
    assert figures["precision_dent"] == 1.0
    assert figures["accuracy"] == pytest.approx(12 / 17)
    assert figures["false_per_photo"] == pytest.approx(0.2)
    assert figures["photo_accuracy"] == pytest.approx(0.9)
    assert result.photo_level.model_dump() == {
        "damaged_found": 8,
        "damaged_missed": 0,
        "undamaged_clean": 1,
        "undamaged_accused": 1,
    }
    assert result.wrong_kinds == {"nothing": 2}
    assert result.missed_kinds == {"unseen": 1, "unsure": 2}


def test_detections_below_the_threshold_still_count_for_average_precision(result: EvaluationResult) -> None:
    """All 7 dent boxes are right, 8 are annotated: precision 1 up to recall 7 / 8, which is 88 of 101 points."""
    assert result.ap["ap50_dent"] == result.figures["ap50_dent"].value == pytest.approx(88 / 101)


def test_figures_have_intervals_and_the_latency_names_its_machine(result: EvaluationResult) -> None:
    recall = result.figures["recall"]
    assert recall.low is not None and recall.high is not None and recall.value is not None
    assert recall.low < recall.value < recall.high
    assert result.latency is not None
    assert result.latency.photos == len(PHOTOS)
    assert 0 < result.latency.infer["p50"] <= result.latency.infer["p95"] <= result.latency.infer["p99"]
    assert "cores" in result.latency.machine


def test_lighting_slices_add_up_to_the_whole(result: EvaluationResult) -> None:
    assert sum(part.photos for part in result.lighting.values()) == result.dataset.photos
    assert sum(part.truths for part in result.lighting.values()) == result.truths
    assert result.lighting["bright"].figures == {}


def test_a_result_reads_back_as_it_was_written(result: EvaluationResult, tmp_path: Path) -> None:
    path = result.save(tmp_path)
    assert EvaluationResult.load(path) == result
    assert "photos" not in json.loads(result.summary_json())
    path.write_text('{"format": 2}', encoding="utf-8")
    with pytest.raises(DataError, match="not an evaluation that this version reads"):
        EvaluationResult.load(path)
    with pytest.raises(DataError, match="no evaluation at"):
        EvaluationResult.load(tmp_path / "nowhere.json")


def test_thresholds_are_chosen_on_val(bundle: ModelBundle, dataset: DatasetVersion, photos: PhotoStore) -> None:
    """Dents of 0.6 are right, so a threshold below loses nothing; too few damages of each label say so."""
    chosen = operating_thresholds(bundle, dataset, photos, rule=ThresholdRule.parse("recall=0.9"))
    assert set(chosen) == {"scratch", "dent", "other"}
    assert chosen["dent"].threshold < 0.6
    assert "pooled" in str(chosen["dent"].fallback)
    again = evaluate_bundle(bundle, dataset, photos, thresholds=chosen, resamples=20, latency=False)
    assert again.figures["recall_dent"].value == pytest.approx(7 / 8)
    assert again.thresholds["dent"].origin.startswith("recall=0.9 on val: only 8 damages")
    assert again.latency is None


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_without_annotated_photos_is_refused(
    bundle: ModelBundle, dataset: DatasetVersion, photos: PhotoStore, split: Split
) -> None:
    with pytest.raises(DatasetError, match=f"no annotated photos in its {split} split"):
        evaluate_bundle(bundle, dataset, photos, split)


def test_a_missing_photo_stops_the_evaluation_and_is_named(
    bundle: ModelBundle, dataset: DatasetVersion, tmp_path: Path
) -> None:
    with pytest.raises(PhotoError, match="is not in the photo store"):
        evaluate_bundle(bundle, dataset, PhotoStore(str(tmp_path)), "val")


def test_without_the_training_extra_it_says_what_to_install(
    bundle: ModelBundle, dataset: DatasetVersion, photos: PhotoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval.core", None)
    with pytest.raises(MissingExtraError, match=r"dentwatch\[train\]"):
        evaluate_bundle(bundle, dataset, photos, latency=False)


def run(home: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> tuple[int, str, str]:
    monkeypatch.setenv("DENTWATCH_HOME", str(home))
    done = dentwatch("evaluate", *arguments)
    return done.returncode, done.stdout, done.stderr


def test_the_command_compares_two_models(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_bundle(place / "timid", rectangle_graph(), thresholds={"scratch": 0.9, "dent": 0.9, "other": 0.9})
    code, out, err = run(
        place, monkeypatch,
        "--model", place / "model", "--compare", place / "timid", "--resamples", "40", "--json", "--out", tmp_path,
    )  # fmt: skip
    assert code == 0, err
    document = json.loads(out)
    first, second = document["models"]
    assert (first["figures"]["recall"]["value"], second["figures"]["recall"]["value"]) == (12 / 15, 10 / 15)
    change = next(iter(document["differences"].values()))["recall"]
    assert change["difference"]["value"] == pytest.approx(-2 / 15)
    for path in (document["report"], first["report"], first["evaluation"], second["report"]):
        assert Path(path).is_relative_to(tmp_path)
        assert Path(path).stat().st_size > 1000


def test_a_second_look_at_test_is_noticed(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    records = [
        PhotoRecord(one.photo_id, one.name, one.vehicle, "test", 640, 480, True, one.annotations)
        for one in DatasetStore(str(place / "datasets")).get("latest").photos("val")
    ]
    DatasetStore(str(home / "datasets")).write(records)
    monkeypatch.setenv("DENTWATCH_PHOTOS_URL", str(place / "photos"))
    arguments = ("--model", place / "model", "--split", "test", "--resamples", "20", "--no-latency", "--json")
    looks = [run(home, monkeypatch, *arguments) for _ in range(2)]
    assert [code for code, _, _ in looks] == [0, 0]
    first, second = (json.loads(out) for _, out, _ in looks)
    assert first["reported_before"] is None
    assert second["reported_before"] == first["created_at"]
    assert "reported before" not in looks[0][2]
    assert "reported before" in " ".join(looks[1][2].split())
    assert "reported before" in Path(second["report"]).read_text(encoding="utf-8")
    assert (Path(second["report"]).parent / RESULT_NAME).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--split", "tset"), "no split 'tset'"),
        (("--split", "test"), "no annotated photos in its test split"),
        (("--rule", "best"), "'best' is no rule"),
        (("--dataset", "abcdef"), "'abcdef' names no dataset version"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_a_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = run(place, monkeypatch, "--model", place / "model", *arguments)
    assert (code, out) == (1, "")
    assert said in " ".join(err.split())
    assert "Traceback" not in err
