"""Faster R-CNN (Ren et al., 2015) with a feature pyramid, of torchvision."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchvision.models.detection import (
    FasterRCNN,
    FasterRCNN_MobileNet_V3_Large_FPN_Weights,
    FasterRCNN_ResNet50_FPN_V2_Weights,
    fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn_v2,
)
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, concat_box_prediction_layers
from torchvision.ops import nms, roi_align

from dentwatch.records.model_bundle import Rights
from dentwatch.training.detectors.contract import Detector, Target, ignored_points
from dentwatch.training.detectors.torchvision_parts import (
    anchors_of,
    apply_offsets,
    as_image_list,
    as_torchvision,
    centres,
    download,
    normalise,
)

_PROPOSALS, _KEPT_PROPOSALS = 1000, 300
_IGNORED, _BACKGROUND = -1, 0


class FasterRcnnDetector(Detector):
    """Faster R-CNN with ignore regions, and a forward pass that exports with any batch size."""

    name: ClassVar[str] = "faster-rcnn"
    sizes: ClassVar[tuple[str, ...]] = ("mobilenet", "resnet50")
    learning_rate: ClassVar[float] = 2e-4

    def __init__(self, size: str, labels: tuple[str, ...], input_size: int) -> None:
        super().__init__(size, labels, input_size)
        build: Any = fasterrcnn_mobilenet_v3_large_fpn if size == "mobilenet" else fasterrcnn_resnet50_fpn_v2
        self.network: FasterRCNN = build(weights=None, weights_backbone=None, num_classes=len(labels) + 1)
        # torchvision offers no other way to leave regions out of the two stages' samples.
        self.network.rpn.__class__ = _LenientProposals
        self.network.roi_heads.__class__ = _LenientHeads
        anchors = anchors_of(self.network.backbone, self.network.rpn.anchor_generator, input_size)
        self.register_buffer("anchors", anchors, persistent=False)
        self.train()

    def loss(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The losses of the proposals and of the boxes."""
        photos = normalise(images)
        features = {name: value.float() for name, value in self.network.backbone(photos).items()}
        truth = as_torchvision(targets, images.device, first_label=1)
        self.network.rpn.current = self.network.roi_heads.current = targets
        proposals, of_proposals = self.network.rpn(as_image_list(photos), features, truth)
        sizes = [(self.input_size, self.input_size)] * len(truth)
        _, of_boxes = self.network.roi_heads(features, proposals, sizes, truth)
        if not self.network.roi_heads.sampled:  # torchvision returns the mean of nothing: NaN
            of_boxes = dict.fromkeys(of_boxes, images.new_zeros(()))
        return {
            "proposal_objectness": of_proposals["loss_objectness"],
            "proposal_box": of_proposals["loss_rpn_box_reg"],
            "class": of_boxes["loss_classifier"],
            "box": of_boxes["loss_box_reg"],
        }

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """One candidate per proposal and label; see :meth:`Detector.forward`."""
        features = list(self.network.backbone(normalise(images)).values())
        proposals, real = self._proposals(features)
        pooled = self._pool(features[:-1], proposals)
        heads = self.network.roi_heads
        logits, offsets = heads.box_predictor(heads.box_head(pooled))
        count, labels = proposals.shape[1], len(self.labels)
        scores = logits.float().softmax(dim=1)[:, 1:].reshape(-1, count, labels) * real[..., None]
        offsets = offsets.float().reshape(-1, count, labels + 1, 4)[:, :, 1:]
        boxes = apply_offsets(proposals[:, :, None], offsets, (10.0, 10.0, 5.0, 5.0), self.input_size)
        # Boxes differ per label here: each becomes a candidate of its own that scores for its label alone.
        alone = scores[..., None] * torch.eye(labels, device=scores.device)
        return boxes.reshape(-1, count * labels, 4), alone.reshape(-1, count * labels, labels)

    def _proposals(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The best proposals ``(N, K, 4)`` xyxy after suppression; ``(N, K)`` is 1 where one is real, 0 for padding."""
        anchors: Tensor = self.anchors  # type: ignore[assignment]
        objectness, offsets = self.network.rpn.head(features)
        flat_objectness, flat_offsets = concat_box_prediction_layers(objectness, offsets)
        scores = flat_objectness.float().reshape(-1, anchors.shape[0]).sigmoid()
        best = scores.topk(min(_PROPOSALS, anchors.shape[0]), dim=1)
        offsets_of_photos = flat_offsets.float().reshape(-1, anchors.shape[0], 4)
        chosen = offsets_of_photos.gather(1, best.indices[..., None].expand(-1, -1, 4))
        boxes = apply_offsets(anchors[best.indices], chosen, (1.0, 1.0, 1.0, 1.0), self.input_size)
        # One suppression for all photos: each photo's boxes are moved to a place of their own.
        place = torch.arange(scores.shape[0], device=scores.device, dtype=boxes.dtype) * (self.input_size + 1.0)
        kept = nms((boxes + place[:, None, None]).reshape(-1, 4), best.values.reshape(-1), 0.7)
        mask = torch.zeros_like(best.values).reshape(-1).scatter(0, kept, 1.0).reshape(best.values.shape)
        top = (best.values * mask).topk(min(_KEPT_PROPOSALS, best.values.shape[1]), dim=1)
        return boxes.gather(1, top.indices[..., None].expand(-1, -1, 4)), (top.values > 0).to(boxes.dtype)

    def _pool(self, features: list[Tensor], proposals: Tensor) -> Tensor:
        """Features of each proposal from the pyramid level that fits its size (Lin et al., 2017, eq. 1)."""
        count = proposals.shape[1]
        boxes = proposals.reshape(-1, 4)
        photo = torch.arange(proposals.shape[0], device=boxes.device, dtype=boxes.dtype)
        rows = torch.cat([photo[:, None].expand(-1, count).reshape(-1, 1), boxes], dim=1)
        strides = [self.input_size // int(level.shape[-1]) for level in features]
        side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=1e-6).sqrt()
        finest, coarsest = (stride.bit_length() - 1 for stride in (strides[0], strides[-1]))
        wanted = (torch.log2(side / 224 + 1e-6) + 4).floor().clamp(finest, coarsest) - finest
        levels = [
            roi_align(level.float(), rows, (7, 7), 1.0 / stride, 2) * (wanted == index)[:, None, None, None]
            for index, (level, stride) in enumerate(zip(features, strides, strict=True))
        ]
        return torch.stack(levels).sum(dim=0)

    def load_library_weights(self, folder: Path) -> Rights:
        """Faster R-CNN trained on COCO."""
        mobilenet = self.size == "mobilenet"
        kind: Any = FasterRCNN_MobileNet_V3_Large_FPN_Weights if mobilenet else FasterRCNN_ResNet50_FPN_V2_Weights
        parameters, rights = download(kind.DEFAULT, folder)
        self.load_parameters({f"network.{name}": value for name, value in parameters.items()})
        return rights


class _LenientProposals(RegionProposalNetwork):
    """Anchors centred in an ignore region are not sampled as background."""

    current: Sequence[Target]

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        labels, boxes = super().assign_targets_to_anchors(anchors, targets)
        for label, anchor, target in zip(labels, anchors, self.current, strict=True):
            label[ignored_points(centres(anchor), target) & (label == _BACKGROUND)] = _IGNORED
        return labels, boxes

    def compute_loss(
        self, objectness: Tensor, pred_bbox_deltas: Tensor, labels: list[Tensor], regression_targets: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        if all((label == _IGNORED).all() for label in labels):  # torchvision would return the mean of nothing: NaN
            return 0 * objectness.sum(), 0 * pred_bbox_deltas.sum()
        losses: tuple[Tensor, Tensor] = super().compute_loss(objectness, pred_bbox_deltas, labels, regression_targets)
        return losses


class _LenientHeads(RoIHeads):
    """Proposals centred in an ignore region are not sampled as background."""

    current: Sequence[Target]
    sampled: bool  # whether the latest batch held anything to learn from

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        matched, labels = super().assign_targets_to_proposals(proposals, gt_boxes, gt_labels)
        for label, proposal, target in zip(labels, proposals, self.current, strict=True):
            label[ignored_points(centres(proposal), target) & (label == _BACKGROUND)] = _IGNORED
        self.sampled = any((label != _IGNORED).any() for label in labels)
        return matched, labels
