"""Taking in a batch is killed at moments all over its course, and comes to the same end."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from batches import bench_of, carried_out, garage, later, settings_of

from dentwatch.data.ingest import Ingest
from dentwatch.data.sources import open_source
from dentwatch.loop import inbox
from dentwatch.loop.steps import Ask
from dentwatch.records.datasets import DatasetStore

KILLS = 8

# What a process of the loop does with a step, over and over, so that whenever it is killed it is in the middle of it.
WORK = """
import sys
from datetime import UTC, datetime
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from batches import bench_of, settings_of
from dentwatch.loop.intake import take_in
from dentwatch.loop.steps import Again, Step
bench = bench_of(settings_of(Path(sys.argv[1])))
now = datetime.now(UTC)
result = None
print("begun", flush=True)
while True:
    step = Step(1, "key", "take-in", sys.argv[2], {}, "running", 1, now, now, now, None, result, None)
    outcome = take_in(bench, step)
    result = outcome.result if isinstance(outcome, Again) else None
"""


def _comparable(result: dict[str, Any] | None) -> dict[str, Any]:
    assert result is not None
    return {name: result[name] for name in ("state", "version", "diff", "set_aside", "contradictions")}


@pytest.mark.slow
def test_a_batch_that_is_killed_again_and_again_ends_as_if_it_never_was(home: Path, tmp_path: Path) -> None:
    source = garage(tmp_path / "cars", range(40)).write()
    Ingest(settings_of(home), workers=1).run(open_source(source).photos())
    garage(home / "inbox" / "march", range(100, 160)).write()
    settings = settings_of(home)
    [batch] = inbox.pending_batches(settings, bench_of(settings).database, later())
    untouched = tmp_path / "untouched"
    shutil.copytree(home, untouched, copy_function=shutil.copy2)

    places = [
        str(Path(__file__).parent),
        str(Path(__file__).parent.parent),
        str(Path(__file__).parent.parent / "serving"),
    ]
    for number in range(KILLS):
        command = [sys.executable, "-c", WORK, str(home), batch, *places]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stdout.readline() == "begun\n"
            time.sleep(0.25 * number)  # not waiting for anything: another moment each time
            process.send_signal(signal.SIGKILL)
    [again] = [one.id for one in inbox.batches(settings)]
    assert again == batch, "nothing in the inbox was touched"
    result = carried_out(bench_of(settings), Ask("take-in", batch)).result

    whole = settings_of(untouched)
    [same] = [one.id for one in inbox.batches(whole)]
    expected = carried_out(bench_of(whole), Ask("take-in", same)).result
    assert _comparable(expected)["diff"]["photos_added"] == 60
    assert _comparable(result)["version"] == _comparable(expected)["version"]
    assert _comparable(result)["set_aside"] == _comparable(expected)["set_aside"] == []
    store = DatasetStore(settings.dataset_store_url)
    assert len(store.versions()) == 2
