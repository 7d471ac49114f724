"""From the gate to champion, over a real registry and a real database."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from sqlalchemy import func, insert, select, update

from dentwatch import settings
from dentwatch.errors import ModelError
from dentwatch.loop import guard, rollout, traffic_figures
from dentwatch.loop.steps import Again, Bench, Done, Step
from dentwatch.records import audit, model_failures, rollouts, tables
from dentwatch.records.database import Database
from dentwatch.records.loop_tables import model_failures as model_failures_table
from dentwatch.records.loop_tables import rollouts as rows
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.model_failures import FailedPhoto
from dentwatch.records.registry import Registry
from dentwatch.serving.live_models import LiveModels
from dentwatch.settings import Settings

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CHAMPION, CHALLENGER = "dentwatch/1", "dentwatch/2"


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    with closing(Database.of(settings.load())) as opened:
        yield opened


@pytest.fixture
def registry(home: Path, empty_tracking_database: Path, tmp_path: Path) -> Registry:
    """A champion, and a challenger that passed the gate."""
    home.mkdir(exist_ok=True)
    shutil.copy(empty_tracking_database, home)
    found = Registry(settings.load())
    for number, box in ((1, (8.0, 16.0, 40.0, 48.0)), (2, (4.0, 4.0, 60.0, 30.0))):
        found.register(_model(tmp_path / str(number), box))
        if number == 1:
            found.promote(1, "the first", "test")
    return found


def _model(folder: Path, box: tuple[float, float, float, float]) -> ModelBundle:
    return tiny_model.write_bundle(folder, model=tiny_model.network(box))


def bench(database: Database, **limits: Any) -> Bench:
    loaded: Settings = settings.load()
    few = {"shadow_photos": 40, "canary_photos": 40, "canary_share": 0.5, **limits}
    loop = loaded.loop.model_copy(update=few)
    return Bench(loaded.model_copy(update={"loop": loop}), database, lambda *_: None)


def step(kind: Any = "roll-out", result: dict[str, Any] | None = None, **cause: Any) -> Step:
    return Step(1, f"{kind}/2", kind, "2", cause, "running", 1, NOW, NOW, NOW, None, result, None)


def answer(database: Database, model: str, photos: int, *, ms: float = 20.0, boxes: int = 1, shadow: str = "") -> None:
    """Photos that ``model`` answered just now, each of an inspection of its own; ``shadow`` saw them, too."""
    with database.writing() as connection:
        for number in range(photos):
            name = f"{model}-{photos}-{number}"
            made = {"id": name, "created_at": datetime.now(UTC), "status": "done", "model": model, "attempts": 0}
            connection.execute(insert(tables.inspections).values(**made))
            photo = {"inspection_id": name, "position": 0, "photo_id": "0" * 64, "name": "a.jpg", "infer_ms": ms}
            connection.execute(insert(tables.inspection_photos).values(**photo))
            box = {"label": "dent", "score": 0.9, "x": 0, "y": 0, "width": 9, "height": 9}
            for place in range(1 if shadow else boxes):
                at = {"id": f"{name}/{place}"[-36:], "inspection_id": name, "position": 0, "number": place}
                connection.execute(insert(tables.detections).values(**at, **box))
            if shadow:
                seen = {"inspection_id": name, "position": 0, "model": shadow, "infer_ms": ms}
                connection.execute(insert(tables.shadow_answers).values(**seen, detections=[box] * boxes))


def promoted(registry: Registry, database: Database) -> Bench:
    """The challenger has become champion, and its rollout says so."""
    registry.promote(2, "it passed", "dentwatch")
    work = bench(database)
    rollout.roll_out(work, step(result={"champion": CHAMPION}, incident=None))
    return work


def stage(database: Database) -> str:
    with database.reading() as connection:
        return rollouts.existing(connection, CHALLENGER).stage


def test_it_goes_through_every_stage_and_serving_follows(registry: Registry, database: Database) -> None:
    live = LiveModels(settings.load(), database=database)
    live.refresh()
    assert live.challenger is None

    work = bench(database)
    assert isinstance(rollout.roll_out(work, step()), Again)
    live.refresh()
    assert (stage(database), live.shadow and live.shadow.model) == ("shadow", CHALLENGER)
    assert {live.answering(str(car)).model for car in range(40)} == {CHAMPION}

    answer(database, CHAMPION, 40, shadow=CHALLENGER)
    assert isinstance(rollout.roll_out(work, step()), Again)
    live.refresh()
    assert (stage(database), live.shadow) == ("canary", None)
    assert {live.answering(str(car)).model for car in range(40)} == {CHAMPION, CHALLENGER}

    waiting = rollout.roll_out(work, step())
    assert isinstance(waiting, Again)
    answer(database, CHALLENGER, 40)
    done = rollout.roll_out(work, step(result=waiting.result, incident=None))
    assert isinstance(done, Done)
    assert [ask.kind for ask in done.then] == ["guard"]
    assert done.then[0].cause["before"] == CHAMPION
    live.refresh()
    assert (stage(database), live.champion.model) == ("champion", CHALLENGER)
    live.close()


def test_while_nothing_is_rolled_out_the_registry_is_not_asked_for_a_challenger(
    registry: Registry, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(_settings: Settings) -> None:
        raise AssertionError("the registry was asked")

    monkeypatch.setattr("dentwatch.records.registry.challenger", asked)
    live = LiveModels(settings.load(), database=database)
    live.refresh()
    assert (live.problem, live.challenger) == (None, None)


def test_killed_after_the_promotion_it_finishes_what_is_left(registry: Registry, database: Database) -> None:
    registry.promote(2, "as the process did before it was killed", "dentwatch")
    done = rollout.roll_out(bench(database), step(result={"champion": CHAMPION}, incident=None))
    assert isinstance(done, Done)
    assert (done.result["stage"], done.then[0].cause["before"]) == ("champion", CHAMPION)
    assert [one.version for one in registry.history()] == [1, 2]


def test_killed_before_the_promotion_it_is_promoted(registry: Registry, database: Database) -> None:
    with database.writing() as connection:
        rollouts.begin(connection, CHALLENGER, "champion", 0.5)
    done = rollout.roll_out(bench(database), step(incident=None))
    assert isinstance(done, Done)
    assert done.result["stage"] == "champion"
    assert [one.version for one in registry.history()] == [1, 2]


def test_killed_before_the_dismissal_it_stays_rejected(registry: Registry, database: Database) -> None:
    with database.writing() as connection:
        rollouts.begin(connection, CHALLENGER, "shadow", 0.5)
        rollouts.move(connection, CHALLENGER, "rejected", "It is odd.")
    done = rollout.roll_out(bench(database, canary_photos=0), step())
    assert isinstance(done, Done)
    assert "It is odd." in done.result["text"]
    assert registry.get(2).aliases == ()


def test_one_that_marks_far_too_much_is_stopped_in_the_shadow(registry: Registry, database: Database) -> None:
    work = bench(database)
    rollout.roll_out(work, step())
    answer(database, CHAMPION, 40, boxes=6, shadow=CHALLENGER)
    done = rollout.roll_out(work, step())
    assert isinstance(done, Done)
    assert "6.00 boxes per photo where 1.00 were answered" in done.result["text"]
    assert (done.then, stage(database)) == ((), "rejected")
    assert registry.get(2).aliases == ()


def test_one_that_is_slow_is_stopped_as_canary(registry: Registry, database: Database) -> None:
    work = bench(database)
    rollout.roll_out(work, step())
    answer(database, CHAMPION, 40, shadow=CHALLENGER)
    rollout.roll_out(work, step())
    answer(database, CHAMPION, 41)
    answer(database, CHALLENGER, 40, ms=90.0)
    done = rollout.roll_out(work, step())
    assert isinstance(done, Done)
    assert "take up to 90 ms" in done.result["text"]


def fail(database: Database, model: str, photos: int) -> None:
    """Photos that ``model`` broke down on just now."""
    with database.writing() as connection:
        for _ in range(photos):
            failed = FailedPhoto(model, str(uuid.uuid4()), 0, "ModelError: it broke down.")
            model_failures.note_photo(connection, failed)


@pytest.mark.parametrize("in_shadow", [True, False], ids=["in the shadow", "as canary"])
def test_one_that_breaks_down_on_photos_is_stopped(registry: Registry, database: Database, in_shadow: bool) -> None:
    work = bench(database, **({} if in_shadow else {"shadow_photos": 0}))
    rollout.roll_out(work, step())
    if not in_shadow:
        assert isinstance(rollout.roll_out(work, step()), Again)
    answer(database, CHAMPION, 200, shadow=CHALLENGER if in_shadow else "")
    if not in_shadow:
        answer(database, CHALLENGER, 20)
    fail(database, CHALLENGER, 2)
    if not in_shadow:
        assert isinstance(rollout.roll_out(work, step()), Again), "two may be chance"
    fail(database, CHALLENGER, 8 if in_shadow else 1)
    done = rollout.roll_out(work, step())
    assert isinstance(done, Done)
    failed = "10 of 210" if in_shadow else "3 of 23"
    assert f"It failed on {failed} photos (0 of 200 before): ModelError: it broke down." in done.result["text"]
    assert (done.then, stage(database)) == ((), "rejected")
    assert registry.get(2).aliases == (), "it challenges nobody any more"


def test_one_that_fails_no_more_often_than_the_champion_goes_on(registry: Registry, database: Database) -> None:
    work = bench(database)
    rollout.roll_out(work, step())
    answer(database, CHAMPION, 20, shadow=CHALLENGER)
    for model in (CHAMPION, CHALLENGER):
        fail(database, model, 4)
    assert isinstance(rollout.roll_out(work, step()), Again)


@pytest.mark.parametrize(
    ("failed", "seen", "before", "seen_before", "stops"),
    [
        (2, 2, 0, 5_000, False),  # so few say nothing
        (3, 3, 0, 5_000, True),
        (3, 3, 0, 0, True),  # nothing is known of the model before, but that it served
        (5, 40, 5, 40, False),
        (5, 5_100, 0, 90_000, False),  # surely more, and too rare to matter
        (60, 20_060, 0, 100, False),  # the model before has answered too little to say so
        (60, 20_060, 40, 20_000, False),
        (60, 20_060, 20, 20_000, True),
    ],
)
def test_failures_count_where_they_are_surely_more_than_before(
    failed: int, seen: int, before: int, seen_before: int, stops: bool
) -> None:
    found = {"failed": failed, "photos": seen - failed, "failed_before": before, "photos_before": seen_before - before}
    assert (rollout.failing({**found, "failure": "ModelError: it broke down."}) is not None) is stops


def test_photos_are_counted_beyond_those_whose_times_are_looked_at(database: Database) -> None:
    answer(database, CHAMPION, 12, shadow=CHALLENGER)
    since = datetime.now(UTC) - timedelta(hours=1)
    with database.reading() as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(traffic_figures, "_MOST", 5)
        assert traffic_figures.answered(connection, CHAMPION, since).photos == 12
        assert traffic_figures.shadowed(connection, CHALLENGER, since) == (12, 1.0, 1.0)


@pytest.fixture
def live(registry: Registry, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveModels]:
    """What serves while no engine takes the challenger."""
    with closing(LiveModels(settings.load(), database=database)) as models:

        def no_engine(*_: Any) -> None:
            raise ModelError("The file needs an operator that this engine does not have.")

        monkeypatch.setattr("dentwatch.serving.live_models.choose", no_engine)
        yield models


def failures_kept(database: Database) -> int:
    with database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(model_failures_table)) or 0


def test_one_that_cannot_be_loaded_is_stopped_at_once(database: Database, live: LiveModels) -> None:
    work = bench(database)
    assert isinstance(rollout.roll_out(work, step()), Again)
    for _ in range(3):
        live.refresh()
    assert failures_kept(database) == 1, "once"
    done = rollout.roll_out(work, step())
    assert isinstance(done, Done)
    assert "It cannot be loaded: ModelError: The file needs an operator" in done.result["text"]


def test_that_it_cannot_be_loaded_is_told_to_each_stage(
    registry: Registry, database: Database, live: LiveModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_always_challenged", True)  # as serving.shadow does, before the rollout begins
    live.refresh()
    assert failures_kept(database) == 1
    work = bench(database)
    assert isinstance(rollout.roll_out(work, step()), Again), "that was before its time"
    live.refresh()
    assert isinstance(rollout.roll_out(work, step()), Done)
    assert failures_kept(database) == 2


def test_a_champion_that_cannot_be_loaded_after_all_is_rolled_back(
    registry: Registry, database: Database, live: LiveModels
) -> None:
    work = promoted(registry, database)
    live.refresh()
    assert live.champion.model == CHAMPION
    done = guard.guard(work, replace(step("guard"), cause={"before": CHAMPION}))
    assert isinstance(done, Done)
    assert "It cannot be loaded" in done.result["text"]
    assert done.result["rolled_back"] is True


def test_the_guard_rolls_back_a_champion_that_breaks_down(registry: Registry, database: Database) -> None:
    answer(database, CHAMPION, 400)
    work = promoted(registry, database)
    watching = replace(step("guard"), cause={"before": CHAMPION})
    answer(database, CHALLENGER, 40)
    assert isinstance(guard.guard(work, watching), Again)
    fail(database, CHALLENGER, 5)
    done = guard.guard(work, watching)
    assert isinstance(done, Done)
    assert "It failed on 5 of 45 photos (0 of 400 before)" in done.result["text"]
    assert done.result["rolled_back"] is True


def test_a_person_may_have_the_word(registry: Registry, database: Database) -> None:
    work = bench(database, needs_approval=True)
    assert isinstance(rollout.roll_out(work, step()), Again)
    assert stage(database) == "approval"
    with database.writing() as connection:
        rollouts.decide(connection, CHALLENGER, "approved", "ada", "The report looks right.")
    rollout.roll_out(work, step())
    assert stage(database) == "shadow"
    with database.writing() as connection:
        rollouts.decide(connection, CHALLENGER, "vetoed", "ada", "It calls reflections dents.")
    done = rollout.roll_out(work, step())
    assert isinstance(done, Done)
    assert "ada vetoed it: It calls reflections dents." in done.result["text"]
    with database.reading() as connection:
        said = [entry.action for entry in audit.entries(connection, actor="ada", last=9)]
    assert said == ["model.approved", "model.vetoed"]
    with database.writing() as connection, pytest.raises(ModelError, match="has ended: rejected"):
        rollouts.decide(connection, CHALLENGER, "approved", "ada", "After all.")


def test_without_enough_photos_it_is_given_up(registry: Registry, database: Database) -> None:
    work = bench(database, rollout_hours=1)
    rollout.roll_out(work, step())
    with database.writing() as connection:
        connection.execute(update(rows).values(stage_since=datetime.now(UTC) - timedelta(hours=2)))
    done = rollout.roll_out(work, step())
    assert isinstance(done, Done)
    assert "Only 0 photos were seen in the shadow within 1 hours." in done.result["text"]


def test_the_guard_rolls_back_a_champion_that_is_slow(registry: Registry, database: Database) -> None:
    answer(database, CHAMPION, 40)
    work = promoted(registry, database)
    watching = replace(step("guard"), cause={"before": CHAMPION})
    assert isinstance(guard.guard(work, watching), Again)
    answer(database, CHALLENGER, 40, ms=190.0)
    done = guard.guard(work, watching)
    assert isinstance(done, Done)
    assert done.result["rolled_back"] is True
    champion = registry.champion()
    assert champion is not None
    assert champion.number == 1
    assert isinstance(guard.guard(work, watching), Done)  # and once is enough
    assert len(registry.history()) == 3


def test_the_guard_ends_when_its_time_is_over(registry: Registry, database: Database) -> None:
    registry.promote(2, "it passed", "dentwatch")
    work = bench(database, guard_hours=0)
    rollout.roll_out(work, step(result={"champion": CHAMPION}, incident=None))
    assert isinstance(guard.guard(work, replace(step("guard"), cause={"before": CHAMPION})), Done)
