"""Detectors are armed with the champion's photos, else with its first traffic once that is enough."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from inspected import keep, vehicle
from rectangles import rectangle_graph, write_bundle

from dentwatch import settings
from dentwatch.monitoring import arming as arming_module
from dentwatch.monitoring.arming import WARM_UP_PHOTOS, Arming
from dentwatch.records.database import Database
from dentwatch.records.inspections import KeptInspection
from dentwatch.records.model_bundle import Adaptation, ModelBundle


@pytest.fixture
def bundle(tmp_path: Path) -> ModelBundle:
    return write_bundle(tmp_path / "model", rectangle_graph())


@pytest.fixture
def kept(home: Path) -> Iterator[Database]:
    with closing(Database.of(settings.load())) as database:
        yield database


class Clock:
    """Time that passes when it is asked to."""

    def __init__(self) -> None:
        self.now = 1.0

    def __call__(self) -> float:
        return self.now


def arming(database: Database, bundle: ModelBundle, clock: Clock) -> Arming:
    return Arming(settings.load(), database, str(bundle.folder), clock)


def answered(
    rng: np.random.Generator, bundle: ModelBundle, count: int, vehicle_id: str | None = None
) -> list[KeptInspection]:
    """So many inspections of two photos, which say whose they are only where that is given."""
    return [replace(vehicle(rng, 0), model=bundle.name, vehicle_id=vehicle_id) for _ in range(count)]


def test_it_warms_up_on_traffic_and_says_how_far_it_is(
    kept: Database, bundle: ModelBundle, rng: np.random.Generator
) -> None:
    clock = Clock()
    one = arming(kept, bundle, clock)
    keep(kept, *answered(rng, bundle, 100))
    one.look()
    assert one.monitors is None
    assert one.problem == f"Warming up on traffic: 200 of {WARM_UP_PHOTOS} photos of {bundle.name}."
    keep(kept, *answered(rng, bundle, WARM_UP_PHOTOS // 2 - 100))
    one.look()
    assert one.monitors is None  # it looks again after a while, not all the time
    clock.now += 60
    one.look()
    assert one.problem == ""
    assert one.monitors is not None
    assert one.monitors.key["photos"] == WARM_UP_PHOTOS


def test_photos_of_too_few_vehicles_do_not_arm_it_for_good_or_ill(
    kept: Database, bundle: ModelBundle, rng: np.random.Generator
) -> None:
    clock = Clock()
    one = arming(kept, bundle, clock)
    keep(kept, *answered(rng, bundle, WARM_UP_PHOTOS // 2, "the same car"))
    one.look()
    assert one.monitors is None
    assert "600 photos of 1 vehicles" in one.problem
    keep(kept, *answered(rng, bundle, 150))
    clock.now += 60
    one.look()
    assert one.monitors is not None
    assert one.monitors.key["vehicles"] == 151


def test_to_one_that_was_made_for_a_drift_its_own_traffic_is_normal_whoever_trained_it_again(
    kept: Database, bundle: ModelBundle, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    dark = Adaptation(incident="an earlier one", cause="dark", way="under-exposure", amount=2.0, slice="all")
    carried = ModelBundle.load(
        ModelBundle.write_spec(bundle.folder, bundle.spec.model_copy(update={"adapted_to": dark})).folder
    )
    monkeypatch.setattr(arming_module, "resolve", lambda *_: carried)
    monkeypatch.setattr(arming_module.Reference, "of_champion", lambda _: pytest.fail("photos as taken are no measure"))
    keep(kept, *answered(rng, carried, WARM_UP_PHOTOS // 2))
    one = Arming(settings.load(), kept, None, Clock())
    one.look()
    assert one.adapted_to == "an earlier one"
    assert one.monitors is not None
    assert one.monitors.reference.source == "traffic"


def test_a_restart_compares_with_the_same_traffic(
    kept: Database, bundle: ModelBundle, rng: np.random.Generator
) -> None:
    keep(kept, *answered(rng, bundle, WARM_UP_PHOTOS // 2))
    first = arming(kept, bundle, Clock())
    first.look()
    keep(kept, *answered(rng, bundle, 50))
    again = arming(kept, bundle, Clock())
    again.look()
    assert first.monitors is not None
    assert again.monitors is not None
    assert again.monitors.key == first.monitors.key
    state = first.monitors.state()
    again.monitors.restore(state)
    assert again.monitors.state() == state
