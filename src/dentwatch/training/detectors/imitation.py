"""The loss of a network that is to say about each place of a photo what another one says."""

import torch
from libreyolo.models.yolox.loss import IoULoss
from torch import Tensor
from torch.nn import functional

_BOX_WEIGHT = 5.0  # of boxes against scores, as in YOLOX
_LEAST = 1e-6
_box_loss = IoULoss()  # 1 − IoU², of boxes as centre, width and height


def imitation(outputs: Tensor, said: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """How far ``outputs`` are from what was ``said``; 0 where they are the same.

    ``outputs`` float32 ``(N, A, 5 + C)`` as YOLOX decodes them: centre, width and height of the box in pixels, logits
    of objectness and labels; ``said`` are boxes ``(N, A, 4)`` xyxy in pixels and scores ``(N, A, C)``. For scores the
    Kullback-Leibler divergence from score to objectness × label probability, for boxes 1 − IoU², weighted by the
    place's score. Both are divided by the sum over places of the highest score, so that places that nobody finds
    anything at do not count (Li et al., "Generalized Focal Loss", 2020).
    """
    boxes, scores = said
    scores = scores.clamp(_LEAST, 1 - _LEAST)
    weight = scores.amax(dim=-1)
    total = weight.sum().clamp(min=1.0)
    log_own = functional.logsigmoid(outputs[..., 4:5]) + functional.logsigmoid(outputs[..., 5:])
    log_not = torch.log1p(-log_own.exp().clamp(max=1 - _LEAST))
    divergence = scores * (scores.log() - log_own) + (1 - scores) * (torch.log1p(-scores) - log_not)
    due = torch.cat([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], dim=-1)
    apart = _box_loss(outputs[..., :4].reshape(-1, 4), due.reshape(-1, 4)).view_as(weight)
    return {
        "teacher_score": divergence.sum() / total,
        "teacher_box": _BOX_WEIGHT * (weight * apart).sum() / total,
    }
