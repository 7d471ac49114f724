"""YOLOX (Ge et al., "YOLOX: Exceeding YOLO Series in 2021"): network and loss from LibreYOLO (MIT)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from libreyolo.models.yolox.nn import LibreYOLOXModel, YOLOXHead
from torch import Tensor

from dentwatch.errors import TrainingError
from dentwatch.records.model_bundle import Rights
from dentwatch.training.detectors.contract import Detector, Target, ignored_points
from dentwatch.training.detectors.imitation import imitation

_CENTRE_RADIUS = 1.5  # strides around a box's centre from which YOLOX assigns predictions
_SILENT_LOGIT = -20.0  # an objectness so low that its loss and gradient vanish


class YoloDetector(Detector):
    """YOLOX with ignore regions: predictions inside them are not taught to be background."""

    name: ClassVar[str] = "yolo"
    configs: ClassVar[dict[str, str]] = {"nano": "n", "tiny": "t", "s": "s"}  # LibreYOLO's names of the sizes
    sizes: ClassVar[tuple[str, ...]] = tuple(configs)
    any_shape: ClassVar[bool] = True
    averaged: ClassVar[bool] = True

    def __init__(self, size: str, labels: tuple[str, ...], input_size: int) -> None:
        super().__init__(size, labels, input_size)
        self.network = LibreYOLOXModel(self.configs[size], nb_classes=len(labels))
        self.network.init_weights()
        self.network.head.export = True  # evaluation mode returns decoded candidates
        # The channels-last layout halves the time of a step on a CPU.
        self.network.to(memory_format=torch.channels_last)

    def loss(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Box (IoU), objectness and class losses of YOLOX, with SimOTA assignment."""
        return self._losses(images, targets)[0]

    def taught_loss(
        self, images: Tensor, targets: Sequence[Target], said: tuple[Tensor, Tensor], share: float
    ) -> dict[str, Tensor]:
        """The same, and how far the network is from what the teacher said; see :func:`.imitation.imitation`."""
        parts, outputs = self._losses(images, targets)
        with torch.autocast(images.device.type, enabled=False):
            imitated = imitation(outputs, said)
        return {name: (1 - share) * part for name, part in parts.items()} | {
            name: share * part for name, part in imitated.items()
        }

    def _losses(self, images: Tensor, targets: Sequence[Target]) -> tuple[dict[str, Tensor], Tensor]:
        """The parts of the loss, and the decoded outputs that they are of, ``(N, A, 5 + C)`` float32."""
        head: YOLOXHead = self.network.head
        features = self.network.backbone(self._as_seen(images))
        decoded, x_shifts, y_shifts, strides, raw = head.forward_train_maps(features)
        decoded = decoded.float()
        outputs = _silence(decoded, x_shifts, y_shifts, strides, targets)
        with torch.autocast(images.device.type, enabled=False):
            parts: dict[str, Any] = head.get_losses(
                images, x_shifts, y_shifts, strides, _rows(targets, images), outputs, raw, dtype=torch.float32
            )
        return {"box": parts["iou_loss"], "objectness": parts["obj_loss"], "class": parts["cls_loss"]}, decoded

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Decoded candidates; see :meth:`Detector.forward`. The score is objectness × class probability."""
        candidates = self.network(self._as_seen(images))
        centre, side = candidates[..., :2], candidates[..., 2:4]
        boxes = torch.cat([centre - side / 2, centre + side / 2], dim=-1)
        return boxes, candidates[..., 4:5] * candidates[..., 5:]

    @classmethod
    def yolox_size(cls, size: str) -> str:
        """The size of the YOLOX files that this detector's ``size`` can start from."""
        return size

    def load_yolox(self, path: Path, photos: Tensor) -> Rights | None:
        """Start from the ONNX file of a YOLOX of :meth:`yolox_size`; returns the rights of what else was loaded.

        ``photos`` as in :func:`~dentwatch.training.detectors.yolo_weights.load_onnx`, which this calls.
        """
        from dentwatch.training.detectors.yolo_weights import load_onnx

        load_onnx(self, path, photos)
        return None

    def _as_seen(self, images: Tensor) -> Tensor:
        """YOLOX was trained on blue-green-red photos in 0–255."""
        return images.flip(1).contiguous(memory_format=torch.channels_last)

    def load_library_weights(self, folder: Path) -> Rights:
        """LibreYOLO's YOLOX weights, trained on COCO."""
        from libreyolo.utils.download import download_weights

        path = folder / f"LibreYOLOX{self.configs[self.size]}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            download_weights(str(path), self.configs[self.size])
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # the library raises whatever its HTTP client does
            raise TrainingError(
                f"The pretrained weights of yolo {self.size} could not be downloaded ({error}).",
                "Use a file (`--weights FILE`), an earlier model (`--weights starter`) or none (`--weights none`).",
            ) from error
        parameters = state.get("model", state)
        self.load_parameters({f"network.{name}": value for name, value in parameters.items()})
        return Rights(name=f"YOLOX-{self.size} trained on COCO", licence="Apache-2.0", source="LibreYOLO")


def _rows(targets: Sequence[Target], images: Tensor) -> Tensor:
    """Targets as YOLOX takes them: ``(N, M, 5)`` rows of class, centre, width and height; zeros are padding."""
    longest = max(1, *(len(target.labels) for target in targets))
    rows = torch.zeros(len(targets), longest, 5, device=images.device)
    for row, target in zip(rows, targets, strict=True):
        if n := len(target.labels):
            corners = target.boxes.to(rows)
            row[:n, 0] = target.labels.to(rows)
            row[:n, 1:3] = (corners[:, :2] + corners[:, 2:]) / 2
            row[:n, 3:5] = corners[:, 2:] - corners[:, :2]
    return rows


def _silence(
    outputs: Tensor, x_shifts: list[Tensor], y_shifts: list[Tensor], strides: list[Tensor], targets: Sequence[Target]
) -> Tensor:
    """``outputs`` with the objectness of predictions in ignore regions put where it has neither loss nor gradient.

    Predictions from which the assignment may choose (near the centre of a box) are left alone.
    """
    if not any(len(target.ignore) for target in targets):
        return outputs
    stride = torch.cat(strides, 1)[0]
    points = torch.stack([torch.cat(x_shifts, 1)[0], torch.cat(y_shifts, 1)[0]], 1)
    points = (points + 0.5) * stride[:, None]
    silent = torch.zeros(outputs.shape[:2], dtype=torch.bool, device=outputs.device)
    for place, target in enumerate(targets):
        silent[place] = ignored_points(points, target)
        if len(target.boxes):
            centres = (target.boxes[:, :2] + target.boxes[:, 2:]) / 2
            distance = (points[:, None] - centres[None]).abs().amax(dim=2)
            silent[place] &= (distance > _CENTRE_RADIUS * stride[:, None]).all(dim=1)
    objectness = outputs[..., 4].masked_fill(silent, _SILENT_LOGIT)
    return torch.cat([outputs[..., :4], objectness[..., None], outputs[..., 5:]], dim=-1)
