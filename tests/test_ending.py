"""Being told to end while the main thread is in the middle of waiting for it."""

import subprocess
import sys

import pytest

TOLD_WHILE_IT_HOLDS_THE_LOCK = """
import os, signal, sys, threading
from dentwatch.ending import ends_with_signals

ending = threading.Event()
ends_with_signals(ending)
with ending._cond:  # as ending.wait() does before it sleeps and after it wakes
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    sum(range(100_000))  # the handler runs here, between two instructions
sys.exit(0 if ending.wait(20) else 3)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_in_the_middle_of_the_wait_ends_it(name: str) -> None:
    child = subprocess.run(
        [sys.executable, "-c", TOLD_WHILE_IT_HOLDS_THE_LOCK, name], timeout=60, check=False, capture_output=True
    )
    assert child.returncode == 0, child.stderr
