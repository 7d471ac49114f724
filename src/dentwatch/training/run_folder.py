"""A run's folder: what was asked for, how far it is, and what came of it."""

import re
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dentwatch.errors import TrainingError
from dentwatch.records.model_bundle import Rights
from dentwatch.training.hold import held
from dentwatch.training.run_settings import RunSettings

_RECORD = "run.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class RunRecord(BaseModel):
    """What is needed to go on with a run, and to trace what it made."""

    model_config = ConfigDict(extra="forbid")

    name: str
    dataset_version: str
    settings: RunSettings
    commit: str
    started_at: str
    tracking_run: str = ""
    starting_weights: Rights | None = None
    teacher: Rights | None = None
    model_version: str = ""


class RunFolder:
    """One run under ``DENTWATCH_HOME/runs``: ``run.json``, checkpoints, ``model/`` and ``report/``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, runs: Path, name: str | None, record: RunRecord) -> "tuple[RunFolder, RunRecord]":
        """The folder of a new run, or of the unfinished one of the same name and settings, with its record.

        Raises :class:`TrainingError` when the name cannot be a folder, or another run has it.
        """
        chosen = name or datetime.now(UTC).strftime("%Y%m%d-%H%M%S-") + record.settings.detector
        if not _NAME.fullmatch(chosen):
            raise TrainingError(
                f"{chosen!r} cannot be the name of a run.", "Use letters, digits, dots, hyphens and underscores."
            )
        folder = cls(runs / chosen)
        if (found := folder.record()) is None:
            return folder, record.model_copy(update={"name": chosen})
        if found.model_version or found.settings != record.settings or found.dataset_version != record.dataset_version:
            state = "is finished" if found.model_version else "was begun with other settings or photos"
            raise TrainingError(
                f"The run {chosen} {state}.",
                f"Choose another --name, go on with it (`dentwatch train --resume {chosen}`) or remove {folder.path}.",
            )
        return folder, found

    @classmethod
    def existing(cls, runs: Path, name: str) -> "tuple[RunFolder, RunRecord]":
        """The run called ``name``; raises :class:`TrainingError` when there is none."""
        folder = cls(runs / name)
        record = folder.record() if _NAME.fullmatch(name) else None
        if record is None:
            known = sorted(path.parent.name for path in runs.glob(f"*/{_RECORD}"))
            raise TrainingError(
                f"There is no run named {name!r}.",
                f"Known runs: {', '.join(known)}." if known else "No run was started in this DENTWATCH_HOME yet.",
            )
        return folder, record

    def held(self) -> AbstractContextManager[None]:
        """Hold the run as the only one at work on it; raises :class:`~dentwatch.errors.RunHeldError` where one is."""
        return held(self.path / ".lock", f"the run {self.path.name}")

    def record(self) -> RunRecord | None:
        """What ``run.json`` says; None where there is none yet."""
        path = self.path / _RECORD
        return RunRecord.model_validate_json(path.read_bytes()) if path.exists() else None

    def save(self, record: RunRecord) -> None:
        """Write ``run.json`` whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        temporary = self.path / f"{_RECORD}.new"
        temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
        temporary.replace(self.path / _RECORD)
