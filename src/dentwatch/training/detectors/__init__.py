"""The detectors that can be trained, by name.

A detector is one file in this folder, or in another package that names its module under the entry-point group
``dentwatch.detectors``; see ``docs/adding-a-detector.md``.
"""

import importlib
import pkgutil
from importlib.metadata import entry_points

from dentwatch.errors import TrainingError
from dentwatch.records.model_bundle import ModelSpec
from dentwatch.training.detectors.averaged import Averaged
from dentwatch.training.detectors.contract import Detector

ENTRY_POINT_GROUP = "dentwatch.detectors"


def available() -> dict[str, type[Detector]]:
    """Every detector that this installation can train, by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        entry_point.load()
    return dict(sorted(Detector.registered.items()))


def create(name: str, size: str | None, labels: tuple[str, ...], input_size: int) -> Detector:
    """A fresh detector for ``labels`` on square photos of ``input_size`` pixels.

    ``size`` None takes the detector's first size. Raises :class:`TrainingError` as :func:`check` does.
    """
    return check(name, size, labels, input_size)(size or available()[name].sizes[0], labels, input_size)


def of_model(spec: ModelSpec, input_size: int) -> Detector:
    """The fresh network, or networks, of a model version, on photos of ``input_size`` pixels; raises as above."""
    networks = [create(spec.detector, spec.size, spec.labels, input_size) for _ in range(spec.members)]
    return networks[0] if spec.members == 1 else Averaged(networks)


def check(name: str, size: str | None, labels: tuple[str, ...], input_size: int, members: int = 1) -> type[Detector]:
    """The kind of detector that :func:`create` would make, without making it.

    Raises :class:`TrainingError` for an unknown name or size, an input size that the network cannot take, no label, or
    several ``members`` that cannot answer together.
    """
    detectors = available()
    if name not in detectors:
        raise TrainingError(f"There is no detector named {name!r}.", f"Choose one of: {', '.join(detectors)}.")
    kind = detectors[name]
    if size is not None and size not in kind.sizes:
        raise TrainingError(f"{name} has no size {size!r}.", f"Choose one of: {', '.join(kind.sizes)}.")
    if input_size < kind.stride or input_size % kind.stride:
        raise TrainingError(
            f"{name} cannot take photos of {input_size} pixels.", f"Choose a multiple of {kind.stride} pixels."
        )
    if members > 1 and not kind.averaged:
        able = ", ".join(one for one, other in detectors.items() if other.averaged)
        raise TrainingError(
            f"What several networks of {name} say cannot be averaged.", f"Train with `members` 1, or one of: {able}."
        )
    if not labels:
        raise TrainingError("No label to learn was named.", "Name at least one, as in `--labels scratch,dent`.")
    return kind
