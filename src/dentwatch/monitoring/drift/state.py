"""A detector's state as bytes: arrays in NumPy's own format and JSON, never pickle."""

import io
import json
from dataclasses import asdict
from zipfile import BadZipFile

import numpy as np

from dentwatch.errors import DriftStateError
from dentwatch.monitoring.drift.onset import Recent
from dentwatch.monitoring.drift.reading import DriftAlarm, Movement
from dentwatch.monitoring.drift.recursion import Recursion

_VERSION = 1


def pack(fingerprint: str, recursion: Recursion, recent: Recent, alarms: tuple[DriftAlarm, ...]) -> bytes:
    """The state of one detector; ``fingerprint`` is that of its odds."""
    head = {
        "version": _VERSION,
        "fingerprint": fingerprint,
        "updates": recursion.updates,
        "alarms": [asdict(alarm) for alarm in alarms],
    }
    file = io.BytesIO()
    text = np.frombuffer(json.dumps(head).encode(), np.uint8)
    np.savez(file, head=text, money=recursion.money, quiet=recursion.quiet, recent=recent.figures)
    return file.getvalue()


def unpack(state: bytes, fingerprint: str, recursion: Recursion, recent: Recent) -> tuple[DriftAlarm, ...]:
    """Put ``state`` into ``recursion`` and ``recent`` and return the alarms that stood.

    Raises :class:`DriftStateError` and changes nothing if it is damaged or has another fingerprint.
    """
    try:
        with np.load(io.BytesIO(state), allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in ("head", "money", "quiet", "recent")}
        head = json.loads(arrays["head"].tobytes())
        known = head["version"], head["fingerprint"]
        alarms = tuple(_alarm(entry) for entry in head["alarms"])
        updates = int(head["updates"])
    except (BadZipFile, KeyError, TypeError, ValueError, EOFError, OSError) as error:
        raise DriftStateError(
            f"A saved state of the drift detector cannot be read: {error}.", "Start the detector anew."
        ) from error
    if known != (_VERSION, fingerprint):
        raise DriftStateError(
            "A saved state of the drift detector was made with another reference.",
            "Start the detector anew: the champion or its reference has changed.",
        )
    recursion.updates = updates
    recursion.money[...], recursion.quiet[...], recent.figures[...] = (
        arrays[name] for name in ("money", "quiet", "recent")
    )
    return alarms


def _alarm(entry: dict[str, object]) -> DriftAlarm:
    moved = tuple(Movement(**movement) for movement in entry.pop("moved"))  # type: ignore[attr-defined]
    return DriftAlarm(**entry, moved=moved)  # type: ignore[arg-type]
