"""One process at a time is at work on a run, and one that is killed lets go of it."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from training_command import SMALL, command, dentwatch, environment

from dentwatch.errors import RunHeldError
from dentwatch.training.fitting import LAST
from dentwatch.training.hold import held
from dentwatch.training.run_folder import RunFolder

pytestmark = pytest.mark.timeout(900)  # whole runs of the command line, on a machine that may be busy

_HOLDER = """
import sys
from pathlib import Path
from dentwatch.training.run_folder import RunFolder

with RunFolder(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(run: Path) -> "subprocess.Popen[str]":
    """Another process that holds ``run``."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_who_is_at_work_is_named_until_it_is_killed(tmp_path: Path) -> None:
    with _holder(tmp_path / "first") as process:
        for _ in range(2):  # and asking does not free it
            with (
                pytest.raises(RunHeldError, match=rf"Another process \({process.pid}\) is at work on the run first\."),
                RunFolder(tmp_path / "first").held(),
            ):
                pass
        with RunFolder(tmp_path / "second").held():
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    with RunFolder(tmp_path / "first").held():
        pass


def test_another_thread_is_refused_and_takes_nothing_away(tmp_path: Path) -> None:
    refused: list[RunHeldError] = []

    def ask() -> None:
        try:
            with held(tmp_path / "lock", "the search"):
                pass
        except RunHeldError as error:
            refused.append(error)

    with RunFolder(tmp_path).held(), held(tmp_path / "lock", "the search"):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        assert len(refused) == 1
        other = subprocess.run(
            [sys.executable, "-c", _HOLDER, str(tmp_path)], capture_output=True, text=True, input="", check=False
        )
        assert "RunHeldError" in other.stderr
    with held(tmp_path / "lock", "the search"):
        pass


def test_of_two_processes_that_train_one_run_one_does_and_registers_it_once(stocked: Path) -> None:
    both = [
        subprocess.Popen(
            command("train", "--name", "first", *SMALL, "--json"),
            env=environment(stocked),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = sorted((process.communicate(timeout=600), process.returncode) for process in both)
    assert sorted(code for _, code in said) == [0, 1], said
    [(_, complaint)] = [outputs for outputs, code in said if code]
    assert "is at work on the run first." in complaint or "The run first is finished" in complaint
    listed = json.loads(dentwatch("models", "list", "--json", home=stocked).stdout)
    assert [one["version"] for one in listed["versions"]] == [1]


def test_a_training_that_is_killed_lets_go_while_its_helpers_still_end(stocked: Path) -> None:
    long = (*SMALL, "--epochs", "400", "--set", "loader_workers=2")
    process = subprocess.Popen(
        command("train", "--name", "first", *long),
        env=environment(stocked),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    folder = RunFolder(stocked / "runs" / "first")
    while process.poll() is None and not (folder.path / LAST).exists():
        time.sleep(0.05)
    second = dentwatch("train", "--resume", "first", home=stocked)
    assert second.returncode == 1
    assert f"Another process ({process.pid}) is at work on the run first." in second.stderr
    assert "Wait until it has finished, or end it" in second.stderr
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it went on training all the while"
    with folder.held():
        pass
