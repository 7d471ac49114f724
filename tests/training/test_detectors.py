"""Every detector keeps the contract: losses, candidates, ignore regions, and clear words for what cannot be."""

import pytest
import torch
from torch import Tensor

from dentwatch.errors import TrainingError
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.training.detectors import available, create
from dentwatch.training.detectors.contract import Detector, Target, ignored_points
from dentwatch.training.detectors.yolo import YoloDetector

SIDE = 96
SMALL = [("yolo", "nano"), ("yolo-lite", "lite0"), ("retinanet", "mobilenet"), ("faster-rcnn", "mobilenet")]
NONE = torch.zeros(0, 4)


def _detector(name: str, size: str) -> Detector:
    torch.manual_seed(0)
    return create(name, size, HEADLINE_LABELS, SIDE)


def _target(boxes: list[list[float]], labels: list[int], ignore: Tensor = NONE) -> Target:
    return Target(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), torch.tensor(labels, dtype=torch.int64), ignore
    )


def _batch() -> tuple[Tensor, list[Target]]:
    """Two noisy photos with a bright scratch and a dark dent each."""
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 60 + 90
    images[:, :, 20:28, 10:80] = 250
    images[:, :, 50:85, 30:65] = 5
    return images, [_target([[10, 20, 80, 28], [30, 50, 65, 85]], [0, 1]) for _ in range(2)]


def _total(detector: Detector, images: Tensor, targets: list[Target]) -> Tensor:
    parts = detector.loss(images, targets)
    assert parts and all(part.ndim == 0 and torch.isfinite(part) for part in parts.values())
    return torch.stack(list(parts.values())).sum()


def test_all_detectors_of_the_issue_are_there() -> None:
    found = available()
    assert found.keys() >= {"yolo", "yolo-lite", "faster-rcnn", "retinanet"}
    assert found["yolo"].sizes == ("nano", "tiny", "s")
    assert found["faster-rcnn"].sizes == found["retinanet"].sizes == ("mobilenet", "resnet50")


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_the_loss_falls_on_a_batch_that_is_seen_again(name: str, size: str) -> None:
    detector = _detector(name, size).train()
    images, targets = _batch()
    # YOLOX chooses anew at every step what it learns from, so its loss is uneven; but its steps are quick.
    steps, rate = (30, 4) if name.startswith("yolo") else (7, 2)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=rate * detector.learning_rate)
    losses = []
    for _ in range(steps):
        loss = _total(detector, images, targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-2:]) / 2 < 0.85 * sum(losses[:2]) / 2, losses


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_photos_without_damage_have_a_finite_loss_and_gradient(name: str, size: str) -> None:
    detector = _detector(name, size).train()
    images, targets = _batch()
    some = [targets[0], _target([], [], torch.tensor([[0.0, 0, 50, 50]]))]
    for mixed in (some, [_target([], [])] * 2, [_target([], [], torch.tensor([[0.0, 0, SIDE, SIDE]]))] * 2):
        detector.zero_grad()
        _total(detector, images, mixed).backward()
        gradients = [p.grad for p in detector.parameters() if p.grad is not None]
        assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_candidates_have_the_shapes_and_ranges_of_the_contract(name: str, size: str) -> None:
    detector = _detector(name, size).eval()
    images, _ = _batch()
    with torch.no_grad():
        counts = set()
        for number in (1, 2):
            boxes, scores = detector(images[:number])
            assert boxes.dtype == scores.dtype == torch.float32
            assert boxes.shape == (number, boxes.shape[1], 4)
            assert scores.shape == (number, boxes.shape[1], 2)
            assert (scores >= 0).all() and (scores <= 1).all()
            assert (boxes[..., 2:] >= boxes[..., :2]).all()
            counts.add(boxes.shape[1])
    assert len(counts) == 1, "the number of candidates does not depend on the number of photos"


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_each_photo_is_answered_as_if_it_were_alone(name: str, size: str) -> None:
    detector = _detector(name, size).eval()
    images, _ = _batch()
    with torch.no_grad():
        together = detector(images[:2])
        alone = detector(images[1:2])
    assert torch.allclose(together[1][1].sort(dim=0).values, alone[1][0].sort(dim=0).values, atol=1e-5)


def _background_gradient(detector: Detector, targets: list[Target], layers: list[Tensor]) -> Tensor:
    """How strongly the loss pulls at the layers' biases; 0 when nothing is punished."""
    detector.zero_grad()
    torch.manual_seed(0)
    _total(detector, _batch()[0], targets).backward()
    return torch.stack([torch.zeros(()) if one.grad is None else one.grad.abs().sum() for one in layers]).sum()


