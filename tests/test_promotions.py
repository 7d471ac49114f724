"""Rolling back goes to the champion before, however often and in whatever order versions were promoted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dentwatch.errors import ModelError
from dentwatch.records.promotions import Promotion, history_of, previous_champion


def _entry(action: str, version: int, previous: int | None) -> Promotion:
    return Promotion.announce(action, version, previous, "why", "ada").finished()  # type: ignore[arg-type]


@given(st.lists(st.one_of(st.integers(1, 4), st.none()), max_size=30))
def test_history_behaves_like_a_stack(steps: list[int | None]) -> None:
    """A number promotes that version, None rolls back; the plain list is the truth."""
    history: list[Promotion] = []
    champions: list[int] = []
    for step in steps:
        champion = champions[-1] if champions else None
        if step is None:
            expected = champions[-2] if len(champions) > 1 else None
            assert (None if champion is None else previous_champion(history, champion)) == expected
            if expected is not None:
                history.append(_entry("rollback", expected, champion))
                champions.pop()
        elif step != champion:
            history.append(_entry("promote", step, champion))
            champions.append(step)


def test_champion_named_by_other_means_is_gone_back_to() -> None:
    assert previous_champion([_entry("promote", 5, 3)], 5) == 3
    assert previous_champion([_entry("promote", 5, 3), _entry("promote", 7, 6)], 7) == 6
    assert previous_champion([_entry("promote", 5, None)], 9) == 5


def test_only_changes_that_happened_are_history() -> None:
    first, dropped = _entry("promote", 1, None), Promotion.announce("promote", 2, 1, "killed before", "ada")
    tags = dict(change.as_tag() for change in (dropped, first))
    assert history_of({**tags, "owner": "somebody"}, champion=1) == [first]
    assert history_of(tags, champion=2) == [first, dropped.finished()]


@pytest.mark.parametrize(("reason", "actor"), [("", "ada"), ("  ", "ada"), ("x" * 1001, "ada"), ("why", " ")])
def test_change_without_reason_or_actor_is_refused(reason: str, actor: str) -> None:
    with pytest.raises(ModelError, match="A change of the champion needs"):
        Promotion.announce("promote", 1, None, reason, actor)


def test_longest_reason_fits_into_a_tag_of_mlflow() -> None:
    _, value = Promotion.announce("promote", 1, None, "ü" * 1000, "ada" * 20).as_tag()
    assert len(value) < 5000
