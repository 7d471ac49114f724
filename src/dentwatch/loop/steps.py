"""A step of the loop: one piece of work that is asked for once, done once, and leaves its result on record."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from dentwatch.records.database import Database
from dentwatch.settings import Settings

Kind = Literal[
    "take-in", "investigate", "remedy", "search", "retrain", "gate", "roll-out", "guard", "verify", "nightly"
]
State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it stands; ``cause`` and ``result`` are JSON values."""

    number: int
    key: str
    kind: Kind
    subject: str
    cause: dict[str, Any]
    state: State
    attempts: int
    created_at: datetime
    not_before: datetime
    started_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any] | None
    error: str | None

    def as_document(self) -> dict[str, Any]:
        """The step as a JSON document."""
        document = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in document.items()}

    def outcome(self) -> str:
        """What became of it, in a few words."""
        found = self.result or {}
        said = self.error or next((str(found[name]) for name in _TELLING if found.get(name)), "")
        return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"

    def in_words(self) -> str:
        """The step in a line."""
        said = self.outcome()
        return f"{self.key}: {self.state}" + (f" – {said}" if said else "")


_TELLING = ("text", "why", "decision", "reason", "model", "dataset_version")  # in a result, what tells most first
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Ask:
    """A wish for a step: of several with one ``key`` only the first counts. ``key`` defaults to kind/subject."""

    kind: Kind
    subject: str
    cause: dict[str, Any] = field(default_factory=dict)
    key: str | None = None

    @property
    def run_key(self) -> str:
        """What makes it happen once."""
        return self.key or f"{self.kind}/{self.subject}"


@dataclass(frozen=True, slots=True)
class Done:
    """A step is finished, with its result (JSON values) and the steps that follow from it."""

    result: dict[str, Any]
    then: tuple[Ask, ...] = ()


@dataclass(frozen=True, slots=True)
class Again:
    """A step is not finished and wants to be called again ``after`` some time; ``result`` is what it has so far."""

    after: timedelta
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """What a step works with; ``report(what, done, total)`` shows progress to whoever looks."""

    settings: Settings
    database: Database
    report: Callable[[str, int, int], None]


Work = Callable[[Bench, Step], Done | Again]
"""Carries out a step. Called again after a kill, it must come to the same result and do nothing twice."""
