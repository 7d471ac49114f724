"""A model that a network learns from besides the annotations.

Annotations say of each place of a photo whether there is damage or not, sometimes wrongly; a model says how likely it
is. A network that learns both learns by heart less, and one network can learn what several say together (Hinton,
Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015).
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dentwatch.errors import TrainingError
from dentwatch.records.model_bundle import ModelSpec, Rights
from dentwatch.serving.models import resolve
from dentwatch.settings import Settings
from dentwatch.training.detectors import available, create, of_model
from dentwatch.training.detectors.contract import Detector
from dentwatch.training.run_settings import RunSettings
from dentwatch.training.starting_weights import load_weights, rights_of


@dataclass(frozen=True, slots=True)
class Teacher:
    """A model's network, and where it is from; not a part of the network that learns from it."""

    network: Detector
    rights: Rights

    def says(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What it answers about ``images``, as :meth:`~.detectors.contract.Detector.forward` does."""
        with torch.no_grad():
            boxes, scores = self.network.to(images.device)(images)
        return boxes.float(), scores.float()


def named(run: RunSettings, settings: Settings) -> RunSettings:
    """``run`` with its teacher by a name that stays: ``champion`` will be another model one day.

    Raises :class:`ModelError` where there is none of that name.
    """
    if run.teacher is None or Path(run.teacher).is_dir():
        return run
    return run.model_copy(update={"teacher": resolve(run.teacher, settings).name})


def load(run: RunSettings, settings: Settings) -> Teacher | None:
    """The teacher that ``run`` names, if any.

    Raises :class:`TrainingError` for one that does not know the same labels or has not the same places to answer about,
    and :class:`ModelError` where there is none of that name.
    """
    if run.teacher is None:
        return None
    bundle = resolve(run.teacher, settings)
    if fault := _fault(bundle.spec, run):
        raise TrainingError(
            f"The model {run.teacher} cannot teach {run.detector}: {fault}.",
            "Name another model as `teacher`, or leave it out.",
        )
    if bundle.weights_path is None:
        raise TrainingError(
            f"The model {run.teacher} was kept without its network's parameters.", "Name another model as `teacher`."
        )
    network = of_model(bundle.spec, run.input_size)
    if _places(network) != _places(create(run.detector, run.size, run.labels, run.input_size)):
        raise TrainingError(
            f"The model {run.teacher} cannot teach {run.detector}: they answer about other places of a photo.",
            "Name a model of the same detector as `teacher`.",
        )
    load_weights(network, bundle.weights_path, run.teacher)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return Teacher(network.eval(), rights_of(bundle.spec, run.teacher))


def _fault(spec: ModelSpec, run: RunSettings) -> str:
    """Why a model of ``spec`` is no teacher for ``run``; empty where it is one."""
    if spec.labels != run.labels:
        return f"it knows {', '.join(spec.labels)}, and {', '.join(run.labels)} are to be learnt"
    kinds = available()
    students = [name for name, kind in kinds.items() if kind.taught_loss is not Detector.taught_loss]
    if run.detector not in students:
        return f"only {' and '.join(students)} can learn from a model"
    teachers = [name for name, kind in kinds.items() if kind.averaged]
    if spec.detector not in teachers:
        return f"only what {' and '.join(teachers)} say about each place of a photo can be learnt"
    return ""


def _places(network: Detector) -> int:
    """How many places of a photo ``network`` answers about."""
    with torch.no_grad():
        boxes, _ = network.eval()(torch.zeros(1, 3, network.input_size, network.input_size))
    return int(boxes.shape[1])
