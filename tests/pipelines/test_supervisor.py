"""Processes that run together."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from receiver import until

from dentwatch.errors import SettingsError
from dentwatch.pipelines.parts import parts_of
from dentwatch.pipelines.supervisor import Part, Supervisor
from dentwatch.settings import Settings

ENDLESS = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
time.sleep(600)
"""


def part(name: str, code: str) -> Part:
    return Part(name, [sys.executable, "-c", code], dict(os.environ))


def descendants() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_a_part_that_is_killed_is_started_again_and_nothing_is_left_behind(tmp_path: Path) -> None:
    told: list[str] = []
    before = descendants()
    with Supervisor([part("a", ENDLESS), part("b", ENDLESS)], tmp_path, told.append) as running:
        until(lambda: len(descendants() - before) == 4, 30)
        first, other = running.health()
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: running.health()[0].restarts == 1 and running.health()[0].pid is not None, 30)
        assert running.health()[1].pid == other.pid
        until(lambda: len(descendants() - before) == 4, 30)
        assert running.health()[0].memory > 0
    assert told == ["a died (signal 9); it is started again in 1 s."]
    assert descendants() == before


def test_what_a_part_says_is_in_its_log(tmp_path: Path) -> None:
    with Supervisor([part("a", "print('hello', flush=True); import time; time.sleep(600)")], tmp_path, print):
        until(lambda: "hello" in (tmp_path / "a.log").read_text(), 30)


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DENTWATCH_HOME": str(tmp_path / "home"),
        "DENTWATCH_SERVING__PORT": "0",
        "DENTWATCH_SERVING__WORKERS": "1",
        "DENTWATCH_SERVING__ENGINE": "onnxruntime",
        "DENTWATCH_MONITORING__ENABLED": "false",
    }
    command = [sys.executable, "-m", "dentwatch", "up", "--without", "dagster,mlflow"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        log = tmp_path / "home" / "logs" / "serve.log"
        until(lambda: log.exists() and "Serving" in log.read_text(), 60)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 3  # the service, its worker process, the loop
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_a_part_that_is_none_is_named() -> None:
    with pytest.raises(SettingsError, match="no part dags"):
        parts_of(Settings(), ["dags"])
