"""The search: it finds the better network, goes on where it was cut off, and trains the winner on all but test."""

import json
from pathlib import Path
from typing import Any

import pytest
from training_command import dentwatch

from dentwatch.errors import RunHeldError, TrainingError
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.registry import Registry
from dentwatch.records.tracking import open_client
from dentwatch.settings import Settings
from dentwatch.training.cross_validation import CrossValidation, OnFold, cross_validate
from dentwatch.training.fitting import LAST
from dentwatch.training.hold import held
from dentwatch.training.run_settings import RunSettings
from dentwatch.training.search import study, trial
from dentwatch.training.search.search_settings import SearchSettings
from dentwatch.training.search.speed import candidates, within_budget
from dentwatch.training.search.trial import settings_of
from dentwatch.training.search.winner import train_winner, with_more_to_learn_from

BASE = RunSettings(
    input_size=64, epochs=1, batch_size=8, precision="32", loader_workers=0, quality_photos=0, cache_side=160
)
TINY = SearchSettings(
    networks=("yolo:nano",), input_sizes=(64,), latency_ms=None, folds=2, trials=2, weights="none", base=BASE
)


def test_a_search_finds_keeps_and_shows_its_trials(stocked: Path) -> None:
    settings = Settings(home=stocked)
    found = study.search(settings, TINY, minutes=10)
    assert [one.state for one in found.trials] == ["complete", "complete"]
    assert found.best.ap50 == max(one.ap50 or 0.0 for one in found.trials)
    assert found.latencies["yolo:nano@64"] > 0
    client = open_client(settings)
    for one in found.trials:
        run = client.get_run(one.tracking_run)
        assert run.data.tags["mlflow.parentRunId"] == found.tracking_run
        assert run.data.metrics["cv/ap50/mean"] == pytest.approx(one.ap50)
    assert client.get_run(found.tracking_run).info.status == "FINISHED"
    again = study.search(settings, TINY, minutes=10)
    assert again == found, "a search that has all its trials changes nothing"


def test_a_search_that_was_killed_goes_on_with_the_fold_it_was_in(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=stocked)

    class Killed(BaseException):
        """Nothing between here and the test catches it, as nothing catches a SIGKILL."""

    def cut(*arguments: Any, name: str, on_fold: OnFold, **options: Any) -> CrossValidation:
        def kill_the_second(fold: int, figures: list[dict[str, float]]) -> None:
            on_fold(fold, figures)
            if name.endswith("-1"):
                raise Killed

        return cross_validate(*arguments, name=name, on_fold=kill_the_second, **options)

    monkeypatch.setattr(trial, "cross_validate", cut)
    with pytest.raises(Killed):
        study.search(settings, TINY, minutes=10)
    monkeypatch.undo()
    [second] = (stocked / "runs").glob("search-*-1")
    fitted = (second / "fold-0" / LAST).stat().st_mtime_ns
    assert not (second / "fold-1").exists()
    found = study.search(settings, TINY, minutes=10)
    assert [one.state for one in found.trials] == ["complete", "complete"]
    assert (second / "fold-0" / LAST).stat().st_mtime_ns == fitted, "a fold that is done is not trained again"
    assert (second / "fold-1" / LAST).exists()
    assert len(list((stocked / "runs").glob("search-*"))) == 2


def test_one_process_at_a_time_searches(stocked: Path) -> None:
    settings = Settings(home=stocked)
    name = TINY.name(DatasetStore(settings.dataset_store_url).get("latest").id)
    with (
        held(stocked / "searches" / f"{name}.lock", "it"),
        pytest.raises(RunHeldError, match=f"at work on the search {name}"),
    ):
        study.search(settings, TINY, minutes=10)
    assert not list((stocked / "searches").glob("*.db")), "nothing of the other's was touched"


def test_networks_that_are_too_slow_are_not_tried() -> None:
    latencies = {"yolo:nano@64": 5.0, "yolo:tiny@64": 50.0}
    assert within_budget(latencies, 20) == ["yolo:nano@64"]
    assert within_budget(latencies, None) == ["yolo:nano@64", "yolo:tiny@64"]
    with pytest.raises(TrainingError, match=r"yolo:nano@64, takes 5 ms"):
        within_budget(latencies, 1)


def test_only_input_sizes_that_a_network_takes_are_tried() -> None:
    wanted = TINY.model_copy(update={"input_sizes": (64, 100, 96)})
    assert candidates(wanted) == ["yolo:nano@64", "yolo:nano@96"]
    with pytest.raises(TrainingError, match="100"):
        candidates(TINY.model_copy(update={"input_sizes": (100,)}))
    with pytest.raises(TrainingError, match="no size 'huge'"):
        candidates(TINY.model_copy(update={"networks": ("yolo:huge",)}))


def test_a_trials_parameters_become_settings_of_a_run() -> None:
    params = {"network": "retinanet:mobilenet@320", "learning_rate": 2.0, "weight_decay": 0.05, "mosaic": 0.1}
    run = settings_of(params, TINY)
    assert (run.detector, run.size, run.input_size) == ("retinanet", "mobilenet", 320)
    assert run.learning_rate == pytest.approx(2 * 2e-4)
    assert (run.weight_decay, run.augmentation.mosaic, run.epochs) == (0.05, 0.1, 1)


def test_the_winner_learns_from_val_and_never_from_test(stocked: Path) -> None:
    store = DatasetStore(Settings(home=stocked).dataset_store_url)
    before = store.get("latest")
    after = with_more_to_learn_from(store, before)
    assert store.get("latest").id == before.id != after.id
    assert with_more_to_learn_from(store, before).id == after.id
    ids = {split: {one.photo_id for one in before.photos(split)} for split in ("train", "val", "test")}
    now = {split: {one.photo_id for one in after.photos(split)} for split in ("train", "val", "test")}
    assert now["test"] == ids["test"]
    assert now["train"] > ids["train"] and now["train"] | now["val"] == ids["train"] | ids["val"]
    assert now["val"] and not {one.vehicle for one in after.photos("val")} & {
        one.vehicle for one in after.photos("train")
    }
    assert len(now["val"]) < len(ids["val"]) / 2


def test_the_winner_is_trained_and_registered_once(stocked: Path) -> None:
    settings = Settings(home=stocked)
    found = study.search(settings, TINY.model_copy(update={"trials": 1}), minutes=10)
    number = train_winner(settings, found, epochs=1)
    assert train_winner(settings, found, epochs=1) == number
    [version] = Registry(settings).versions()
    assert str(version.number) == number
    assert version.spec.dataset_version != found.dataset


@pytest.mark.slow
def test_two_processes_search_from_the_command_line(stocked: Path) -> None:
    options = ("--network", "yolo:nano", "--input-size", "64", "--folds", "2", "--trials", "2", "--epochs", "1")
    done = dentwatch("search", *options, "--weights", "none", "--workers", "2", "--no-winner", "--json", home=stocked)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert len(document["trials"]) in (2, 3)  # both may begin the last one
    assert document["model"] is None and document["trials"][0]["ap50"] is not None
