"""Comparing engines in a process of its own: what OpenVINO leaves in memory ends with it, and so does its crash.

The process is started with ``python -m dentwatch.serving.engines.comparison``, reads a question and writes what its log
says, both as JSON.
"""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.engines import choice
from dentwatch.settings import ServingSettings

_PATIENCE_SECONDS = 120.0  # for a comparison and the start of a process

_log = logging.getLogger(__name__)


def compare_apart(bundle: ModelBundle, settings: ServingSettings, folder: Path) -> None:
    """Have it written down in ``folder`` which engine runs ``bundle``, for :func:`.choice.choose` to read.

    Does nothing where that is known, or where there is nothing to compare. Where the comparison fails, that is logged,
    and the reference is written down. Raises what :func:`.choice.check` raises.
    """
    choice.check(settings)
    if not choice.is_open(bundle, settings, folder):
        return
    question = {
        "bundle": str(bundle.folder.resolve()),
        "name": bundle.name,
        "folder": str(folder.resolve()),
        "settings": settings.model_dump(mode="json"),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=True,
        )
        told: list[tuple[int, str]] = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, OSError, ValueError, IndexError) as error:
        _log.warning("The engines cannot be compared, and the reference runs %s: %s", bundle.name, _why(error))
        choice.write_down_reference(bundle, folder)
        return
    for level, message in told:
        _log.log(level, message)


def _why(error: Exception) -> str:
    said = getattr(error, "stderr", None)
    return str(said).strip().splitlines()[-1] if said else str(error)


class _Telling(logging.Handler):
    """Keeps what is logged, instead of writing it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.told: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append((record.levelno, record.getMessage()))


def main() -> None:
    """Answer the question on standard input."""
    telling = _Telling()
    logging.getLogger().addHandler(telling)
    logging.getLogger("dentwatch").setLevel(logging.INFO)
    question: dict[str, Any] = json.load(sys.stdin)
    bundle = ModelBundle.load(Path(question["bundle"]), question["name"])
    choice.choose(bundle, ServingSettings.model_validate(question["settings"]), Path(question["folder"]))
    sys.stdout.write(json.dumps(telling.told))


if __name__ == "__main__":
    main()
