"""Remedies compete by measurement, and the best one wins only where it truly helps."""

from pathlib import Path

import numpy as np
import pytest
import tiny_model
from drifts import NOW, drifted
from rectangles import as_photo
from safetensors.torch import save_file
from training.plain_detector import PlainDetector

from dentwatch import settings
from dentwatch.data.statistics import photo_statistics
from dentwatch.loop import remedies
from dentwatch.loop.photo_rules import stricter_rules
from dentwatch.loop.remedies import Tried, best_enhancement, compete
from dentwatch.loop.remedy_candidates import Scene, brightened, enlarged
from dentwatch.loop.steps import Bench, Done, Step
from dentwatch.monitoring import incidents
from dentwatch.records import admission
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.database import Database
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import WEIGHTS_NAME, Adaptation, ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.records.quality_limits import QUALITY_NAME, QualityLimits
from dentwatch.serving.models import resolve
from dentwatch.serving.quality_gate import DEFAULT_LIMITS, QualityGate
from dentwatch.training import gate

DARK = Adaptation(incident="1", cause="dark", way="under-exposure", amount=3.0, slice="all")
NOTHING = Tried("nothing", 0.2, 0.5)


def won(*others: Tried) -> str | None:
    ranked = remedies._ranked([NOTHING, *others], gain=1, loss=5)
    return ranked[0].name if ranked else None


def test_the_most_recall_wins() -> None:
    assert won(Tried("gamma", 0.25, 0.5), Tried("exposure", 0.3, 0.48), Tried("clahe", 0.28, 0.6)) == "exposure"


@pytest.mark.parametrize(
    "poor",
    [
        Tried("hardly better", 0.205, 0.6),
        Tried("often wrong", 0.4, 0.4),
        Tried("worse on photos as taken", 0.4, 0.5, lost=1.2),
    ],
)
def test_one_that_gains_too_little_or_costs_too_much_does_not(poor: Tried) -> None:
    assert won(poor) is None
    assert "Nothing helps" in remedies.said([NOTHING, poor], None)


@pytest.fixture
def champion(home: Path, tmp_path: Path) -> ModelBundle:
    """A model that sees no scratch in the dark, and val photos with scratches."""
    store = PhotoStore(settings.load().photo_store_url)
    marks = (Annotation("scratch", Box.from_xyxy(*tiny_model.BOX)),)
    dataset = DatasetStore(settings.load().dataset_store_url).write(
        PhotoRecord(
            store.put(as_photo(np.full((64, 64, 3), (210 + n, 60, 60), np.uint8))),
            f"{n}.png",
            f"car {n}",
            "val",
            64,
            64,
            True,
            marks,
        )
        for n in range(12)
    )
    return tiny_model.write_bundle(
        tmp_path / "champion", thresholds={"scratch": 0.6, "dent": 0.95}, dataset_version=dataset.id
    )


def bench() -> Bench:
    loaded = settings.load()
    # The time of the tiny model is nothing: whatever is done to a photo beforehand takes several times as long.
    loop = loaded.loop.model_copy(update={"latency_ratio": 1000})
    return Bench(loaded.model_copy(update={"loop": loop}), Database.of(loaded), lambda *_: None)


def test_people_are_asked_only_where_nothing_else_helps() -> None:
    rule = Tried("the photo rule too dark (luma_mean below 61)", 0.6, 0.5, asked_again=0.25)
    assert won(Tried("gamma", 0.25, 0.5), rule) == "gamma"
    assert won(Tried("gamma", 0.2, 0.5), rule) == rule.name
    text = remedies.said([NOTHING, Tried("gamma", 0.2, 0.5), rule], rule)
    assert text == (
        "Of 2 remedies none helps but the photo rule too dark (luma_mean below 61): it asks for 25 % of drifted photos "
        "again, and recall on the others is 60.0 % instead of 20.0 %."
    )


def test_brightening_wins_where_darkness_is_all_that_is_wrong(champion: ModelBundle) -> None:
    how = best_enhancement(bench(), champion, DARK)
    assert how is not None
    assert how.below < 114  # photos as taken stay as they are


