"""kill -9 of the process that watches at any moment changes nothing of what it sees and tells in the end.

`PYTHONPATH=tests/serving python tests/monitoring/watcher_kills.py 100` does the same a hundred times.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rectangles import rectangle_graph, write_bundle
from watcher_kills import Home, home, kill_under_traffic, seen_otherwise_than_once, watch_in_peace

SEED = 7


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[tuple[Home, Home]]:
    bundle = write_bundle(tmp_path / "model", rectangle_graph())
    with home(tmp_path / "killed", bundle) as killed, home(tmp_path / "calm", bundle) as calm:
        yield killed, calm


@pytest.mark.slow
def test_a_watcher_that_is_killed_sees_each_inspection_once_and_tells_each_incident_once(
    homes: tuple[Home, Home],
) -> None:
    killed, calm = homes
    inspections = kill_under_traffic(killed, kills=6, seed=SEED)
    assert seen_otherwise_than_once(killed, inspections) == []
    watch_in_peace(calm, inspections, SEED)
    found = killed.outcome()
    assert found == calm.outcome()
    assert [(cause, part, state) for cause, part, _, state in found["incidents"]] == [("dark", "channel=app", "open")]
    assert (found["opened"], found["told"]) == ([1], [1])
