"""``dentwatch train`` from the first word to a registered model that answers, and its words when it cannot."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from garage import fleet, jpeg, picture
from training_command import SMALL, Finished, dentwatch

from dentwatch.data.ingest import Ingest
from dentwatch.data.sources import open_source
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.registry import Registry
from dentwatch.records.tracking import git_commit
from dentwatch.serving.engines.parity import BOX_TOLERANCE, SCORE_TOLERANCE
from dentwatch.settings import Settings

pytestmark = pytest.mark.timeout(900)  # whole runs of the command line, on a machine that may be busy


def test_the_first_model_is_champion_and_the_second_challenger(finished: Finished) -> None:
    versions = Registry(finished.settings).versions()
    assert [(one.number, one.aliases) for one in sorted(versions, key=lambda one: one.number)] == [
        (1, ("champion",)),
        (2, ("challenger",)),
    ]
    assert finished.record("first").model_version == "1"
    assert "It is the champion" in finished.first.stdout


def test_json_is_one_document_on_stdout(finished: Finished) -> None:
    document = json.loads(finished.second.stdout)
    assert document["run"] == "second" and document["model"] == "dentwatch/2" and document["champion"] is False
    assert document["dataset_version"] == finished.record("second").dataset_version
    assert 0 <= document["best_epoch"] < document["epochs"] == 2
    assert {"ap50", "recall", "photo_accuracy"} <= document["val"].keys()
    assert Path(document["report"]).is_file()


def test_progress_is_readable_and_the_libraries_keep_quiet(finished: Finished) -> None:
    for run, epochs in ((finished.first, 4), (finished.second, 2)):
        for epoch in range(1, epochs + 1):
            assert f"epoch   {epoch}  val AP50" in run.stderr
        for chatter in (
            "GPU available",
            "Tip",
            "`Trainer.fit` stopped",
            "LOCAL_RANK",
            "UserWarning",
            "sync_dist",
            "distributed",
        ):
            assert chatter not in run.stderr + run.stdout, run.stderr


def test_the_model_says_where_it_comes_from_and_how_good_it_is(finished: Finished) -> None:
    record = finished.record("first")
    bundle = ModelBundle.load(finished.home / "runs" / "first" / "model")
    spec = bundle.spec
    version = DatasetStore(finished.settings.dataset_store_url).get("latest")
    assert spec.dataset_version == record.dataset_version == version.id
    assert spec.run_id == record.tracking_run and spec.run_id
    assert spec.commit == record.commit
    assert bool(spec.commit) == bool(git_commit())
    assert (spec.detector, spec.size, spec.labels) == ("yolo", "nano", ("scratch", "dent"))
    assert spec.preprocessing.input_size == 64
    assert [right.licence for right in spec.rights] == ["CC0-1.0"]
    assert spec.thresholds.keys() == {"scratch", "dent"}
    assert spec.parity["boxes"] <= BOX_TOLERANCE and spec.parity["scores"] <= SCORE_TOLERANCE
    assert {"val/ap50", "val/recall", "val/photo_accuracy"} <= spec.metrics.keys()
    assert bundle.weights_path is not None
    card = bundle.card_path.read_text()
    assert version.id[:12] in card and "dentwatch train --name first" in card


def test_the_report_is_there_and_shows_the_curves(finished: Finished) -> None:
    report = finished.home / "runs" / "first" / "report"
    page = (report / "report.html").read_text()
    assert "AP50" in page and "train/loss" in page
    assert json.loads((report / "evaluation.json").read_text())


def test_the_champion_answers(finished: Finished, tmp_path: Path) -> None:
    photo = tmp_path / "car.jpg"
    photo.write_bytes(jpeg(picture(5, 160, 120)))
    asked = dentwatch("inspect", photo, "--model", "champion", "--min-score", "0", "--json", home=finished.home)
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert Path(answer["photo"]).name == "car.jpg"
    assert answer["detections"] and {"label", "score", "x", "y", "width", "height"} <= answer["detections"][0].keys()


def test_a_setting_that_does_not_exist_or_a_bad_file_is_named(
    refusal: Callable[..., str], finished: Finished, tmp_path: Path
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("epochs: [1, 2")
    assert "augmentation.mosiac" in refusal("train", "--set", "augmentation.mosiac=1", home=finished.home)
    assert "run.yaml cannot be read as YAML" in refusal("train", "--config", str(config), home=finished.home)


def test_a_name_that_is_taken_and_a_run_that_cannot_go_on_are_named(
    refusal: Callable[..., str], finished: Finished
) -> None:
    assert "The run first is finished" in refusal("train", "--name", "first", *SMALL, home=finished.home)
    assert "made model version 1" in refusal("train", "--resume", "first", home=finished.home)
    assert "Known runs: first, second" in refusal("train", "--resume", "third", home=finished.home)


def test_without_photos_to_learn_from_the_way_out_is_shown(refusal: Callable[..., str], tmp_path: Path) -> None:
    empty, undamaged = tmp_path / "empty", tmp_path / "undamaged"
    assert "dentwatch data ingest" in refusal("train", *SMALL, home=empty)
    garage = fleet(tmp_path / "cars", 6)
    garage.annotations.clear()
    Ingest(Settings(home=undamaged)).run(open_source(garage.write()).photos())
    assert "no scratch or dent among them" in refusal("train", *SMALL, home=undamaged)


@pytest.mark.parametrize(
    ("given", "saying"),
    [
        ("augmentation=3", "augmentation"),
        ("epochs=0", "epochs"),
        ("epochs", "has no value"),
        ("seed.value=3", "seed"),
        ("seed=[1", "seed"),
    ],
)
def test_settings_that_cannot_be_used_are_named(given: str, saying: str) -> None:
    from dentwatch.cli.train import _run_settings
    from dentwatch.errors import SettingsError

    with pytest.raises(SettingsError, match=saying):
        _run_settings({}, [given], None)


def test_options_win_over_set_and_set_over_the_file(tmp_path: Path) -> None:
    from dentwatch.cli.train import _run_settings
    from dentwatch.errors import SettingsError

    config = tmp_path / "run.yaml"
    config.write_text("epochs: 7\nseed: 7\nclip: 7\naugmentation: {flip: 0.7, mosaic: 0.7}\n")
    run = _run_settings({"epochs": 9, "seed": None}, ["epochs=8", "seed=8", "augmentation.flip=0.8"], config)
    assert (run.epochs, run.seed, run.clip) == (9, 8, 7)
    assert (run.augmentation.flip, run.augmentation.mosaic) == (0.8, 0.7)
    with pytest.raises(SettingsError, match=r"seed\.value"):
        _run_settings({}, ["seed.value=3"], config)
    config.write_text("- a list\n")
    with pytest.raises(SettingsError, match=r"run\.yaml"):
        _run_settings({}, [], config)
