"""kill -9 at any moment loses nothing that was acknowledged and leaves nothing by half.

`python tests/serving/kills.py 100` does the same a hundred times.
"""

import os
import signal
import time
from pathlib import Path

from kills import broken_promises, kill_under_load, workers_of
from running_service import serving, upload
from test_inspections import DAMAGED

from dentwatch.records.model_bundle import ModelBundle


def test_killed_workers_lose_nothing_that_was_acknowledged(bundle: ModelBundle, tmp_path: Path) -> None:
    with serving(bundle, tmp_path / "home", tmp_path / "log", workers=2, queue=100) as service:
        tally = kill_under_load(service, kills=6, seed=7)
        assert broken_promises(service, tally) == []
    assert len(tally.acknowledged) > tally.kills
    assert tally.accepted_later


def test_a_service_that_was_killed_whole_answers_what_it_had_accepted(bundle: ModelBundle, tmp_path: Path) -> None:
    with serving(bundle, tmp_path / "home", tmp_path / "log") as service:
        accepted = [
            service.inspect(*[upload(f"{n}.png", DAMAGED) for n in range(8)], headers={"Prefer": "respond-async"})
            for _ in range(3)
        ]
        workers = workers_of(service.process.pid)
        for pid in [service.process.pid, *workers]:
            os.kill(pid, signal.SIGKILL)
        service.process.wait()
    with serving(bundle, tmp_path / "home", tmp_path / "log") as service:
        for one in accepted:
            deadline = time.monotonic() + 30
            while (found := service.client.get(one.headers["location"]).json())["status"] == "pending":
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert [len(photo["detections"]) for photo in found["photos"]] == [2] * 8
