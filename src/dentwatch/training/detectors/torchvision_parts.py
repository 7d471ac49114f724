"""What the torchvision detectors share: normalisation, decoding of offsets, download of weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from dentwatch.errors import TrainingError
from dentwatch.records.model_bundle import Rights
from dentwatch.training.detectors.contract import Target

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, what torchvision's backbones are trained with
_LONGEST_LOG = 4.135166556742356  # log(1000 / 16): offsets beyond it are noise that would overflow


def normalise(images: Tensor) -> Tensor:
    """RGB in 0–255 as torchvision's backbones expect it."""
    mean = torch.tensor(_MEAN, device=images.device).view(3, 1, 1)
    std = torch.tensor(_STD, device=images.device).view(3, 1, 1)
    return (images / 255 - mean) / std


def as_image_list(images: Tensor) -> ImageList:
    """A batch of squares as torchvision's anchor generators take it."""
    return ImageList(images, [(images.shape[-2], images.shape[-1])] * images.shape[0])


def as_torchvision(targets: Sequence[Target], device: torch.device, first_label: int) -> list[dict[str, Tensor]]:
    """Targets in torchvision's form; its two-stage detectors keep label 0 for the background."""
    return [{"boxes": target.boxes.to(device), "labels": target.labels.to(device) + first_label} for target in targets]


def anchors_of(backbone: nn.Module, generator: nn.Module, side: int) -> Tensor:
    """The anchors ``(A, 4)`` xyxy of a square photo of ``side`` pixels; they are the same for every photo."""
    blank = torch.zeros(1, 3, side, side)
    with torch.no_grad():
        features = list(backbone.eval()(blank).values())
        anchors: Tensor = generator(as_image_list(blank), features)[0]
    return anchors


def centres(boxes: Tensor) -> Tensor:
    """Centres ``(A, 2)`` of boxes ``(A, 4)`` xyxy."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def apply_offsets(boxes: Tensor, offsets: Tensor, weights: tuple[float, float, float, float], side: int) -> Tensor:
    """Boxes ``(…, 4)`` xyxy moved by predicted offsets ``(…, 4)``, inside a square of ``side`` pixels.

    The parametrisation of Girshick et al., "Rich feature hierarchies" (2014), as torchvision's ``BoxCoder``.
    """
    sides = boxes[..., 2:] - boxes[..., :2]
    middle = boxes[..., :2] + sides / 2
    scale = torch.tensor(weights, device=offsets.device)
    moved = offsets / scale
    middle = middle + moved[..., :2] * sides
    half = moved[..., 2:].clamp(max=_LONGEST_LOG).exp() * sides / 2
    return torch.cat([middle - half, middle + half], dim=-1).clamp(0, side)


def download(weights: Any, folder: Path) -> tuple[dict[str, Tensor], Rights]:
    """Parameters of one of torchvision's weights, downloaded into ``folder`` if they are not there.

    Raises :class:`TrainingError` when they cannot be had.
    """
    try:
        parameters: dict[str, Tensor] = weights.get_state_dict(model_dir=str(folder), progress=False, check_hash=True)
    except Exception as error:  # urllib and torch.hub raise many things
        raise TrainingError(
            f"The pretrained weights {weights} could not be downloaded ({error}).",
            "Use a file (`--weights FILE`), an earlier model version or none (`--weights none`).",
        ) from error
    return parameters, Rights(name=str(weights), licence="BSD-3-Clause", source="torchvision")
