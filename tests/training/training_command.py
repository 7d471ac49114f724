"""``dentwatch`` in a process of its own, on one thread so that tests beside each other do not wait for each other."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dentwatch.settings import Settings
from dentwatch.training.run_folder import RunFolder, RunRecord

SMALL = (
    *("--weights", "none", "--input-size", "64", "--epochs", "4", "--batch-size", "4", "--precision", "32"),
    *("--no-quality", "--set", "loader_workers=0"),
)
"""A training of seconds on the 16 photos of ``tiny_cars``: 4 steps an epoch, no helpers that have to start first."""


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment with a home, one thread, and no network address to wait for."""
    threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return {**os.environ, "DENTWATCH_HOME": str(home), "COLUMNS": "200", **threads, **more}


def command(*arguments: str | Path) -> list[str]:
    """The installed command line."""
    return [str(Path(sys.executable).parent / "dentwatch"), *map(os.fspath, arguments)]


def dentwatch(*arguments: str | Path, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run ``dentwatch`` with ``arguments`` to its end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=600, check=False, env=environment(home, **more)
    )


@dataclass(frozen=True)
class Finished:
    """A home in which two runs, ``first`` and ``second``, were trained from the command line, and what they said."""

    home: Path
    first: subprocess.CompletedProcess[str]
    second: subprocess.CompletedProcess[str]

    @property
    def settings(self) -> Settings:
        """The settings of that home."""
        return Settings(home=self.home)

    def record(self, name: str) -> RunRecord:
        """What ``run.json`` says of a run."""
        record = RunFolder(self.home / "runs" / name).record()
        assert record is not None
        return record