def _background_layers(detector: Detector) -> list[Tensor]:
    """The biases that say how likely anything is damage."""
    network = detector.network
    if isinstance(detector, YoloDetector):
        return [layer.bias for layer in network.head.obj_preds]  # type: ignore[union-attr]
    if detector.name == "retinanet":
        return [network.head.classification_head.cls_logits.bias]  # type: ignore[union-attr]
    return [network.rpn.head.cls_logits.bias, network.roi_heads.box_predictor.cls_score.bias]  # type: ignore[union-attr]


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_background_inside_an_ignore_region_is_not_punished(name: str, size: str) -> None:
    detector = _detector(name, size).train()
    layers = _background_layers(detector)
    everywhere = torch.tensor([[-SIDE, -SIDE, 2.0 * SIDE, 2.0 * SIDE]])
    punished = _background_gradient(detector, [_target([], [])] * 2, layers)
    ignored = _background_gradient(detector, [_target([], [], everywhere)] * 2, layers)
    assert punished > 0
    assert ignored < 1e-5 * punished


def test_yolo_leaves_alone_exactly_the_cells_inside_the_region() -> None:
    detector = _detector("yolo", "nano").train()
    assert isinstance(detector, YoloDetector)
    region = torch.tensor([[32.0, 32.0, 64.0, 64.0]])
    maps: list[Tensor] = []

    def keep(_module: object, _inputs: object, output: Tensor) -> None:
        output.retain_grad()
        maps.append(output)

    for layer in detector.network.head.obj_preds:
        layer.register_forward_hook(keep)
    _total(detector, _batch()[0][:1], [_target([], [], region)]).backward()
    for output, stride in zip(maps, (8, 16, 32), strict=True):
        assert output.grad is not None
        centres = (torch.arange(SIDE // stride) + 0.5) * stride
        inside = (centres >= 32) & (centres <= 64)
        silent = output.grad[0, 0].abs() < 1e-9
        assert torch.equal(silent, inside[:, None] & inside[None, :])


def test_a_box_inside_an_ignore_region_is_still_learnt() -> None:
    detector = _detector("yolo", "nano").train()
    images, _ = _batch()
    everywhere = torch.tensor([[0.0, 0.0, SIDE, SIDE]])
    with_box = [_target([[10, 20, 80, 28]], [0], everywhere)] * 2
    losses = detector.loss(images, with_box)
    assert losses["box"] > 0 and losses["class"] > 0 and losses["objectness"] > 0.1


def test_a_point_in_a_region_and_a_box_belongs_to_the_box() -> None:
    points = torch.tensor([[5.0, 5.0], [15.0, 15.0], [50.0, 50.0]])
    region = torch.tensor([[0.0, 0.0, 20.0, 20.0]])
    assert ignored_points(points, _target([], [], region)).tolist() == [True, True, False]
    assert ignored_points(points, _target([[10, 10, 20, 20]], [0], region)).tolist() == [True, False, False]
    assert ignored_points(points, _target([[10, 10, 20, 20]], [0])).tolist() == [False] * 3


@pytest.mark.parametrize(
    ("name", "size", "labels", "side", "said"),
    [
        ("yolov5", None, ("scratch",), 96, "yolov5"),
        ("yolo", "huge", ("scratch",), 96, "huge"),
        ("yolo", None, ("scratch",), 100, "100"),
        ("retinanet", None, ("scratch",), 16, "16"),
        ("yolo", None, (), 96, "label"),
    ],
)
def test_what_cannot_be_is_said_with_the_way_out(
    name: str, size: str | None, labels: tuple[str, ...], side: int, said: str
) -> None:
    with pytest.raises(TrainingError, match=said) as caught:
        create(name, size, labels, side)
    assert caught.value.hint


def test_parameters_that_do_not_fit_are_left_and_named() -> None:
    one, other = _detector("yolo", "nano"), create("yolo", "nano", ("scratch", "dent", "crack"), SIDE)
    kept = one.load_parameters(other.state_dict())
    assert sorted(kept) == sorted(f"network.head.cls_preds.{n}.{part}" for n in range(3) for part in ("weight", "bias"))
    same = "network.backbone.backbone.stem.conv.conv.weight"
    assert torch.equal(one.state_dict()[same], other.state_dict()[same])
