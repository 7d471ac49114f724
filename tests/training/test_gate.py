"""What a challenger must show before it may answer anybody, with real models whose answers are known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_model
from rectangles import as_photo

from dentwatch import settings
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.datasets import DatasetStore, DatasetVersion
from dentwatch.records.model_bundle import NOT_STATED, Adaptation, ModelBundle, Rights
from dentwatch.records.photos import PhotoStore
from dentwatch.training.evaluation.evaluator import evaluate_bundle, judge
from dentwatch.training.evaluation.result import EvaluationResult
from dentwatch.training.gate import Ruling, Seen, rule

VEHICLES = 10
ELSEWHERE = (44.0, 2.0, 60.0, 14.0)
RED, BLUE = (240, 20, 20), (20, 20, 240)
TOLERANCES = {"tolerated_loss": 1, "latency_ratio": 1.2, "most_asked_again": 0.3, "require_rights": False}


@pytest.fixture
def store(home: Path) -> PhotoStore:
    return PhotoStore(settings.load().photo_store_url)


def dataset_of(store: PhotoStore, dim: bool = False) -> DatasetVersion:
    """Test photos: a red one with a scratch and a blue one with a dent of each vehicle, where the model boxes."""

    def records() -> Any:
        for vehicle in range(VEHICLES):
            for label, colour in (("scratch", RED), ("dent", BLUE)):
                shade = [part // 4 if dim else part for part in colour]
                data = as_photo(np.full((64, 64, 3), shade, np.uint8) + np.uint8(vehicle))
                marks = (Annotation(label, Box.from_xyxy(*tiny_model.BOX)),)
                name = f"{vehicle} {label}.png"
                yield PhotoRecord(store.put(data), name, f"car {vehicle}", "test", 64, 64, True, marks)

    return DatasetStore(settings.load().dataset_store_url).write(records())


@pytest.fixture
def judged(store: PhotoStore, tmp_path: Path) -> Callable[..., Ruling]:
    """The ruling about a challenger like the champion but for ``changes``."""
    usual = tiny_model.write_bundle(tmp_path / "champion")

    def judge(
        challenger: ModelBundle | None = None,
        *,
        slowness: float = 1.0,
        drifted: bool = False,
        require_rights: bool = False,
        champion: ModelBundle | None = None,
        **changes: Any,
    ) -> Ruling:
        champion = champion or usual
        challenger = challenger or tiny_model.write_bundle(tmp_path / "challenger", **changes)

        def seen(dataset: DatasetVersion) -> Seen:
            return Seen(
                *(
                    evaluate_bundle(one, dataset, store, "test", labels=("scratch", "dent"), latency=False)
                    for one in (champion, challenger)
                )
            )

        dark = seen(dataset_of(store, dim=True)) if drifted else None
        taken = seen(dataset_of(store))
        return rule(champion, challenger, taken, dark, slowness, **{**TOLERANCES, "require_rights": require_rights})

    return judge


def broken(ruling: Ruling) -> set[str]:
    return {one.name for one in ruling.rules if not one.passed}


def test_an_equal_passes(judged: Callable[..., Ruling]) -> None:
    ruling = judged()
    assert (ruling.passed, broken(ruling)) == (True, set())
    assert "passed the gate" in ruling.text


def test_one_that_learnt_shuffled_labels_does_not(judged: Callable[..., Ruling], tmp_path: Path) -> None:
    swapped = tiny_model.write_bundle(tmp_path / "swapped", labels=("dent", "scratch"))
    assert {"ap50", "f1", "ap50_scratch", "ap50_dent"} <= broken(judged(swapped))


def test_one_that_boxes_elsewhere_does_not(judged: Callable[..., Ruling]) -> None:
    ruling = judged(model=tiny_model.network(ELSEWHERE))
    assert {"ap50", "finds scratch", "finds dent"} <= broken(ruling)
    assert "did not pass the gate" in ruling.text


def test_one_that_answers_nothing_does_not(judged: Callable[..., Ruling]) -> None:
    assert {"f1", "finds scratch", "finds dent"} <= broken(judged(thresholds={"scratch": 1.0, "dent": 1.0}))


def test_one_that_lost_a_label_does_not(judged: Callable[..., Ruling]) -> None:
    ruling = judged(labels=("scratch", "other"), thresholds={"scratch": 0.3, "other": 0.4})
    assert {"labels", "finds dent", "ap50_dent"} <= broken(ruling)


def test_one_without_a_licence_does_not(judged: Callable[..., Ruling]) -> None:
    assert broken(judged(rights=())) == {"admission"}


@pytest.mark.parametrize(
    ("consents", "required", "passes"),
    [
        ({"owner agreed": 40}, True, True),
        ({"owner agreed": 30, "": 10}, True, False),
        ({"owner agreed": 30, "": 10}, False, True),
        ({}, True, False),
        ({}, False, True),
    ],
)
def test_consent_is_recorded_and_where_it_is_required_none_may_be_missing(
    judged: Callable[..., Ruling], consents: dict[str, int], required: bool, passes: bool
) -> None:
    ruling = judged(consents=consents, require_rights=required)
    assert broken(ruling) == (set() if passes else {"consent"})
    told = next(one.text for one in ruling.rules if one.name == "consent")
    said = f"{sum(consents.values()) - consents.get('', 0)} of {sum(consents.values())} photos"
    assert told.startswith(said if consents else "It does not say")
    assert all(f"{name or 'none stated'} {count}" in told for name, count in consents.items())
    assert ("ingest them again with --licence and --consent" in told) is not passes


def test_where_rights_are_required_photos_state_a_licence_too(judged: Callable[..., Ruling]) -> None:
    rights = (Rights(name="photos and annotations", licence=NOT_STATED), Rights(name="weights", licence="Apache-2.0"))
    of_all = {"rights": rights, "consents": {"owner agreed": 40}}
    assert broken(judged(**of_all)) == set()
    assert broken(judged(**of_all, require_rights=True)) == {"consent"}


def test_one_whose_file_is_not_the_trained_network_does_not(judged: Callable[..., Ruling]) -> None:
    assert broken(judged(parity={"boxes": 9.0, "scores": 1e-6})) == {"admission"}


def test_one_that_is_slow_does_not(judged: Callable[..., Ruling]) -> None:
    assert broken(judged(slowness=1.3)) == {"latency"}


def test_what_was_called_for_must_be_better_there(judged: Callable[..., Ruling]) -> None:
    assert broken(judged(drifted=True)) == {"recall on drifted photos"}
    keener = judged(drifted=True, thresholds={"scratch": 0.2, "dent": 0.2})
    recall = next(one for one in keener.rules if one.name == "recall on drifted photos")
    assert recall.passed
    assert recall.figure == 1.0


def test_what_was_won_there_has_to_be_kept(judged: Callable[..., Ruling], tmp_path: Path) -> None:
    dark = Adaptation(incident="1", cause="dark", way="under-exposure", amount=2.0, slice="all")
    equal = tiny_model.write_bundle(tmp_path / "equal", adapted_to=dark)
    assert broken(judged(equal, drifted=True)) == {"recall on drifted photos"}, "it was called for and brings nothing"
    tiny_model.write_bundle(tmp_path / "champion", adapted_to=dark, thresholds={"scratch": 0.2, "dent": 0.2})
    keen = tiny_model.write_bundle(tmp_path / "keen", adapted_to=dark, thresholds={"scratch": 0.2, "dent": 0.2})
    champion = ModelBundle.load(tmp_path / "champion")
    assert broken(judged(keen, drifted=True, champion=champion)) == set()
    assert "recall on drifted photos" in broken(judged(equal, drifted=True, champion=champion))


def test_the_document_names_every_rule(judged: Callable[..., Ruling]) -> None:
    ruling = judged()
    document = ruling.as_document()
    assert [one["name"] for one in document["rules"]] == [one.name for one in ruling.rules]
    assert document["passed"] is True


def test_without_damages_to_judge_by_nothing_passes(store: PhotoStore, tmp_path: Path) -> None:
    champion, challenger = (tiny_model.write_bundle(tmp_path / name) for name in ("champion", "challenger"))
    rgb = np.full((64, 64, 3), 90, np.uint8)
    clean = [
        PhotoRecord(store.put(as_photo(rgb + np.uint8(n))), f"{n}.png", f"car {n}", "test", 64, 64, True)
        for n in range(VEHICLES)
    ]
    dataset = DatasetStore(settings.load().dataset_store_url).write(clean)
    labels = ("scratch", "dent")
    one, two = (
        evaluate_bundle(m, dataset, store, "test", labels=labels, latency=False) for m in (champion, challenger)
    )
    ruling = rule(champion, challenger, Seen(one, two), None, 1.0, **TOLERANCES)
    assert "evidence" in broken(ruling)


def asked_again(result: EvaluationResult, photos: set[str]) -> EvaluationResult:
    """The evaluation as if the model's photo rules had refused ``photos``."""
    outcomes = [
        replace(one, photo=replace(one.photo, annotations=()), detections=(), asked_again=True)
        if one.photo.photo_id in photos
        else one
        for one in result.outcomes()
    ]
    facts = {"labels": result.labels, "thresholds": result.thresholds, "bootstrap": result.bootstrap}
    return judge(outcomes, result.model, result.dataset.version, "test", **facts)


@pytest.mark.parametrize(("count", "passes"), [(6, True), (7, False)])
def test_photo_rules_may_ask_for_a_few_photos_again(
    store: PhotoStore, tmp_path: Path, count: int, passes: bool
) -> None:
    """The champion misses what the dim photos show; rules that ask for those again are judged by the others."""
    champion, challenger = (tiny_model.write_bundle(tmp_path / name) for name in ("champion", "challenger"))
    dim = list(dataset_of(store, dim=True).photos("test"))[:count]
    normal = list(dataset_of(store).photos("test"))[count:]
    dataset = DatasetStore(settings.load().dataset_store_url).write([*dim, *normal])
    seen = evaluate_bundle(champion, dataset, store, "test", labels=("scratch", "dent"), latency=False)
    stricter = asked_again(seen, {one.photo_id for one in dim})
    ruling = rule(champion, challenger, Seen(seen, seen), Seen(seen, stricter), 1.0, **TOLERANCES)
    assert broken(ruling) == (set() if passes else {"asked again"})
    recall = next(one for one in ruling.rules if one.name == "recall on drifted photos")
    assert recall.passed
