"""Batches of annotated photos for the tests of the inbox: damage is drawn in colours that the test model knows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from garage import Boxes, Garage
from rectangles import as_photo, rectangles_rgb

from dentwatch.loop import intake, journal
from dentwatch.loop.steps import Again, Ask, Bench, Done, Step
from dentwatch.records.database import Database
from dentwatch.settings import DataSettings, LoopSettings, Settings

WIDTH, HEIGHT = 256, 192

Change = Callable[[int, Boxes], Boxes]
"""What is said about photo ``number`` instead of the truth."""


def pixels(number: int) -> tuple[np.ndarray, Boxes]:
    """Photo ``number``, uint8 ``(192, 256, 3)``, with a scratch, a dent, both or (every fourth) nothing."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(20, 110, (6, 8, 3), np.uint8)
    ground = np.minimum(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), 110)
    boxes: Boxes = []
    if number % 4 in (1, 3):
        boxes.append(("scratch", [int(rng.integers(5, 100)), int(rng.integers(5, 60)), 60, 12]))
    if number % 4 in (2, 3):
        boxes.append(("dent", [int(rng.integers(120, 200)), int(rng.integers(90, 140)), 40, 36]))
    drawn = rectangles_rgb(WIDTH, HEIGHT, *((label, *map(int, box)) for label, box in boxes))  # type: ignore[arg-type]
    return np.where((drawn > 128).any(axis=2, keepdims=True), drawn, ground).astype(np.uint8), boxes


def photo(number: int) -> bytes:
    """The file of photo ``number``."""
    return as_photo(pixels(number)[0])


def garage(
    folder: Path,
    numbers: range,
    change: Change = lambda _number, boxes: boxes,
    data: Callable[[int], bytes] = photo,
    split: Callable[[int], str | None] = lambda _number: None,
) -> Garage:
    """Photos ``numbers``, two of a vehicle, in ``folder``; annotations and bytes changed where asked for."""
    made = Garage(folder)
    for number in numbers:
        boxes = change(number, pixels(number)[1])
        fields = {"width": WIDTH, "height": HEIGHT, "vehicle_group": f"car {number // 2}"}
        named = {"split": split(number)} if split(number) else {}
        made.add(f"{number:04}.png", data(number), boxes, **fields, **named)
    return made


def settings_of(home: Path, **loop: object) -> Settings:
    """Settings whose inbox is settled at once."""
    limits = LoopSettings(settle_seconds=0, **loop)  # type: ignore[arg-type]
    return Settings(home=home, data=DataSettings(workers=1), loop=limits)


def bench_of(settings: Settings) -> Bench:
    """What a step works with."""
    return Bench(settings, Database.of(settings), lambda *_: None)


def carried_out(bench: Bench, wish: Ask) -> Step:
    """The step after it was asked for and carried out to its end by :func:`take_in`."""
    with bench.database.writing() as connection:
        journal.ask(connection, wish)
    while True:
        with bench.database.writing() as connection:
            step = journal.claim(connection, "test", wish.run_key)
        assert step is not None
        outcome: Done | Again = intake.take_in(bench, step)
        with bench.database.writing() as connection:
            assert journal.finish(connection, step, "test", outcome)
        if isinstance(outcome, Done):
            with bench.database.reading() as connection:
                return journal.existing(connection, wish.run_key)


def later(seconds: float = 1) -> datetime:
    """A moment after now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)
