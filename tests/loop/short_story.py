"""The story of a dusk, shortened: a tiny detector, tiny photos, and the real chain from the first dark photo on.

A service answers, a process watches, another carries the loop's steps out, over a real database, registry and dataset.
Both processes may be killed at any moment. ``story_runs`` tells it, in processes of its own.
"""

import io
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from garage import Boxes, Garage
from PIL import Image
from plain_detector import PlainDetector
from running_service import upload
from sqlalchemy import select, update
from starlette.testclient import TestClient

from dentwatch.data.degradation import over_exposure
from dentwatch.data.ingest import Ingest
from dentwatch.data.sources import open_source
from dentwatch.loop import journal
from dentwatch.loop.steps import Step
from dentwatch.monitoring import incidents, lease, watch_state
from dentwatch.monitoring.alerts import outbox
from dentwatch.monitoring.follower import LEASE
from dentwatch.records import audit
from dentwatch.records.database import Database
from dentwatch.records.loop_tables import loop_steps, rollouts
from dentwatch.records.registry import Registry
from dentwatch.serving.api import create_app
from dentwatch.serving.runtime import Runtime
from dentwatch.settings import Settings
from dentwatch.training.run import train
from dentwatch.training.run_settings import AugmentationSettings, RunSettings

DUSK = -3.0
"""How much light is lost, stops."""

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
"""When the first photo was taken; the hour is not to change within the story."""

WIDTH, HEIGHT = 128, 96
_VEHICLES = {"train": 24, "val": 12, "test": 12}  # of two photos each
_REFERENCE, _ORDINARY = 300, 20  # inspections in good light: those that arm the monitors, and those after
_PATIENCE = 300.0  # seconds that a part of the story may take, on a busy machine, too
_PROCESS = "import plain_detector; from dentwatch.cli import main; main()"
_SETTINGS: dict[str, Any] = {
    "monitoring": {"look_seconds": 0.05, "one_in": 100_000},
    "loop": {
        "retrain_epochs": 2,
        "shadow_photos": 60,
        "canary_share": 0.9,
        "canary_photos": 620,  # enough of the new champion's photos for a reference
        "calm_inspections": 40,
        "nightly_hour": (datetime.now(UTC).hour + 12) % 24,  # never while the story is told
        "latency_ratio": 20,  # a photo takes a millisecond; what is measured of that is how busy the machine is
    },
    "serving": {"follow_seconds": 0.2, "engine": "onnxruntime"},
    "data": {"near_duplicate_distance": 0},
}
_SPANS = {"dusk": 3.0, "investigate": 1.0, "retrain": 8.0, "gate": 4.0, "roll-out": 4.0, "verify": 3.0}
"""The parts of the story, and about how many seconds each takes: a kill comes at a random moment of one."""


def settings_of(home: Path) -> Settings:
    """What the story's processes are set to."""
    return Settings(home=home, **_SETTINGS)


