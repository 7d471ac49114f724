"""What a retraining trains on, and that it waits for a run that another process is at work on."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_model
from drifts import NOW, drifted

from dentwatch import settings
from dentwatch.errors import RunHeldError
from dentwatch.loop import retraining, selection
from dentwatch.loop.steps import Again, Bench, Done, Step
from dentwatch.monitoring import incidents
from dentwatch.records.database import Database
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import Adaptation
from dentwatch.training.run_folder import RunFolder, RunRecord
from dentwatch.training.run_settings import RunSettings

DARK = Adaptation(incident="an earlier one", cause="dark", way="under-exposure", amount=2.0, slice="all")


@pytest.fixture
def bench(home: Path) -> Iterator[Bench]:
    loaded = settings.load()
    with closing(Database.of(loaded)) as database:
        yield Bench(loaded, database, lambda *_: None)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Adaptation | None]:
    """The drifts that trainings were asked for; nothing is trained."""
    drifts: list[Adaptation | None] = []

    def train(_bench: Bench, step: Step, drift: Adaptation | None) -> RunRecord:
        drifts.append(drift)
        run = RunSettings(adapt_to=drift)
        return RunRecord(
            name=retraining.run_name(step),
            dataset_version="5d1f00aa33bb",
            settings=run,
            commit="",
            started_at="",
            model_version="7",
        )

    monkeypatch.setattr(retraining, "_train", train)
    return drifts


def step(subject: str) -> Step:
    return Step(3, f"retrain/{subject}", "retrain", subject, {}, "running", 1, NOW, NOW, NOW, None, None, None)


def champion(folder: Path, monkeypatch: pytest.MonkeyPatch, adapted_to: Adaptation | None) -> None:
    bundle = tiny_model.write_bundle(folder / "champion", adapted_to=adapted_to)
    monkeypatch.setattr(retraining, "resolve", lambda _ref, _settings: bundle)


@pytest.mark.parametrize("adapted_to", [None, DARK, DARK.model_copy(update={"asked_again": 0.2})])
def test_new_photos_do_not_undo_what_the_champion_was_made_for(
    bench: Bench,
    asked: list[Adaptation | None],
    adapted_to: Adaptation | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    champion(tmp_path, monkeypatch, adapted_to)
    done = retraining.retrain(bench, step("dataset/5d1f00aa33bb"))
    assert asked == [None if adapted_to is None else DARK], "photo rules are the old model's"
    assert isinstance(done, Done)
    assert ("on photos made dark as well" in done.result["text"]) is (adapted_to is not None)
    assert [ask.kind for ask in done.then] == ["gate"]


def test_as_many_networks_are_trained_as_the_champion_has(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RunSettings] = []

    def train(_settings: object, run: RunSettings, dataset: str, *, name: str, **_: object) -> object:
        asked.append(run)
        made = RunRecord(name=name, dataset_version=dataset, settings=run, commit="", started_at="", model_version="7")
        return SimpleNamespace(record=made)

    bundle = tiny_model.write_bundle(tmp_path / "champion", detector="yolo-lite", size="lite0", members=3)
    monkeypatch.setattr(retraining, "resolve", lambda _ref, _settings: bundle)
    monkeypatch.setattr("dentwatch.training.run.train", train)
    DatasetStore(bench.settings.dataset_store_url).write([])
    retraining.retrain(bench, step("dataset/5d1f00aa33bb"))
    assert [(run.detector, run.size, run.members) for run in asked] == [("yolo-lite", "lite0", 3)]


def test_a_run_that_was_begun_says_what_it_learnt_from_whoever_serves_now(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion(tmp_path, monkeypatch, None)
    asked = step("dataset/5d1f00aa33bb")
    RunFolder(bench.settings.home / "runs" / retraining.run_name(asked)).save(
        RunRecord(
            name=retraining.run_name(asked),
            dataset_version="5d1f00aa33bb",
            settings=RunSettings(adapt_to=DARK),
            commit="",
            started_at="",
            model_version="7",
        )
    )
    done = retraining.retrain(bench, asked)
    assert isinstance(done, Done)
    assert "Model version 7 was trained" in done.result["text"]
    assert "on photos made dark as well" in done.result["text"]


def test_another_incident_counts_more(
    bench: Bench, asked: list[Adaptation | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion(tmp_path, monkeypatch, DARK)
    incident = drifted(bench.database, "critical")
    with bench.database.writing() as connection:
        harm = {"way": "low light with its noise", "amount": 3.0, "share": 1.0}
        incidents.assess(connection, incident, harm, "critical")
    retraining.retrain(bench, step(incident.id))
    assert [(drift.incident, drift.amount) for drift in asked if drift] == [(incident.id, 3.0)]


def test_while_another_process_trains_the_run_the_step_waits(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion(tmp_path, monkeypatch, None)
    asked = step("dataset/5d1f00aa33bb")
    folder = RunFolder(bench.settings.home / "runs" / retraining.run_name(asked))

    def held(*_: object) -> RunRecord:
        raise RunHeldError(f"Another process is at work on the run {folder.path.name}.")

    monkeypatch.setattr(retraining, "_train", held)
    again = retraining.retrain(bench, asked)
    assert again == Again(timedelta(minutes=1), {"why": f"Another process is at work on the run {folder.path.name}."})


def test_while_another_process_searches_the_step_waits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def held(*_: object, **__: object) -> None:
        raise RunHeldError("Another process (7) is at work on the search.")

    monkeypatch.setattr("dentwatch.training.search.study.search", held)
    again = selection.search(bench, replace(step("dataset/5d1f00aa33bb"), kind="search"))
    assert again == Again(timedelta(minutes=1), {"why": "Another process (7) is at work on the search."})
