"""What training, evaluation and export ask of a detector."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from dentwatch.records.model_bundle import Rights


@dataclass(frozen=True, slots=True)
class Target:
    """The truth about one photo at the network's input size.

    ``boxes`` float32 ``(M, 4)`` xyxy in input pixels, ``labels`` int64 ``(M,)``, and ``ignore`` float32 ``(K, 4)``
    xyxy: regions where the network is neither rewarded nor punished.
    """

    boxes: Tensor
    labels: Tensor
    ignore: Tensor


class Detector(nn.Module, ABC):
    """A network that finds boxes, its loss, and what export needs to know of it.

    Subclasses set ``name``, ``sizes`` (the first is the default), the ``stride`` that an input size must be
    a multiple of, AdamW's peak ``learning_rate`` for batches of 16, and whether the traced network takes photos of
    ``any_shape`` whose sides are multiples of ``stride``, and whether a candidate's place among them says where in the
    photo it is, so that what several networks say can be ``averaged``; they are registered by being imported.
    """

    name: ClassVar[str]
    sizes: ClassVar[tuple[str, ...]]
    stride: ClassVar[int] = 32
    any_shape: ClassVar[bool] = False
    averaged: ClassVar[bool] = False
    learning_rate: ClassVar[float] = 1e-3
    registered: ClassVar[dict[str, type["Detector"]]] = {}

    def __init_subclass__(cls) -> None:
        """Register the detector under its name."""
        super().__init_subclass__()
        if hasattr(cls, "name"):
            Detector.registered[cls.name] = cls

    def __init__(self, size: str, labels: tuple[str, ...], input_size: int) -> None:
        super().__init__()
        self.size = size
        self.labels = labels
        self.input_size = input_size

    @abstractmethod
    def loss(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The parts of the loss, to be added up; ``images`` float32 ``(N, 3, S, S)`` RGB in 0–255, training mode."""

    def taught_loss(
        self,
        images: Tensor,
        targets: Sequence[Target],
        said: tuple[Tensor, Tensor],
        share: float,
    ) -> dict[str, Tensor]:
        """The same, where a ``share`` of the loss, 0 to 1, is about what a teacher ``said`` of ``images``.

        ``said`` as :meth:`forward` returns it. A detector without it cannot learn from a model, and is never asked.
        """
        raise NotImplementedError

    @abstractmethod
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Candidates before non-maximum suppression, evaluation mode, traceable for ONNX with any N.

        ``images`` as in :meth:`loss`, with ``any_shape`` also ``(N, 3, H, W)``; returns ``boxes`` float32 ``(N, A, 4)``
        xyxy in input pixels and ``scores`` float32 ``(N, A, C)`` in [0, 1], C in the order of ``labels``.
        """

    @abstractmethod
    def load_library_weights(self, folder: Path) -> Rights:
        """Load the library's pretrained weights and say what they are; downloads are kept in ``folder``.

        Raises :class:`~dentwatch.errors.TrainingError` when they cannot be had.
        """

    def rate_share(self, name: str) -> float:  # noqa: ARG002
        """The share of the learning rate at which the parameter ``name`` learns; less where it has learnt already."""
        return 1.0

    def load_parameters(self, parameters: dict[str, Tensor]) -> list[str]:
        """Copy every parameter and buffer whose name and shape fit; returns the names of the others."""
        own = self.state_dict()
        fitting = {name: value for name, value in parameters.items() if name in own and own[name].shape == value.shape}
        self.load_state_dict(fitting, strict=False)
        return [name for name in own if name not in fitting]


def ignored_points(points: Tensor, target: Target) -> Tensor:
    """Which of ``points`` ``(A, 2)`` (x, y in pixels) lie in an ignore region and in no box; bool ``(A,)``."""

    def inside(boxes: Tensor) -> Tensor:
        x, y = points[:, 0, None], points[:, 1, None]
        hit = (x >= boxes[:, 0]) & (x <= boxes[:, 2]) & (y >= boxes[:, 1]) & (y <= boxes[:, 3])
        return hit.any(dim=1)

    if len(target.ignore) == 0:
        return torch.zeros(len(points), dtype=torch.bool, device=points.device)
    ignored = inside(target.ignore)
    return ignored & ~inside(target.boxes) if len(target.boxes) else ignored
