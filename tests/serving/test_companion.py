"""The process beside the workers: replaced when it dies, ended with them."""

import os
import time

import pytest
from receiver import until

from dentwatch.serving import companion
from dentwatch.serving.companion import Companion


def test_one_that_dies_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companion, "_RESTART_SECONDS", 0.01)
    gone: list[int] = []
    with Companion("watcher", os._exit, (3,), gone.append):
        until(lambda: len(gone) >= 2)
    assert len(set(gone)) == len(gone)


def test_it_ends_with_the_block() -> None:
    gone: list[int] = []
    with Companion("watcher", time.sleep, (1000,), gone.append):
        assert gone == []
    [pid] = gone
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
