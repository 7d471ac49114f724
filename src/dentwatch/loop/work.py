"""Which function carries out which kind of step. They are imported when they are needed: some bring torch along."""

from importlib import import_module
from typing import cast

from dentwatch.loop.steps import Kind, Work

_PLACES: dict[Kind, tuple[str, str]] = {
    "take-in": ("intake", "take_in"),
    "investigate": ("investigation", "investigate"),
    "remedy": ("remedies", "remedy"),
    "search": ("selection", "search"),
    "retrain": ("retraining", "retrain"),
    "gate": ("gating", "gate"),
    "roll-out": ("rollout", "roll_out"),
    "guard": ("guard", "guard"),
    "verify": ("verification", "verify"),
    "nightly": ("nightly", "nightly"),
}

KINDS: tuple[Kind, ...] = tuple(_PLACES)
"""Every kind of step."""


def work_of(kind: Kind) -> Work:
    """The function that carries out steps of that kind."""
    module, name = _PLACES[kind]
    return cast(Work, getattr(import_module(f"dentwatch.loop.{module}"), name))
