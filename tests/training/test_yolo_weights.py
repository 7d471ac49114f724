"""The COCO weights load into the YOLOX network, which then answers as their file does, and can train."""

import re
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from dentwatch.data.letterbox import letterbox
from dentwatch.errors import TrainingError
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.training.detection_module import as_input
from dentwatch.training.detectors import create
from dentwatch.training.detectors.contract import Target
from dentwatch.training.detectors.yolo import YoloDetector
from dentwatch.training.detectors.yolo_weights import load_onnx

SIDE = 416
COCO_LABELS = tuple(f"class-{number}" for number in range(80))


@pytest.fixture(scope="module")
def coco(shared: Path) -> Path:
    path = shared / "weights" / "yolox_nano_coco.onnx"
    if not path.is_file():
        pytest.skip(f"the COCO weights are not at {path}")
    return path


@pytest.fixture(scope="module")
def photos(shared: Path) -> torch.Tensor:
    """Real photos, letterboxed; the first four are not seen when batch norm is restored."""
    paths = sorted((shared / "photos" / "bilgi").rglob("*.jpg"))[:200:10]
    pictures = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
    return torch.from_numpy(np.stack([letterbox(np.asarray(one, np.uint8), SIDE)[0] for one in pictures]))


def _yolo(labels: tuple[str, ...] = COCO_LABELS) -> YoloDetector:
    detector = create("yolo", "nano", labels, SIDE)
    assert isinstance(detector, YoloDetector)
    return detector


@pytest.fixture(scope="module")
def loaded(coco: Path, photos: torch.Tensor) -> YoloDetector:
    detector = _yolo()
    assert load_onnx(detector, coco, photos[4:]) == []
    return detector


def _raw_answer_of_file(path: Path, photo: torch.Tensor) -> NDArray[np.float32]:
    """What the file says, ``(A, 85)``: box relative to its cell, objectness, classes."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    bgr = photo.numpy()[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
    return np.asarray(session.run(None, {"images": bgr})[0][0])


def _decoded(raw: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes xyxy in pixels and scores; cells have strides of 8, 16 and 32 pixels."""
    cells = [
        (column, row, stride)
        for stride in (8, 16, 32)
        for row in range(SIDE // stride)
        for column in range(SIDE // stride)
    ]
    column, row, stride = np.array(cells, np.float32).T
    x, y = (raw[:, 0] + column) * stride, (raw[:, 1] + row) * stride
    width, height = np.exp(raw[:, 2]) * stride, np.exp(raw[:, 3]) * stride
    boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    return boxes, raw[:, 4:5] * raw[:, 5:]


def test_the_network_equals_the_file_on_photos_it_was_not_calibrated_with(
    loaded: YoloDetector, coco: Path, photos: torch.Tensor
) -> None:
    loaded.eval()
    with torch.no_grad():
        boxes, scores = loaded(as_input(photos[:4]))
        loaded.network.head.export = False  # what the file says is not decoded
        maps = loaded.network(as_input(photos[:4]).flip(1))
        loaded.network.head.export = True
    raw = torch.cat([one.flatten(2) for one in maps], dim=2).transpose(1, 2).numpy()
    surest = 0.0
    for index in range(4):
        due = _raw_answer_of_file(coco, photos[index])
        due_boxes, due_scores = _decoded(due)
        surest = max(surest, float(due_scores.max()))
        assert np.abs(raw[index] - due).max() < 1e-3
        assert np.abs(scores[index].numpy() - due_scores).max() < 1e-3
        # In pixels too, where a side of hundreds of pixels is the exponential of a raw value and rounds as coarsely as
        # the processor's convolutions do: a thousandth of a pixel for each hundred.
        sides = (due_boxes[:, 2:] - due_boxes[:, :2]).max(axis=1)
        gaps = np.abs(boxes[index].numpy() - due_boxes).max(axis=1) / np.maximum(1, sides / 100)
        assert gaps[due_scores.max(axis=1) > 0.01].max() < 1e-3
        assert gaps.max() < 1e-2
    assert surest > 0.3, "the photos show something that COCO knows"


def test_batch_norm_holds_the_statistics_of_real_activations(loaded: YoloDetector, photos: torch.Tensor) -> None:
    norms = [module for module in loaded.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) > 50
    for norm in norms:
        assert torch.isfinite(norm.running_mean).all() and (norm.running_var > 0).all()
        assert not torch.allclose(norm.running_var, torch.ones_like(norm.running_var), atol=1e-2)
    # With the statistics of the batch instead of the kept ones, the network still sees the same things.
    loaded.eval()
    with torch.no_grad():
        kept = loaded(as_input(photos))[1]
        for norm in norms:
            norm.train()
            norm.momentum = 0.0  # do not learn from this
        of_batch = loaded(as_input(photos))[1]
    loaded.eval()
    sure = kept > 0.3
    assert sure.sum() > 20
    assert (of_batch[sure] - kept[sure]).abs().mean() < 0.1


def test_prediction_layers_for_other_labels_are_kept(coco: Path, photos: torch.Tensor) -> None:
    detector = _yolo(HEADLINE_LABELS)
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    kept = load_onnx(detector, coco, photos[4:12])
    assert kept == [f"network.head.cls_preds.{level}.{part}" for level in range(3) for part in ("weight", "bias")]
    after = detector.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in kept)
    changed = [name for name, value in after.items() if name not in kept and not torch.equal(before[name], value)]
    assert len(changed) > 0.7 * len(after)
    target = Target(torch.tensor([[20.0, 20, 200, 90]]), torch.tensor([0]), torch.zeros(0, 4))
    losses = detector.train().loss(as_input(photos[:2]), [target, target])
    assert all(torch.isfinite(part) for part in losses.values())


def test_weights_of_another_size_are_refused_with_the_file_s_name(coco: Path, photos: torch.Tensor) -> None:
    detector = create("yolo", "tiny", HEADLINE_LABELS, SIDE)
    assert isinstance(detector, YoloDetector)
    with pytest.raises(TrainingError, match=re.escape(str(coco))) as caught:
        load_onnx(detector, coco, photos[:1])
    assert "--size" in (caught.value.hint or "")


def test_what_is_no_onnx_file_or_no_yolox_is_refused_with_the_file_s_name(tmp_path: Path) -> None:
    blank = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    detector = create("yolo", "nano", HEADLINE_LABELS, 64)
    assert isinstance(detector, YoloDetector)
    text = tmp_path / "notes.onnx"
    text.write_text("these are no weights")
    graph = helper.make_graph(
        [helper.make_node("Identity", ["a"], ["b"])],
        "other",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, [1])],
    )
    other = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph), other)
    for path in (text, other, tmp_path / "missing.onnx"):
        with pytest.raises(TrainingError, match=re.escape(str(path))):
            load_onnx(detector, path, blank)
