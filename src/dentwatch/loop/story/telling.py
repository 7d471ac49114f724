"""The story of a dusk, from the last bright photo to the champion that sees in the dark.

::

    dentwatch demo             # on photos that Dentwatch makes itself, the starter model serves
    dentwatch demo my-photos   # on yours, a model is trained on them first
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from dentwatch.loop import journal
from dentwatch.loop.steps import Step
from dentwatch.loop.story.sellers import Answered, Car, Sellers
from dentwatch.loop.story.stage import Stage
from dentwatch.monitoring import incidents, watch_state
from dentwatch.monitoring.incidents import Event, Incident
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.database import Database
from dentwatch.records.photos import PhotoStore
from dentwatch.settings import Settings

DUSK = -4.0
"""How much light is lost, in stops of linear light, without added noise."""

_PHOTOS_A_CAR = 2
_BRIGHT = 30  # inspections in good light after the monitors are armed
_QUICK, _SLOW = 10.0, 1.5  # inspections a second: while something waits for traffic, and while a model trains
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """What the story's service and loop are set to, so that it takes minutes instead of days."""

    retrain_minutes: float = 4.0
    shadow_photos: int = 60
    canary_photos: int = 60
    calm_inspections: int = 60
    patience_minutes: float = 14.0

    def variables(self) -> dict[str, object]:
        """The settings by their names in the environment."""
        return {
            "SERVING__WORKERS": 1,
            "SERVING__ENGINE": "onnxruntime",
            "MONITORING__LOOK_SECONDS": 1,
            "LOOP__RETRAIN_MINUTES": self.retrain_minutes,
            "LOOP__SHADOW_PHOTOS": self.shadow_photos,
            "LOOP__CANARY_SHARE": 0.5,
            "LOOP__CANARY_PHOTOS": self.canary_photos,
            "LOOP__CALM_INSPECTIONS": self.calm_inspections,
        }


@dataclass(slots=True)
class Told:
    """What happened: the inspections as they were answered, when it fell dark (seconds since the beginning), and the
    incident with its timeline and steps. ``ended`` says how the story ended, for people.
    """

    began_at: datetime
    answered: list[Answered] = field(default_factory=list)
    dusk: float | None = None
    incident: Incident | None = None
    timeline: Sequence[Event] = ()
    steps: Sequence[Step] = ()
    ended: str = ""

    @property
    def is_happy(self) -> bool:
        """Whether the incident was resolved by a new champion."""
        return self.incident is not None and self.incident.state == "resolved"

    def seconds(self, moment: datetime) -> float:
        """When something happened, in seconds since the beginning."""
        return (moment - self.began_at).total_seconds()

    def result_of(self, kind: str) -> dict[str, Any] | None:
        """What the last step of a kind found."""
        return next((step.result for step in self.steps if step.kind == kind and step.result), None)


def tell(settings: Settings, cars: Sequence[Car], photos: PhotoStore, limits: Limits, console: Console) -> Told:
    """Let the story happen on a real service over the home of ``settings``; raises what its parts raise."""
    with closing(Database.of(settings)) as database, Stage(settings, limits.variables()) as stage:
        console.print(f"   Serving at {stage.address}; logs in {settings.home / 'logs'}", soft_wrap=True, style="dim")
        sellers = Sellers(stage.address, cars, photos, _QUICK, settings.data.max_pixels)
        teller = _Teller(database, sellers, console, limits)
        sellers.start()
        try:
            return teller.tell()
        finally:
            sellers.close()


def as_cars(records: Sequence[PhotoRecord]) -> list[Car]:
    """Annotated photos as cars of :data:`_PHOTOS_A_CAR` photos each."""
    by_vehicle: dict[str, list[PhotoRecord]] = {}
    for record in records:
        by_vehicle.setdefault(record.vehicle, []).append(record)
    return [
        Car(f"{vehicle}-{number}", tuple(part))
        for vehicle, all_of_it in by_vehicle.items()
        for number, part in enumerate(_parts(all_of_it))
    ]


def _parts(records: list[PhotoRecord]) -> list[list[PhotoRecord]]:
    return [records[start : start + _PHOTOS_A_CAR] for start in range(0, len(records), _PHOTOS_A_CAR)]


