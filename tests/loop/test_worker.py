"""The worker: killed at any moment, and with another beside it, every step is finished once."""

import multiprocessing
import random
import threading
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from dentwatch.loop import journal, worker
from dentwatch.loop.steps import Again, Ask, Bench, Done, Kind, Step, Work
from dentwatch.records import audit
from dentwatch.records.database import Database
from dentwatch.settings import LoopSettings, Settings

CHAINS, KILLS = 30, 24


def effect(bench: Bench, step: Step) -> Done | Again:
    """Leaves a file; a gate comes a second time, and each but the last asks for the next."""
    (bench.settings.home / step.key.replace("/", "-")).touch()
    threading.Event().wait(0.01)  # so that a kill finds it at work
    if step.kind == "gate" and step.result is None:
        return Again(timedelta(0), {"seen": 1})
    following: dict[Kind, Kind] = {"retrain": "gate", "gate": "guard"}
    then = (Ask(following[step.kind], step.subject),) if step.kind in following else ()
    return Done(step.result or {}, then)


def work(_kind: Kind) -> Work:
    return effect


def silent(_stage: str, _done: int, _all: int) -> None:
    pass


def settings_of(home: Path) -> Settings:
    return Settings(home=home, loop=LoopSettings(enabled=False))


def work_until_killed(home: Path, begun: threading.Event) -> None:
    worker.run(settings_of(home), threading.Event(), silent, lambda _step: begun.set(), work)


def work_to_the_end(settings: Settings) -> None:
    ending = threading.Event()

    def look() -> None:
        with closing(Database.of(settings)) as database:
            while not ending.wait(0.05):
                with database.reading() as connection:
                    if not {"waiting", "running"} & set(journal.count(connection)):
                        ending.set()

    looking = threading.Thread(target=look)
    looking.start()
    worker.run(settings, ending, silent, work=work)
    looking.join()


@pytest.fixture
def chains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Steps that are asked for; a claim runs out quickly, and a step may die often."""
    monkeypatch.setattr(journal, "LEASE", timedelta(seconds=0.1))
    monkeypatch.setattr(journal, "MOST_ATTEMPTS", 1_000)
    monkeypatch.setattr(worker, "_LOOK_SECONDS", 0.01)
    settings = settings_of(tmp_path)
    with closing(Database.of(settings)) as database, database.writing() as connection:
        for number in range(CHAINS):
            journal.ask(connection, Ask("retrain", f"{number}"))
    return settings


def each_happened_once(settings: Settings) -> None:
    expected = sorted(f"{kind}/{number}" for kind in ("retrain", "gate", "guard") for number in range(CHAINS))
    with closing(Database.of(settings)) as database, database.reading() as connection:
        steps = journal.steps(connection, limit=1_000)
        entries = list(audit.entries(connection))
    assert sorted(step.key for step in steps) == expected
    assert {step.state for step in steps} == {"done"}
    assert all((settings.home / key.replace("/", "-")).exists() for key in expected)
    finished = Counter((entry.action, entry.subject) for entry in entries)
    assert set(finished.values()) == {1}
    assert len(finished) == 2 * len(expected), "each was asked for and finished, on the audit log"


def test_workers_that_are_killed_again_and_again_finish_every_step_once(chains: Settings) -> None:
    rng, fork = random.Random(7), multiprocessing.get_context("fork")
    for _ in range(KILLS):
        begun = fork.Event()
        process = fork.Process(target=work_until_killed, args=(chains.home, begun))
        process.start()
        if begun.wait(5):  # false once nothing is left to do
            threading.Event().wait(rng.uniform(0, 0.06))
        process.kill()
        process.join()
    work_to_the_end(chains)
    each_happened_once(chains)


def test_two_workers_at_once_finish_every_step_once(chains: Settings) -> None:
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=work_until_killed, args=(chains.home, fork.Event()))
    process.start()
    work_to_the_end(chains)
    process.kill()
    process.join()
    each_happened_once(chains)


def test_a_fault_fails_its_step_and_no_other(tmp_path: Path) -> None:
    def faulty(bench: Bench, step: Step) -> Done | Again:
        if step.subject == "0":
            raise ZeroDivisionError("division by zero")
        return Done({})

    settings = settings_of(tmp_path)
    with closing(Database.of(settings)) as database:
        with database.writing() as connection:
            for subject in "01":
                journal.ask(connection, Ask("gate", subject))
        first, second = (
            worker.carry_out(settings, database, f"gate/{subject}", silent, lambda _kind: faulty) for subject in "01"
        )
    assert (first.state, first.error) == ("waiting", "ZeroDivisionError: division by zero")
    assert second.state == "done"
