"""The starter model says how much its scores are worth, and how that was measured."""

import shutil
from pathlib import Path

from dentwatch.records.calibration import probability
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.models import starter
from dentwatch.settings import Settings
from dentwatch.training.starter_calibration import install, measure

COMMAND = "python -m dentwatch.training.starter_calibration"


def test_the_model_that_ships_is_calibrated_for_each_of_its_labels() -> None:
    spec = starter().spec
    assert spec.calibration.keys() == set(spec.labels)
    for label, threshold in spec.thresholds.items():
        (at_threshold, measured), (above, _) = (probability(spec.calibration, label, at) for at in (threshold, 0.9))
        assert measured
        assert 0.05 < at_threshold < above <= 1
    assert starter().card_path.read_text().count(f"- Calibration: `{COMMAND} --photos 480 --seed 7411`") == 1


def test_a_calibration_is_measured_and_put_into_the_model_and_its_card(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(starter().folder, folder)
    bundle = ModelBundle.load(folder)
    few = measure(Settings(home=tmp_path / "home"), bundle, photos=3, seed=1)
    assert few == {}  # three photos are too little for a curve
    for command in ("first", "second"):
        install(bundle, {"dent": ((0.1, 0.2), (0.8, 0.9))}, command)
    spec = ModelBundle.load(folder).spec
    assert spec.calibration == {"dent": ((0.1, 0.2), (0.8, 0.9))}
    assert spec == bundle.spec.model_copy(update={"calibration": spec.calibration})
    lines = bundle.card_path.read_text().splitlines()
    assert [line for line in lines if line.startswith("- Calibration")] == ["- Calibration: `second`"]
