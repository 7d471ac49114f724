"""Quality limits are where a model starts to lose what it finds, measured on photos made worse step by step."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from serving.command import dentwatch
from serving.rectangles import Rectangle, as_photo, rectangle_graph, rectangles_rgb, write_bundle
from test_degradation import STREET

from dentwatch.data.degradation import DEGRADATIONS
from dentwatch.data.statistics import photo_statistics
from dentwatch.data.synthetic import render
from dentwatch.errors import DataError
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.records.quality_limits import QualityLimit, QualityLimits, QualityReason
from dentwatch.serving.detector import Detector
from dentwatch.serving.models import starter
from dentwatch.serving.quality_gate import DEFAULT_LIMITS, QualityGate
from dentwatch.training.evaluation.degraded_recall import DegradedRecall, Look, look_at
from dentwatch.training.evaluation.intervals import draw
from dentwatch.training.evaluation.quality_limits import QualityMeasurement, choose_limits, measure_quality_limits

# The model boxes pure red and green. With a stop less light full red is 188 and full green as well: both reach their
# thresholds of 0.5 and 0.7. Two stops leave 137, which is a scratch but no dent; three leave 99, which is nothing.
SCRATCH: Rectangle = ("scratch", 30, 40, 90, 60)
DENT: Rectangle = ("dent", 150, 120, 80, 100)
VEHICLES = 8


def write_photos(store: PhotoStore, count: int = VEHICLES) -> list[PhotoRecord]:
    """One photo per vehicle, on grounds from dark to middle grey."""
    records = []
    for number in range(count):
        rgb = rectangles_rgb(256, 256, SCRATCH, DENT)
        rgb[(rgb == 90).all(axis=-1)] = 60 + 5 * number
        marks = tuple(Annotation(label, Box(*box)) for label, *box in (SCRATCH, DENT))
        photo_id = store.put(as_photo(rgb))
        records.append(PhotoRecord(photo_id, f"{number}.png", f"car {number}", "val", 256, 256, True, marks))
    return records


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DENTWATCH_HOME with these photos and the model."""
    home = tmp_path_factory.mktemp("home")
    DatasetStore(str(home / "datasets")).write(write_photos(PhotoStore(str(home / "photos"))))
    write_bundle(home / "model", rectangle_graph())
    return home


@pytest.fixture(scope="module")
def measured(place: Path) -> QualityMeasurement:
    return measure_quality_limits(
        ModelBundle.load(place / "model"),
        DatasetStore(str(place / "datasets")).get("latest"),
        PhotoStore(str(place / "photos")),
        most_refused=0.0,
        resamples=40,
        degradations=[way for way in DEGRADATIONS if way.kind in ("low_light", "downscale")],
    )


def limit_of(limits: tuple[QualityLimit, ...], reason: QualityReason) -> QualityLimit:
    [limit] = [limit for limit in limits if limit.reason == reason]
    return limit


def test_each_step_costs_what_it_must(measured: QualityMeasurement) -> None:
    dark = {step.amount: step.retained.value for step in measured.steps if step.kind == "low_light"}
    assert measured.limits.recall == 1.0
    assert dark == {1: 1.0, 2: 0.5, 3: 0.0, 4: 0.0, 5: 0.0, 6: 0.0, 7: 0.0}
    small = [step for step in measured.steps if step.kind == "downscale"]
    assert all(step.retained.value == 1.0 for step in small)  # large rectangles survive any size


def test_the_limit_lies_between_the_last_good_step_and_the_first_bad_one(measured: QualityMeasurement) -> None:
    limit = limit_of(measured.limits.limits, "too_dark")
    assert limit.set_by == "recall"
    assert limit.false_refusals == 0.0
    assert limit.within.value is not None
    assert limit.within.value >= measured.limits.tolerance
    assert limit.beyond.value is not None
    assert limit.beyond.value < 0.2
    unreliable = {step.amount: step.unreliable for step in measured.steps if step.kind == "low_light"}
    assert unreliable[1] == 0.0
    assert unreliable[3] == 1.0


def test_what_costs_nothing_gets_no_limit(measured: QualityMeasurement) -> None:
    assert {limit.reason for limit in measured.limits.limits} == {"too_dark"}


def test_the_card_says_what_was_measured(measured: QualityMeasurement, place: Path) -> None:
    limits = measured.limits
    assert limits.model == ModelBundle.load(place / "model").name
    assert limits.dataset_version == DatasetStore(str(place / "datasets")).get("latest").id
    assert (limits.photos, limits.vehicles, limits.truths) == (VEHICLES, VEHICLES, 2 * VEHICLES)
    assert limits.false_refusals == 0.0


