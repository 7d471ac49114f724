"""Batches of annotated photos become dataset versions; poisoned ones never do."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from batches import (
    HEIGHT,
    WIDTH,
    Change,
    bench_of,
    carried_out,
    garage,
    later,
    photo,
    pixels,
    settings_of,
)
from garage import Boxes
from rectangles import as_photo, rectangle_graph, write_bundle

from dentwatch.data.ingest import Ingest
from dentwatch.data.provenance import with_source
from dentwatch.data.sources import open_source
from dentwatch.loop import batch_agreement, inbox, intake, journal
from dentwatch.loop.batch_states import REJECT, RELEASE
from dentwatch.loop.steps import Ask, Bench, Step
from dentwatch.monitoring.alerts import outbox
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import ModelBundle

KNOWN = range(0, 120)
SPLITS = ("test", "val", "val", "train", "train")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return write_bundle(tmp_path_factory.mktemp("models") / "rectangles", rectangle_graph())


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a dataset version of 120 photos of 60 vehicles in all splits."""
    folder = tmp_path_factory.mktemp("stock")
    source = garage(folder / "cars", KNOWN, split=lambda number: SPLITS[number // 2 % 5]).write()
    Ingest(settings_of(folder / "home"), workers=1).run(with_source(open_source(source).photos(), source))
    with closing(bench_of(settings_of(folder / "home")).database) as database:
        database.check()  # makes the tables
    return folder / "home"


@pytest.fixture
def bench(stock: Path, home: Path, model: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench over the stock; the model of rectangles serves."""
    shutil.copytree(stock, home)
    for module in (batch_agreement, intake):
        monkeypatch.setattr(module, "resolve", lambda _ref, _settings: model)
    return bench_of(settings_of(home, new_photos=10))


def drop(bench: Bench, name: str = "batch", numbers: range = range(200, 240), **options: object) -> str:
    """Put a batch into the inbox; its id."""
    garage(Path(bench.settings.inbox_url) / name, numbers, **options).write()  # type: ignore[arg-type]
    [found] = inbox.pending_batches(bench.settings, bench.database, later())
    return found


def rows(bench: Bench) -> dict[str, PhotoRecord]:
    version = DatasetStore(bench.settings.dataset_store_url).get("latest")
    return {record.name: record for record in version.photos()}


def take(bench: Bench, batch: str) -> Step:
    return carried_out(bench, Ask("take-in", batch))


def test_a_batch_becomes_a_dataset_version_and_a_retraining(bench: Bench) -> None:
    before = DatasetStore(bench.settings.dataset_store_url).get("latest")
    batch = drop(bench)
    step = take(bench, batch)
    result = step.result
    assert result is not None and step.state == "done"
    assert result["state"] == "taken" and all(check["passed"] for check in result["checks"])
    assert result["base"] == before.id
    assert result["version"] == DatasetStore(bench.settings.dataset_store_url).get("latest").id != before.id
    assert result["diff"]["photos_added"] == 40 and result["diff"]["boxes_added"] == 40
    with bench.database.reading() as connection:
        [retraining] = journal.steps(connection, kind="retrain")
    assert retraining.key == f"retrain/dataset/{result['version']}"
    assert retraining.cause["batch"] == batch
    report = Path(bench.settings.inbox_url) / f"{result['report']}.md"
    assert "40 photos are new" in report.read_text()
    assert inbox.pending_batches(bench.settings, bench.database, later()) == []


def test_photos_of_new_vehicles_never_enter_the_frozen_test_set(bench: Bench) -> None:
    before = {record.photo_id for record in rows(bench).values() if record.split == "test"}
    take(bench, drop(bench, numbers=range(200, 320)))
    assert {record.photo_id for record in rows(bench).values() if record.split == "test"} == before


def test_the_first_batch_of_all_makes_the_test_set(home: Path, model: ModelBundle) -> None:
    bench = bench_of(settings_of(home))
    take(bench, drop(bench, numbers=range(0, 120)))
    assert {record.split for record in rows(bench).values()} == {"train", "val", "test"}


def test_a_batch_that_is_killed_half_way_comes_to_the_same_result(bench: Bench) -> None:
    batch = drop(bench)
    with bench.database.writing() as connection:
        journal.ask(connection, Ask("take-in", batch))
        step = journal.claim(connection, "first", f"take-in/{batch}")
    assert step is not None
    judged = intake.take_in(bench, step)
    with bench.database.writing() as connection:
        assert journal.finish(connection, step, "first", judged)
        step = journal.claim(connection, "first", f"take-in/{batch}")
    assert step is not None
    first = intake.take_in(bench, step)  # done, but killed before it could be written down
    again = intake.take_in(bench, step)
    assert first == again
    assert first.result["diff"]["photos_added"] == 40


def test_a_batch_that_changed_meanwhile_is_left_to_the_new_one(bench: Bench) -> None:
    batch = drop(bench)
    (Path(bench.settings.inbox_url) / "batch" / "more.png").write_bytes(photo(999))
    result = take(bench, batch).result
    assert result is not None and result["state"] == "gone"
    [new] = inbox.pending_batches(bench.settings, bench.database, later())
    assert new != batch and new.startswith("batch@")


def test_what_cannot_be_understood_is_reported(bench: Bench) -> None:
    folder = Path(bench.settings.inbox_url) / "broken"
    garage(folder, range(200, 204)).write()
    (folder / "annotations.json").write_text('{"images": [')
    [batch] = inbox.pending_batches(bench.settings, bench.database, later())
    result = take(bench, batch).result
    assert result is not None and result["state"] == "unreadable" and "annotations.json" in result["text"]


def test_single_bad_photos_are_set_aside_and_reported(bench: Bench) -> None:
    batch = drop(bench, data=lambda number: b"no photo" if number == 207 else photo(number))
    result = take(bench, batch).result
    assert result is not None and result["state"] == "taken"
    assert result["diff"]["photos_added"] == 39
    [entry] = result["set_aside"]
    assert entry["name"] == "0207.png" and entry["reason"] == "not_an_image"
    assert "0207.png" in (Path(bench.settings.inbox_url) / f"{result['report']}.md").read_text()


def test_other_annotations_of_a_known_photo_do_not_overwrite_it(bench: Bench) -> None:
    known = rows(bench)["0001.png"]  # in test
    batch = drop(bench, numbers=range(0, 2), change=lambda *_: [("dent", [10, 10, 50, 50])])
    result = take(bench, batch).result
    assert result is not None and result["state"] == "taken"
    assert rows(bench)["0001.png"] == known
    assert "0001.png" in {entry["name"] for entry in result["contradictions"]}
    assert result["diff"] == dict.fromkeys(result["diff"], 0)


# Poison


def _shuffled(number: int, boxes: Boxes) -> Boxes:
    """The boxes of another photo."""
    return pixels(number + 5)[1] if number % 4 else boxes


def _swapped(number: int, boxes: Boxes) -> Boxes:
    return [({"scratch": "dent", "dent": "scratch"}[label], box) for label, box in boxes]


def _drawn_at_random(number: int, boxes: Boxes) -> Boxes:
    rng = np.random.default_rng(number)
    return [(str(rng.choice(["scratch", "dent"])), box) for _, box in boxes]


def _without_dents(number: int, boxes: Boxes) -> Boxes:
    return [one for one in boxes if one[0] != "dent"]


def _all_of_one_class(number: int, boxes: Boxes) -> Boxes:
    return [("scratch", box) for _, box in boxes]


def _whole(number: int, boxes: Boxes) -> Boxes:
    return [(label, [0, 0, WIDTH, HEIGHT]) for label, _ in boxes]


def _specks(number: int, boxes: Boxes) -> Boxes:
    return [(label, [box[0], box[1], 0.5, 0.5]) for label, box in boxes]


def _in_one_place(number: int, boxes: Boxes) -> Boxes:
    return [(label, [40, 40, 30, 30]) for label, _ in boxes]


def _black(number: int) -> bytes:
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    black[0, 0] = number % 256  # other bytes, the same picture
    return as_photo(black)


def _cut_off(number: int) -> bytes:
    return photo(number)[:200]


POISON: dict[str, tuple[str, Change | None, Callable[[int], bytes] | None, range]] = {
    "shuffled boxes": ("agreement on places", _shuffled, None, range(200, 280)),
    "labels swapped": ("agreement on labels", _swapped, None, range(200, 280)),
    "labels drawn at random": ("agreement on labels", _drawn_at_random, None, range(200, 320)),
    "one class gone": ("label dent", _without_dents, None, range(200, 240)),
    "one class only": ("label dent", _all_of_one_class, None, range(200, 240)),
    "no damage at all": ("damage", lambda *_: [], None, range(200, 240)),
    "boxes of the whole photo": ("whole boxes", _whole, None, range(200, 240)),
    "boxes of nothing": ("tiny boxes", _specks, None, range(200, 240)),
    "boxes in one place": ("repeated boxes", _in_one_place, None, range(200, 240)),
    "black photos": ("pictures", None, _black, range(200, 240)),
    "corrupted files": ("readable", None, _cut_off, range(200, 240)),
    "copies of test with other labels": ("copies of test", _swapped, None, range(0, 40)),
}


@pytest.mark.parametrize("kind", POISON)
def test_a_poisoned_batch_is_quarantined(kind: str, bench: Bench) -> None:
    check, change, data, numbers = POISON[kind]
    before = DatasetStore(bench.settings.dataset_store_url).get("latest").id
    options = {"change": change, "data": data}
    batch = drop(bench, numbers=numbers, **{name: one for name, one in options.items() if one is not None})
    result = take(bench, batch).result
    assert result is not None and result["state"] == "quarantined"
    assert check in {one["name"] for one in result["checks"] if not one["passed"]}
    assert DatasetStore(bench.settings.dataset_store_url).get("latest").id == before
    with bench.database.reading() as connection:
        assert not journal.steps(connection, kind="retrain")
        [told] = outbox.page(connection)
    assert batch in told.alert.title and not told.alert.resolved


def decided(bench: Bench, batch: str, decision: str) -> Step:
    cause = {"decision": decision, "actor": "ada", "reason": "I looked at it."}
    return carried_out(bench, Ask("take-in", batch, cause, f"take-in/{batch}/{decision}"))


def test_a_person_can_release_a_batch_from_quarantine(bench: Bench) -> None:
    batch = drop(bench, change=_without_dents)
    take(bench, batch)
    result = decided(bench, batch, RELEASE).result
    assert result is not None and result["state"] == "taken"
    assert not all(check["passed"] for check in result["checks"])
    assert "0201.png" in rows(bench)
    with bench.database.reading() as connection:
        assert outbox.page(connection)[0].alert.resolved


def test_a_person_can_reject_a_batch_for_good(bench: Bench) -> None:
    batch = drop(bench, change=_without_dents)
    take(bench, batch)
    result = decided(bench, batch, REJECT).result
    assert result is not None and result["state"] == "rejected" and "ada" in result["text"]
    assert "0201.png" not in rows(bench)
    assert inbox.pending_batches(bench.settings, bench.database, later()) == []
