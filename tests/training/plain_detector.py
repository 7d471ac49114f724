"""A detector without batch norm, whose loss is a mean over photos: what DDP must not change."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dentwatch.records.model_bundle import Rights
from dentwatch.training.detectors.contract import Detector, Target


class PlainDetector(Detector):
    """Each cell of 16 pixels says what its centre lies in, and how far the sides of that box are."""

    name: ClassVar[str] = "plain"
    sizes: ClassVar[tuple[str, ...]] = ("only",)
    stride: ClassVar[int] = 16

    def __init__(self, size: str, labels: tuple[str, ...], input_size: int) -> None:
        super().__init__(size, labels, input_size)
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 4, 4), nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv2d(16, 32, 4, 4), nn.SiLU()
        )
        self.head = nn.Conv2d(32, len(labels) + 4, 1)
        side = torch.arange(input_size // self.stride) * self.stride + self.stride / 2
        y, x = torch.meshgrid(side, side, indexing="ij")
        self.register_buffer("centres", torch.stack([x.flatten(), y.flatten()], dim=1), persistent=False)

    def _cells(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(N, A, C)`` and distances to the sides in pixels ``(N, A, 4)``."""
        cells = self.head(self.body(images / 255 - 0.5)).flatten(2).transpose(1, 2)
        return cells[..., 4:], functional.softplus(cells[..., :4]) * self.stride

    def loss(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        logits, sides = self._cells(images)
        classes, boxes = [], []
        for target, logit, side in zip(targets, logits, sides, strict=True):
            due, distance = torch.zeros_like(logit), logit.new_zeros(())
            for box, label in zip(target.boxes, target.labels, strict=True):
                gaps = torch.cat([self.centres - box[:2], box[2:] - self.centres], dim=1)
                inside = (gaps > 0).all(dim=1)
                due[inside, label] = 1.0
                distance = distance + ((side - gaps).abs() * inside[:, None]).sum() / (4 * inside.sum().clamp(min=1))
            classes.append(functional.binary_cross_entropy_with_logits(logit, due))
            boxes.append(distance / self.input_size)
        return {"class": torch.stack(classes).mean(), "box": torch.stack(boxes).mean()}

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, sides = self._cells(images)
        return torch.cat([self.centres - sides[..., :2], self.centres + sides[..., 2:]], dim=-1), logits.sigmoid()

    def load_library_weights(self, folder: Path) -> Rights:
        raise NotImplementedError