class _Teller:
    def __init__(self, database: Database, sellers: Sellers, console: Console, limits: Limits) -> None:
        self._database, self._sellers, self._console, self._limits = database, sellers, console, limits
        self._told = Told(datetime.now(UTC))
        self._until = time.monotonic() + 60 * limits.patience_minutes
        self._said: set[str] = set()

    def tell(self) -> Told:
        self._say("Sellers submit photos in daylight; the monitors learn what is normal.")
        if self._wait(self._is_armed, "The monitors were not armed in time."):
            armed = len(self._sellers.answered)
            self._say(f"The monitors are armed: {armed} inspections are their reference.")
            self._wait(lambda: len(self._sellers.answered) >= armed + _BRIGHT, "Too few inspections were answered.")
            self._fall_dark()
        self._look()
        self._told.answered = list(self._sellers.answered)
        return self._told

    def _fall_dark(self) -> None:
        self._told.dusk = self._sellers.seconds
        self._sellers.stops = DUSK
        self._say(f"[bold]Dusk falls:[/] every photo is {-DUSK:g} stops darker from now on.")
        if not self._wait(lambda: self._told.incident is not None, "The drift was not noticed in time."):
            return
        self._wait(self._is_over, "The story was not over in time.")

    def _wait(self, over: Callable[[], bool], otherwise: str) -> bool:
        """Look and tell until it is ``over``; False where patience, or the story itself, has an end before."""
        while time.monotonic() < self._until:
            self._look()
            if over():
                return True
            if self._told.ended:
                return False
            time.sleep(_LOOK_SECONDS)
        self._told.ended = otherwise
        self._say(f"[red]{otherwise}[/]")
        return False

    def _is_armed(self) -> bool:
        with self._database.reading() as connection:
            return watch_state.read(connection).reference is not None

    def _is_over(self) -> bool:
        if self._told.is_happy:
            self._told.ended = "The incident is closed."
        return bool(self._told.ended)

    def _look(self) -> None:
        """Tell what is new on the record, and sell as fast as fits what is under way."""
        told = self._told
        with self._database.reading() as connection:
            known = [one for one in incidents.page(connection) if told.dusk is not None]
            if known:
                told.incident = known[-1]
                told.timeline = incidents.timeline(connection, told.incident.id)
                told.steps = journal.steps(connection, incident=told.incident.id)
        for event in told.timeline:
            beside = event.kind == "revised" and told.incident and event.text != told.incident.summary
            if event.kind == "joined" or beside:  # what goes along with the drift
                continue
            self._once(event.kind + event.text, f"[cyan]{event.kind}[/]  {event.text}")
        for step in reversed(told.steps):
            if step.state in ("running", "done", "failed"):
                self._once(f"{step.key} {step.state}", _words(step))
        if told.incident is not None:
            told.ended = told.ended or _dead_end(told.steps)
        trains = any(step.kind in ("retrain", "gate") and step.state == "running" for step in told.steps)
        self._sellers.per_second = _SLOW if trains else _QUICK

    def _once(self, key: str, line: str) -> None:
        if key not in self._said:
            self._said.add(key)
            self._say(line)

    def _say(self, line: str) -> None:
        minutes, seconds = divmod(int(self._told.seconds(datetime.now(UTC))), 60)
        self._console.print(f"   [dim]{minutes:2d}:{seconds:02d}[/]  {line}", soft_wrap=True, highlight=False)


def _words(step: Step) -> str:
    colour = {"failed": "red", "done": "green"}.get(step.state, "yellow")
    said = {"running": "begins", "done": "is done", "failed": f"failed: {step.error}"}[step.state]
    return f"[{colour}]step[/]  {step.kind} {said}"


def _dead_end(steps: Sequence[Step]) -> str:
    """Why nothing more will happen by itself; empty while something may."""
    for step in steps:
        if step.state == "failed":
            return f"The step {step.key} failed: {step.error}"
    if any(step.state in ("waiting", "running") for step in steps):
        return ""
    for step in steps:  # the newest first
        if step.kind == "gate" and step.result and not step.result["passed"]:
            return str(step.result["text"])
        if step.kind == "roll-out" and step.result and step.result["stage"] == "rejected":
            return str(step.result["text"])
        if step.kind == "remedy" and step.result and step.result["model"] is None:
            return str(step.result["text"])
    return ""
