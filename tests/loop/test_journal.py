"""The journal: a step is asked for once, held by one, finished once, and given up after enough attempts."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from dentwatch.errors import LoopError
from dentwatch.loop import journal
from dentwatch.loop.steps import Again, Ask, Done, Step
from dentwatch.records import audit
from dentwatch.records.database import Database
from dentwatch.records.loop_tables import loop_steps

WISH = Ask("gate", "7", {"incident": "i"})


def claimed(database: Database, holder: str) -> Step | None:
    with database.writing() as connection:
        return journal.claim(connection, holder)


def asked(database: Database) -> Step:
    with database.writing() as connection:
        journal.ask(connection, WISH)
    step = claimed(database, "a")
    assert step is not None
    return step


def run_out(database: Database) -> None:
    """Let every claim and every pause be over."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    with database.writing() as connection:
        connection.execute(update(loop_steps).values(claimed_until=past, not_before=past))


def now(database: Database) -> Step:
    with database.reading() as connection:
        return journal.existing(connection, WISH.run_key)


def test_of_two_wishes_with_one_key_the_first_counts(database: Database) -> None:
    with database.writing() as connection:
        assert journal.ask(connection, WISH)
        assert not journal.ask(connection, WISH)
        assert len(journal.steps(connection)) == 1


def test_a_step_has_one_holder_until_the_claim_runs_out(database: Database) -> None:
    asked(database)
    assert claimed(database, "b") is None
    run_out(database)
    taken = claimed(database, "b")
    assert taken is not None and taken.attempts == 2


def test_whoever_lost_the_claim_finishes_nothing(database: Database) -> None:
    step = asked(database)
    run_out(database)
    assert claimed(database, "b") is not None
    with database.writing() as connection:
        assert not journal.renew(connection, step.key, "a")
        assert not journal.finish(connection, step, "a", Done({}, (Ask("guard", "7"),)))
        assert journal.find(connection, "guard/7") is None
        assert journal.finish(connection, step, "b", Done({"ok": True}, (Ask("guard", "7"),)))
        assert journal.find(connection, "guard/7") is not None
    assert now(database).result == {"ok": True}


def test_what_is_done_is_on_the_audit_log(database: Database) -> None:
    step = asked(database)
    with database.writing() as connection:
        journal.finish(connection, step, "a", Done({}))
    with database.reading() as connection:
        actions = [entry.action for entry in audit.entries(connection)]
    assert sorted(actions) == ["loop.ask", "loop.gate"]


def test_a_step_that_comes_again_keeps_what_it_found(database: Database) -> None:
    step = asked(database)
    with database.writing() as connection:
        journal.finish(connection, step, "a", Again(timedelta(hours=1), {"photos": 3}))
    assert claimed(database, "a") is None
    run_out(database)
    again = claimed(database, "a")
    assert again is not None and again.result == {"photos": 3} and again.attempts == 1


def test_a_step_that_fails_is_tried_again_and_then_given_up(database: Database) -> None:
    step = asked(database)
    for _ in range(journal.MOST_ATTEMPTS):
        with database.writing() as connection:
            assert journal.fail(connection, step, "a", "The disk is full.")
        assert claimed(database, "a") is None  # a pause
        if now(database).state == "failed":
            break
        run_out(database)
        step = claimed(database, "a") or step
    assert (now(database).state, now(database).attempts) == ("failed", journal.MOST_ATTEMPTS)
    assert now(database).error == "The disk is full."


def test_a_step_whose_process_always_dies_is_given_up(database: Database) -> None:
    asked(database)
    for _ in range(journal.MOST_DEATHS):
        run_out(database)
        claimed(database, "a")
    assert now(database).state == "failed"


def test_a_person_cancels_a_step_and_has_it_tried_again(database: Database) -> None:
    step = asked(database)
    with database.writing() as connection:
        journal.cancel(connection, step.key, "ana", "The lamp was replaced.")
        assert not journal.finish(connection, step, "a", Done({}))
        with pytest.raises(LoopError, match="is cancelled"):
            journal.cancel(connection, step.key, "ana", "again")
        assert journal.retry(connection, step.key, "ana").state == "waiting"
        with pytest.raises(LoopError, match="is waiting"):
            journal.retry(connection, step.key, "ana")