def test_the_same_seed_gives_the_same_looks(place: Path) -> None:
    photos = PhotoStore(str(place / "photos"))
    records = list(DatasetStore(str(place / "datasets")).get("latest").photos())[:2]
    detector = Detector(ModelBundle.load(place / "model"))
    once, again = (look_at(detector, records, photos, seed=3) for _ in range(2))
    assert once == again


# Looks with known answers


def look(vehicle: int, luma: float, found: int, amount: float = 0.0) -> Look:
    """A photo with four damages of mean luma ``luma``; ``amount`` 0 is one as taken."""
    photo = PhotoRecord("0" * 64, "photo.jpg", f"car {vehicle}", "val", 640, 480, True)
    statistics = replace(photo_statistics(STREET), luma_mean=luma)
    return Look(photo, "low_light" if amount else None, amount, statistics, 4, dict.fromkeys((0.3, 0.5), found))


def looks(dimmest: float = 100.0) -> DegradedRecall:
    """Twenty vehicles: as taken from ``dimmest`` up, then darker; from luma 50 on half of what was found is lost."""
    made = []
    for vehicle in range(20):
        luma = dimmest + 2 * vehicle
        made.append(look(vehicle, luma, 4))
        for step in range(1, 9):
            darker = luma - 12 * step
            made.append(look(vehicle, darker, 4 if darker >= 50 else 2, step))
    return DegradedRecall(made)


def choose(recall: DegradedRecall, **options: float) -> tuple[QualityLimit, ...]:
    return choose_limits(recall, draw(recall.vehicles, 40), **options)


def test_a_known_limit_is_found() -> None:
    limit = limit_of(choose(looks()), "too_dark")
    assert limit.limit == pytest.approx(50, abs=2)
    assert limit.low is not None
    assert limit.high is not None
    assert limit.low <= limit.limit <= limit.high
    assert limit.beyond.value == 0.5
    assert limit.within.value == 1.0


def test_a_loss_within_the_tolerance_sets_no_limit() -> None:
    assert choose(looks(), tolerance=0.4) == ()


def test_a_limit_gives_way_before_it_refuses_too_many_ordinary_photos() -> None:
    """Two ordinary photos here are as dark as degraded ones in which half is lost; the limit says which side won."""
    recall = looks(dimmest=46.0)
    limit = limit_of(choose(recall, most_refused=0.0), "too_dark")
    assert limit.set_by == "false_refusals"
    assert limit.limit == 46.0
    assert limit.false_refusals == 0.0
    open_handed = limit_of(choose(recall, most_refused=1.0), "too_dark")
    assert open_handed.limit == pytest.approx(50, abs=2)


def test_a_model_that_finds_nothing_has_no_limits() -> None:
    with pytest.raises(DataError, match="finds none of the 80 damages"):
        DegradedRecall([look(vehicle, 100, 0) for vehicle in range(20)])


# The command, and what ships


def test_the_command_writes_limits_that_the_service_reads(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENTWATCH_HOME", str(place))
    model = place / "model"
    ran = dentwatch("quality", "--model", model, "--photos", "5", "--out", model / "quality.json", "--json")
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    written = QualityGate.of(ModelBundle.load(model)).limits
    assert QualityLimits.model_validate(document["limits"]) == written
    assert written.photos == 5
    assert len(document["steps"]) == sum(len(way.amounts) for way in DEGRADATIONS)


def test_what_the_shipped_limits_promise_holds_on_other_photos(tmp_path: Path) -> None:
    """Sixteen photos that the limits have not seen, as they are and made worse: recall falls where the gate says so."""
    store, records = PhotoStore(str(tmp_path)), []
    for index in range(16):
        made = render(seed=99, index=2 * index, size=640)
        photo_id = store.put(as_photo(made.rgb))
        records.append(
            PhotoRecord(photo_id, f"{index}.png", made.vehicle, "val", 640, 640, True, tuple(made.annotations))
        )
    few = [
        replace(way, amounts=(way.amounts[2], way.amounts[-1]))
        for way in DEGRADATIONS
        if way.kind in ("low_light", "defocus", "downscale")
    ]
    found = look_at(Detector(starter()), records, store, degradations=few)
    recall = DegradedRecall(found)
    gate = QualityGate(QualityLimits.load(DEFAULT_LIMITS))
    reliable = np.array([gate.check(one.statistics).reliable for one in found])
    draws = draw(recall.vehicles, 40)
    kept, refused = recall.retained(reliable, draws).value, recall.retained(~reliable, draws).value
    assert kept is not None
    assert refused is not None
    assert refused < gate.limits.tolerance < kept
    assert (~reliable[recall.taken]).mean() <= 0.1
