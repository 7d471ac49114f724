"""Cross-validation: vehicles stay whole, parts are balanced, and what is done is not done again."""

import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dentwatch.errors import TrainingError
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.tracking import open_client
from dentwatch.settings import Settings
from dentwatch.training import cross_validation
from dentwatch.training.cross_validation import CrossValidation, cross_validate, split_by_vehicle
from dentwatch.training.fitting import LAST, Fitted, fit
from dentwatch.training.run_settings import RunSettings

SCRATCH = Annotation("scratch", Box(1, 2, 30, 4))


@st.composite
def _records(draw: st.DrawFn) -> list[PhotoRecord]:
    """Some photos of 6 to 20 vehicles with 0 to 5 damages each."""
    vehicles = draw(st.integers(6, 20))
    owners = [*range(vehicles), *draw(st.lists(st.integers(0, vehicles - 1), max_size=60))]
    damages = draw(st.lists(st.integers(0, 5), min_size=len(owners), max_size=len(owners)))
    return [
        PhotoRecord(f"{place:064x}", f"{place}.jpg", f"car {owner}", "train", 100, 80, True, (SCRATCH,) * count)
        for place, (owner, count) in enumerate(zip(owners, damages, strict=True))
    ]


@given(records=_records(), folds=st.integers(2, 6))
def test_every_vehicle_is_in_exactly_one_part_and_the_parts_are_balanced(
    records: list[PhotoRecord], folds: int
) -> None:
    parts = split_by_vehicle(records, folds)
    assert len(parts) == folds and all(parts)
    assert sorted(one.photo_id for part in parts for one in part) == sorted(one.photo_id for one in records)
    places = Counter(vehicle for part in parts for vehicle in {one.vehicle for one in part})
    assert set(places.values()) == {1}
    assert parts == split_by_vehicle(records, folds)
    # The heaviest first, always into the lightest part: two parts differ by one vehicle at most.
    load = [sum(1 + len(one.annotations) for one in part) for part in parts]
    vehicle: Counter[str] = Counter()
    for one in records:
        vehicle[one.vehicle] += 1 + len(one.annotations)
    assert max(load) - min(load) <= max(vehicle.values())


@pytest.mark.parametrize("folds", [0, 1, 7])
def test_more_folds_than_vehicles_or_fewer_than_two_are_refused(folds: int) -> None:
    records = [PhotoRecord(f"{n:064x}", str(n), f"car {n % 6}", "train", 9, 9, True) for n in range(12)]
    with pytest.raises(TrainingError, match=f"{folds} folds"):
        split_by_vehicle(records, folds)


def test_mean_and_spread_are_over_the_folds_that_have_a_figure() -> None:
    result = CrossValidation([{"ap50": 0.2, "ap50_dent": 0.5}, {"ap50": 0.4}], "")
    assert result.mean == {"ap50": pytest.approx(0.3), "ap50_dent": 0.5}
    assert result.spread == {"ap50": pytest.approx(statistics.stdev([0.2, 0.4])), "ap50_dent": 0.0}


def test_a_cross_validation_that_was_cut_off_goes_on_with_the_fold_it_was_in(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=stocked)
    run = RunSettings(input_size=64, epochs=1, batch_size=4, precision="32", loader_workers=0)
    folder = stocked / "runs" / "cv"

    def cut(network: Any, run: Any, train: Any, val: Any, place: Path, **options: Any) -> Fitted:
        if place.name == "fold-1":
            raise EOFError
        assert not {one.vehicle for one in train.records} & {one.vehicle for one in val.records}
        assert len(train.records) + len(val.records) == 22, "the photos of train and val, none of test"
        return fit(network, run, train, val, place, **options)

    monkeypatch.setattr(cross_validation, "fit", cut)
    with pytest.raises(EOFError):
        cross_validate(settings, run, 2, name="cv")
    monkeypatch.undo()
    first = (folder / "fold-0" / LAST).stat().st_mtime_ns
    result = cross_validate(settings, run, 2, name="cv")
    assert (folder / "fold-0" / LAST).stat().st_mtime_ns == first, "a fold that is done is not trained again"
    assert len(result.folds) == 2 and all("ap50" in fold for fold in result.folds)
    assert result.mean["ap50"] == pytest.approx(statistics.fmean(fold["ap50"] for fold in result.folds))
    logged = open_client(settings).get_run(result.tracking_run)
    assert logged.info.status == "FINISHED"
    for name in ("mean", "spread", "fold-0", "fold-1"):
        assert f"cv/ap50/{name}" in logged.data.metrics