def variables(home: Path) -> dict[str, str]:
    """The same in the environment of a process."""
    own = {
        f"DENTWATCH_{group}__{name}".upper(): str(value)
        for group, values in _SETTINGS.items()
        for name, value in values.items()
    }
    path = os.pathsep.join([str(Path(__file__).parents[1] / "training"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **own, "DENTWATCH_HOME": str(home), "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def scene(seed: int) -> tuple[np.ndarray, Boxes]:
    """A photo uint8 ``(96, 128, 3)`` of noise in ordinary light with a red scratch and a blue dent, and their boxes."""
    rng = np.random.default_rng(seed)
    light = rng.normal(0.18, 0.04) + rng.normal(0, 0.06, (12, 16, 3)) + rng.normal(0, 0.03, (12, 16, 1))
    linear = cv2.resize(light, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) + rng.normal(
        0, 0.004, (HEIGHT, WIDTH, 3)
    )
    boxes: Boxes = []
    for label, colour, left in (("scratch", (4.0, 0.1, 0.1), 2), ("dent", (0.1, 0.1, 4.0), 66)):
        x, y = left + int(rng.integers(0, 12)), int(rng.integers(4, 44))
        linear[y : y + 46, x : x + 46] *= colour
        boxes.append((label, [x, y, 46, 46]))
    rgb = (np.clip(linear, 0.002, 1) ** (1 / 2.2) * 255).astype(np.uint8)
    return rgb, boxes


def photo(seed: int, stops: float = 0.0) -> bytes:
    """The file of a scene in less light."""
    rgb = over_exposure(scene(seed)[0], stops, np.random.default_rng(seed))
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def set_the_stage(home: Path) -> None:
    """A dataset version, a champion trained on it, and monitors armed on :data:`_REFERENCE` inspections in daylight."""
    settings = settings_of(home)
    garage = Garage(home.parent / "source")
    number = 0
    for split, vehicles in _VEHICLES.items():
        for _ in range(2 * vehicles):
            fields = {"width": WIDTH, "height": HEIGHT, "vehicle_group": f"car {number // 2}", "split": split}
            garage.add(f"{number:03}.jpg", photo(number), scene(number)[1], licence="CC0-1.0", **fields)
            number += 1
    Ingest(settings, workers=1).run(open_source(garage.write()).photos())
    still = AugmentationSettings(mosaic=0, scale=(1, 1), colour=0, low_light=0, blur=0)
    run = RunSettings(
        detector=PlainDetector.name,
        size="only",
        input_size=64,
        epochs=12,
        learning_rate=0.01,
        ema_decay=0.9,
        augmentation=still,
        precision="32",
        loader_workers=0,
        quality_photos=0,
        validate_every=12,
    )
    train(settings, run, name="first")
    with Story(home) as story:
        for _ in range(_REFERENCE):
            story.submit(0.0)
        story.start("watcher")
        story.wait(lambda: story.updates == story.sent)


@dataclass
class Story:
    """The story in the home of a set stage; ``plan`` says how often which process is killed in which part."""

    home: Path
    plan: Counter[tuple[str, str]] = field(default_factory=Counter)
    seed: int = 0
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __enter__(self) -> "Story":
        self._ending = ExitStack()
        self._settings = settings_of(self.home)
        self._rng = random.Random(self.seed)
        self._due: dict[str, tuple[float, str]] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.database = self._ending.enter_context(closing(Database.of(self._settings)))
        self._client = self._ending.enter_context(
            TestClient(create_app(Runtime(self._settings)), base_url="http://localhost")
        )
        self.sent = self.updates
        self._ending.callback(self._stop)
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending.close()

    @property
    def updates(self) -> int:
        """How many inspections were watched."""
        with self.database.reading() as connection:
            return watch_state.read(connection).updates

    def start(self, part: str) -> None:
        """Start the watcher or the worker."""
        arguments = {"watcher": ("monitor", "run"), "worker": ("loop", "run")}[part]
        with (self.home / f"{part}.log").open("ab") as log:
            self._processes[part] = subprocess.Popen(
                [sys.executable, "-c", _PROCESS, *arguments], env=variables(self.home), stdout=log, stderr=log
            )

    def submit(self, stops: float) -> None:
        """Two photos of a car that nobody has seen before."""
        seeds = (10_000 + 2 * self.sent, 10_001 + 2 * self.sent)
        files = [upload(f"{seed}.jpg", photo(seed, stops)) for seed in seeds]
        fields = {"vehicle_id": f"V{self.sent}", "captured_at": (NOON + timedelta(seconds=self.sent)).isoformat()}
        response = self._client.post("/v1/inspections", files=files, data=fields)
        assert response.status_code == 200, response.text
        self.sent += 1

    def tell(self) -> None:
        """From good light to the end of the incident."""
        self.start("watcher")
        self.start("worker")
        for _ in range(_ORDINARY):
            self.submit(0.0)
        self.wait(lambda: self.updates == self.sent)
        self.wait(self._is_known, self._submit_one_by_one)
        self.wait(self._is_over, self._submit_where_wanted)
        self.wait(lambda: self.updates == self.sent)

    def wait(self, over: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Let time pass, and processes die, until it is ``over``."""
        until = time.monotonic() + _PATIENCE
        while not over():
            assert time.monotonic() < until, f"the story stands still in {self.home}: {self.steps()}"
            meanwhile()
            self._kill_what_is_due()
            self._hurry()
            time.sleep(0.01)

    def steps(self) -> list[Step]:
        """The steps of the loop, in the order in which they were asked for."""
        with self.database.reading() as connection:
            return list(reversed(journal.steps(connection)))

    @property
    def part(self) -> str:
        """Where the story stands: a key of :data:`_SPANS`."""
        open_ones = [step.kind for step in self.steps() if step.state in ("waiting", "running") and step.kind in _SPANS]
        return open_ones[-1] if open_ones else "dusk"

    def _is_known(self) -> bool:
        with self.database.reading() as connection:
            return any(one.is_settled for one in incidents.page(connection))

    def _is_over(self) -> bool:
        with self.database.reading() as connection:
            resolved = any(one.state == "resolved" for one in incidents.page(connection))
        return resolved and all(
            step.state not in ("waiting", "running") or step.kind == "guard" for step in self.steps()
        )

    def _submit_one_by_one(self) -> None:
        """The next dark photo once the last was seen: so the same ones are there when the harm is estimated."""
        if self.updates == self.sent:
            self.submit(DUSK)

    def _submit_where_wanted(self) -> None:
        if self.part in ("roll-out", "verify"):
            self.submit(DUSK)

    def _hurry(self) -> None:
        """Nobody waits here for the next look of a step that comes again."""
        rows, now = loop_steps, datetime.now(UTC)
        wanted = (rows.c.state == "waiting") & (rows.c.not_before > now) & (rows.c.kind != "guard")
        with self.database.writing() as connection:
            connection.execute(update(rows).where(wanted).values(not_before=now))

    def _kill_what_is_due(self) -> None:
        part, now = self.part, time.monotonic()
        for process in self._processes:
            if process not in self._due and self.plan[process, part] > 0 and self._works(process):
                self._due[process] = now + self._rng.uniform(0, _SPANS[part]), part
            if process in self._due and now >= self._due[process][0]:
                _, planned = self._due.pop(process)
                self.plan[process, planned] -= 1
                self.kills[process, part] += 1
                self._processes[process].kill()
                self._processes[process].wait()
                self._forget(process)
                self.start(process)

    def _works(self, process: str) -> bool:
        """Whether a process has begun: one that is just starting does nothing yet."""
        pid = f"/{self._processes[process].pid}/"
        with self.database.reading() as connection:
            if process == "watcher":
                return pid in (lease.holder_of(connection, LEASE, datetime.now(UTC)) or "")
            return any(pid in name for name in connection.scalars(select(loop_steps.c.claimed_by)) if name)

    def _forget(self, process: str) -> None:
        """The claims of a process that was killed; another would wait for their end, here nobody wants to."""
        pid, now = f"/{self._processes[process].pid}/", datetime.now(UTC)
        rows = loop_steps
        with self.database.writing() as connection:
            connection.execute(update(rows).where(rows.c.claimed_by.contains(pid)).values(claimed_until=now))
            holder = lease.holder_of(connection, LEASE, now)
            if holder is not None and pid in holder:
                lease.let_go(connection, LEASE, holder)

    def _stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(60)

    def outcome(self) -> dict[str, Any]:
        """What a kill may not change."""
        registry = Registry(self._settings)
        with self.database.reading() as connection:
            found = incidents.page(connection)
            names = {one.id: f"incident {number}" for number, one in enumerate(found)}
            timelines = [_events(incidents.timeline(connection, one.id)) for one in found]
            told = Counter(_named(one.alert.key, names) for one in outbox.page(connection))
            audited = Counter(
                f"{one.action} {_named(one.subject, names)}"
                for one in audit.entries(connection, last=5000)
                if one.action != "inspection.submit"
            )
            stages = [
                (row.model, row.stage) for row in connection.execute(select(rollouts).order_by(rollouts.c.number))
            ]
        return {
            "incidents": [(one.cause, one.slice, one.level, one.state, one.harm) for one in found],
            "timelines": timelines,
            "steps": [(_named(step.key, names), step.state) for step in self.steps() if step.kind != "guard"],
            "told": told,
            "audit": audited,
            "models": [(one.number, one.run_id is not None, one.aliases) for one in registry.versions()],
            "promotions": [one.version for one in registry.history()],
            "rollouts": stages,
            "runs": sorted(re.sub("[0-9a-f-]{30,}", "", one.name) for one in (self.home / "runs").iterdir()),
            "audit chain": audit.verify(self.database).number > 0,
            "inspections seen": self.updates == self.sent,
        }


def _named(text: str, names: dict[str, str]) -> str:
    for name, known in names.items():
        text = text.replace(name, known)
    return text


def _events(timeline: Any) -> list[tuple[str, str, str]]:
    """The timeline without the number of inspections that calm was seen in."""
    return [(one.kind, one.actor, re.sub(r"\b\d+ inspections", "# inspections", one.text)) for one in timeline]


def planned(kills: int, seed: int) -> Counter[tuple[str, str]]:
    """So many kills over the story, two of three times of the worker."""
    rng = random.Random(seed)
    plan: Counter[tuple[str, str]] = Counter()
    for number in range(kills):
        process = "watcher" if number % 3 == 2 else "worker"
        plan[process, rng.choice([part for part in _SPANS if (process, part) != ("worker", "dusk")])] += 1
    return plan


def _tell(home: Path, kills: int, seed: int) -> None:
    with Story(home, planned(kills, seed), seed) as story:
        story.tell()
        killed = {f"{process} in {part}": number for (process, part), number in sorted(story.kills.items())}
        sys.stdout.write(json.dumps({"kills": killed, "outcome": story.outcome()}))


if __name__ == "__main__":
    if sys.argv[1] == "stage":
        set_the_stage(Path(sys.argv[2]))
    else:
        _tell(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
