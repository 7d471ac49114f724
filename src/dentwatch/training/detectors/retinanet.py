"""RetinaNet (Lin et al., "Focal Loss for Dense Object Detection", 2017) of torchvision."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchvision.models import MobileNet_V3_Large_Weights
from torchvision.models.detection import RetinaNet, retinanet_resnet50_fpn_v2
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone
from torchvision.models.detection.retinanet import RetinaNet_ResNet50_FPN_V2_Weights
from torchvision.ops import box_iou

from dentwatch.records.model_bundle import Rights
from dentwatch.training.detectors.contract import Detector, Target, ignored_points
from dentwatch.training.detectors.torchvision_parts import (
    anchors_of,
    apply_offsets,
    as_torchvision,
    centres,
    download,
    normalise,
)

_CANDIDATES = 1000
_BACKGROUND, _BETWEEN = -1, -2  # torchvision's Matcher: below the low threshold, and between the two


class RetinaNetDetector(Detector):
    """RetinaNet with ignore regions: anchors centred in them are left out of the loss."""

    name: ClassVar[str] = "retinanet"
    sizes: ClassVar[tuple[str, ...]] = ("mobilenet", "resnet50")
    learning_rate: ClassVar[float] = 2e-4

    def __init__(self, size: str, labels: tuple[str, ...], input_size: int) -> None:
        super().__init__(size, labels, input_size)
        self.network: RetinaNet = _mobilenet(len(labels)) if size == "mobilenet" else _resnet50(len(labels))
        anchors = anchors_of(self.network.backbone, self.network.anchor_generator, input_size)
        self.register_buffer("anchors", anchors, persistent=False)
        self.train()

    def loss(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Focal loss of the labels and L1 loss of the boxes."""
        anchors: Tensor = self.anchors  # type: ignore[assignment]
        outputs = self._heads(images)
        truth = as_torchvision(targets, images.device, first_label=0)
        matches = []
        for target, boxes in zip(targets, truth, strict=True):
            match = torch.full((len(anchors),), _BACKGROUND, dtype=torch.int64, device=images.device)
            if len(boxes["boxes"]):
                match = self.network.proposal_matcher(box_iou(boxes["boxes"], anchors))
            match[ignored_points(centres(anchors), target) & (match == _BACKGROUND)] = _BETWEEN
            matches.append(match)
        parts = self.network.head.compute_loss(truth, outputs, [anchors] * len(truth), matches)
        return {"class": parts["classification"], "box": parts["bbox_regression"]}

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The best 1,000 anchors of each photo; see :meth:`Detector.forward`."""
        anchors: Tensor = self.anchors  # type: ignore[assignment]
        outputs = self._heads(images)
        scores = outputs["cls_logits"].sigmoid()
        best = scores.amax(dim=2).topk(min(_CANDIDATES, anchors.shape[0]), dim=1).indices
        offsets = outputs["bbox_regression"].gather(1, best[..., None].expand(-1, -1, 4))
        boxes = apply_offsets(anchors[best], offsets, (1.0, 1.0, 1.0, 1.0), self.input_size)
        return boxes, scores.gather(1, best[..., None].expand(-1, -1, len(self.labels)))

    def _heads(self, images: Tensor) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = self.network.head(list(self.network.backbone(normalise(images)).values()))
        return {name: value.float() for name, value in outputs.items()}

    def load_library_weights(self, folder: Path) -> Rights:
        """RetinaNet trained on COCO (resnet50), or MobileNetV3 trained on ImageNet (mobilenet)."""
        if self.size == "resnet50":
            parameters, rights = download(RetinaNet_ResNet50_FPN_V2_Weights.DEFAULT, folder)
            self.load_parameters({f"network.{name}": value for name, value in parameters.items()})
            return rights
        parameters, rights = download(MobileNet_V3_Large_Weights.DEFAULT, folder)
        self.load_parameters(
            {f"network.backbone.body.{name.removeprefix('features.')}": value for name, value in parameters.items()}
        )
        return rights


def _resnet50(labels: int) -> RetinaNet:
    return retinanet_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=labels)


def _mobilenet(labels: int) -> RetinaNet:
    """MobileNetV3 large with a feature pyramid, and anchors from 16 pixels up, for thin scratches."""
    backbone: Any = mobilenet_backbone(
        backbone_name="mobilenet_v3_large", weights=None, fpn=True, norm_layer=nn.BatchNorm2d, trainable_layers=6
    )
    sizes = tuple((side, int(side * 2 ** (1 / 3)), int(side * 2 ** (2 / 3))) for side in (32, 64, 128))
    ratios = ((0.25, 0.5, 1.0, 2.0, 4.0),) * len(sizes)
    return RetinaNet(backbone, num_classes=labels, anchor_generator=AnchorGenerator(sizes, ratios))
