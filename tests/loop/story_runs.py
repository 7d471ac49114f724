"""Tells the shortened story, with and without kills, each time in a process of its own.

    python tests/loop/story_runs.py 50

tells it again and again until 50 kills have happened, once without any, and prints which promises were broken.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

KILLS_A_STORY = 12


def told(place: Path, kills: int, seed: int) -> dict[str, Any]:
    """The story told with so many kills on a copy of the stage in ``place``, by a process of its own; how it ended.

    The copy lies where the stage was set, since the registry knows the files of models by their place.
    """
    stage, home = place / "stage", place / "home"
    if not stage.exists():
        _in_a_process("stage", home)
        shutil.move(home, stage)
    shutil.copytree(stage, home)
    found: dict[str, Any] = json.loads(_in_a_process("tell", home, kills, seed))
    shutil.rmtree(home)
    return found


def _in_a_process(*arguments: object) -> str:
    paths = [str(Path(__file__).parents[1] / folder) for folder in ("", "serving", "training")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).with_name("short_story.py")), *map(str, arguments)]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def main(kills: int) -> None:
    """Tell the story until so many kills have happened, and compare each end with the end of one without."""
    began, happened, broken = time.monotonic(), Counter[str](), []
    with tempfile.TemporaryDirectory() as folder:
        calm = told(Path(folder), 0, seed=0)["outcome"]
        for seed in count(1):
            found = told(Path(folder), KILLS_A_STORY, seed)
            happened.update(found["kills"])
            sys.stdout.write(f"story {seed}: {found['kills']}\n")
            broken += [
                f"story {seed}: {name} {found['outcome'][name]}, without kills {calm[name]}"
                for name in calm
                if found["outcome"][name] != calm[name]
            ]
            sys.stdout.flush()
            if happened.total() >= kills:
                break
    sys.stdout.write(
        f"{happened.total()} kills in {seed} stories, {time.monotonic() - began:.0f} s: {dict(happened)}\n"
    )
    sys.stdout.write(f"{len(broken)} promises broken\n" + "".join(f"{one}\n" for one in broken))
    sys.exit(bool(broken))


if __name__ == "__main__":
    main(int(sys.argv[1]))