def test_one_that_takes_longer_than_the_gate_allows_leaves_it_to_the_next(
    champion: ModelBundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder in ("any", "fast", "slow"):
        (tmp_path / folder).mkdir()
    best = compete(bench(), champion, DARK, tmp_path / "any", brightened).winner
    assert best is not None
    asked: list[ModelBundle] = []

    def relative_time(_champion: ModelBundle, bundle: ModelBundle, *_: object) -> float:
        asked.append(bundle)
        return 901.0 if len(asked) == 1 else 900.0  # 1000 are allowed, and a tenth is left to the gate's measurement

    monkeypatch.setattr(gate, "relative_time", relative_time)
    outcome = compete(bench(), champion, DARK, tmp_path / "fast", brightened)
    assert outcome.winner is not None and outcome.winner.name != best.name
    assert outcome.version is asked[1]
    assert sorted(one.slowness for one in outcome.tried if one.slowness) == [900.0, 901.0]
    assert f"{best.name} takes 901.00 times the time." in remedies.said(outcome.tried, outcome.winner)

    monkeypatch.setattr(gate, "relative_time", lambda *_: 950.0)
    outcome = compete(bench(), champion, DARK, tmp_path / "slow", brightened)
    assert outcome.winner is None and outcome.version is None
    assert "in 950.00 times the time" in remedies.said(outcome.tried, None)


def competed(
    champion: ModelBundle, drift: Adaptation, monkeypatch: pytest.MonkeyPatch
) -> tuple[Done, ModelBundle | None]:
    """How the remedies for an incident compete whose drift was measured, and the model version that wins."""
    monkeypatch.setattr(remedies, "resolve", lambda _ref, _settings: champion)
    on = bench()
    incident = drifted(on.database, "drift")
    harm = {"way": drift.way, "amount": drift.amount, "share": drift.share}
    with on.database.writing() as connection:
        incidents.assess(connection, incident, harm, "drift")
    cause = {"incident": incident.id}
    step = Step(1, "remedy/1", "remedy", incident.id, cause, "running", 1, NOW, NOW, NOW, None, None, None)
    done = remedies.remedy(on, step)
    number = done.result["model"]
    return done, None if number is None else resolve(number, on.settings)


def without_limits(champion: ModelBundle) -> ModelBundle:
    """The champion with quality limits of its own that let every photo pass, however flat."""
    QualityLimits.load(DEFAULT_LIMITS).model_copy(update={"limits": ()}).save(champion.folder / QUALITY_NAME)
    return champion


def test_photo_rules_ask_for_the_dark_photos_again_where_brightening_does_not_help(
    champion: ModelBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remedies, "brightened", lambda _scene: [])
    monkeypatch.setenv("DENTWATCH_LOOP__MOST_ASKED_AGAIN", "0.5")
    some = DARK.model_copy(update={"share": 0.3})
    done, version = competed(without_limits(champion), some, monkeypatch)
    assert "none helps but the photo rule too dark" in done.result["text"]
    assert version is not None
    assert version.spec.asks_again
    assert version.spec.thresholds == champion.spec.thresholds
    gate = QualityGate.of(version)
    assert not gate.check(photo_statistics(np.full((64, 64, 3), (70, 20, 20), np.uint8))).reliable
    assert gate.check(photo_statistics(np.full((64, 64, 3), (215, 60, 60), np.uint8))).reliable
    assert "are not relied on (too_dark)" in version.card_path.read_text(encoding="utf-8")
    assert [ask.kind for ask in done.then] == ["gate"]


def test_where_all_photos_are_dark_nobody_is_asked_for_all_of_them(
    champion: ModelBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remedies, "brightened", lambda _scene: [])
    done, version = competed(without_limits(champion), DARK, monkeypatch)
    assert version is None
    assert "Nothing helps" in done.result["text"]
    assert all(one["asked_again"] <= settings.load().loop.most_asked_again for one in done.result["tried"])


def test_a_cause_of_which_no_rule_speaks_has_no_remedy(champion: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    compressed = DARK.model_copy(update={"cause": "compressed", "way": "JPEG", "amount": 20.0})
    scene = Scene(champion, compressed, (), *(PhotoStore(settings.load().photo_store_url),) * 2, 10**8)
    assert [*brightened(scene), *enlarged(scene, 1.2)] == []
    assert list(stricter_rules(champion, "compressed", (), (), 0.3)) == []
    assert "No remedy is known" in remedies.said([NOTHING], None)


def test_rules_that_are_strict_enough_already_are_left_alone(champion: ModelBundle) -> None:
    dark, light = (photo_statistics(np.full((64, 64, 3), value, np.uint8)) for value in (60, 200))
    taken, drifted_ones = [light] * 20, [dark] * 6 + [light] * 14
    [first, *_] = stricter_rules(without_limits(champion), "dark", taken, drifted_ones, 0.3)
    first.limits.save(champion.folder / QUALITY_NAME)
    assert not [one for one in stricter_rules(champion, "dark", taken, drifted_ones, 0.3) if one.limit == first.limit]


@pytest.mark.parametrize(("ratio", "sizes"), [(1.2, []), (1.6, ["an input of 80 pixels"])])
def test_a_larger_input_is_as_large_as_the_time_allows(
    champion: ModelBundle, ratio: float, sizes: list[str], tmp_path: Path
) -> None:
    network = PlainDetector("only", ("scratch", "dent"), 64)
    save_file(network.state_dict(), champion.folder / WEIGHTS_NAME)
    own = tiny_model.write_bundle(champion.folder, detector="plain", size="only")
    store = PhotoStore(settings.load().photo_store_url)
    records = list(DatasetStore(settings.load().dataset_store_url).get("latest").photos("val"))
    found = enlarged(Scene(own, DARK, records, store, store, 10**8), ratio)
    assert [one.name for one in found] == sizes
    for number, candidate in enumerate(found):
        folder = tmp_path / str(number)
        folder.mkdir()
        version = candidate.make(folder)
        assert candidate.everywhere
        assert version.spec.preprocessing.input_size == 80
        assert version.fingerprint != own.fingerprint
        admission.check(version)
