"""The story of a dusk from end to end, shortened, and killed: it ends as if nothing had happened.

``DENTWATCH_TEST_KILLS=50`` tells it until so many kills have happened, and compares each end with that of a story
without any.
"""

import os
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from story_runs import KILLS_A_STORY, told

KILLS = int(os.environ.get("DENTWATCH_TEST_KILLS", "0"))


def its_end(outcome: dict[str, Any]) -> None:
    """What the story has to come to."""
    [(cause, part, level, state, harm)] = outcome["incidents"]
    assert (cause, part, level, state) == ("dark", "all", "critical", "resolved")
    assert harm["lost"] > 20
    assert outcome["steps"] == [
        ["investigate/incident 0/critical", "done"],
        ["retrain/incident 0", "done"],
        ["gate/2", "done"],
        ["roll-out/2", "done"],
        ["verify/incident 0/2", "done"],
    ]
    assert all(outcome["audit"][f"loop.{step}"] == 1 for step in ("retrain incident 0", "gate 2", "roll-out 2"))
    assert [number for number, *_ in outcome["models"]] == [1, 2], "one challenger"
    assert outcome["promotions"] == [1, 2], "promoted once"
    assert outcome["rollouts"] == [["dentwatch/2", "champion"]]
    assert outcome["runs"] == ["first", "loop"], "trained once"
    assert outcome["inspections seen"]
    assert "100 % of what was lost: back" in outcome["timelines"][0][-1][2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_dusk_falls_and_the_loop_closes_whoever_is_killed(tmp_path: Path) -> None:
    found = told(tmp_path, kills=4, seed=1)
    assert sum(found["kills"].values()) == 4
    its_end(found["outcome"])


@pytest.mark.slow
@pytest.mark.timeout(6000)
@pytest.mark.skipif(not KILLS, reason="takes minutes: DENTWATCH_TEST_KILLS=50 runs it")
def test_however_often_and_wherever(tmp_path: Path) -> None:
    calm = told(tmp_path, 0, seed=0)["outcome"]
    its_end(calm)
    happened: Counter[str] = Counter()
    for seed in count(1):
        found = told(tmp_path, KILLS_A_STORY, seed)
        assert found["outcome"] == calm, found["kills"]
        happened.update(found["kills"])
        if happened.total() >= KILLS:
            break
