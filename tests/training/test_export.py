"""The exported file is the network, for any number of photos; a file that is not is refused."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from tiny_cars import damaged, labelled_photos
from torch import nn

from dentwatch.data.decoding import DecodedPhoto
from dentwatch.data.letterbox import letterbox
from dentwatch.errors import ExportError
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.model_bundle import ONNX_NAME, ModelBundle, ModelSpec, Preprocessing
from dentwatch.serving.detector import Detector as ServingDetector
from dentwatch.serving.engines.parity import BOX_TOLERANCE, SCORE_TOLERANCE, difference
from dentwatch.serving.suppression import suppress
from dentwatch.training import export
from dentwatch.training.detection_module import as_input
from dentwatch.training.detectors import create
from dentwatch.training.detectors.contract import Detector
from dentwatch.training.export import export_onnx
from dentwatch.training.photo_batches import PlainPhotos, collate

SIDE = 96
LARGE = pytest.mark.skipif(
    os.environ.get("DENTWATCH_TEST_RESNET50") != "1",
    reason="takes minutes and 4 GB: set DENTWATCH_TEST_RESNET50=1 to run it",
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> PlainPhotos:
    return PlainPhotos(labelled_photos(tmp_path_factory.mktemp("photos"), 8), SIDE)


def _pictures(plain: PlainPhotos) -> NDArray[np.uint8]:
    return np.stack([plain[place][0].rgb for place in range(8)])


def _lively(name: str, size: str, plain: PlainPhotos) -> Detector:
    """A network whose scores differ from place to place, as after training, without the minutes that training takes.

    Its batch norm knows the photos, and its prediction layers are scaled: begun near zero, they say the same
    everywhere, and where scores differ more than after training, so does what rounding makes of them, which depends on
    the processor.
    """
    torch.manual_seed(0)
    detector = create(name, size, HEADLINE_LABELS, SIDE).train()
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # one pass is enough to know the activations
    batch = collate([plain[place] for place in range(8)])
    with torch.no_grad():
        detector.loss(as_input(batch.images), batch.targets)
        for path, module in detector.named_modules():
            if path.rpartition(".")[2] in ("cls_logits", "cls_score") or ".obj_preds." in path or ".cls_preds." in path:
                module.weight.mul_(0.3 if name.startswith("yolo") else 10)  # type: ignore[operator, union-attr]
                module.bias.zero_()  # type: ignore[operator, union-attr]
    return detector.eval()


@pytest.fixture(scope="module")
def yolo(plain: PlainPhotos) -> Detector:
    return _lively("yolo", "nano", plain)


@pytest.fixture(scope="module")
def yolo_file(yolo: Detector, plain: PlainPhotos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / ONNX_NAME
    parity = export_onnx(yolo, path, _pictures(plain))
    assert parity["boxes"] <= BOX_TOLERANCE and parity["scores"] <= SCORE_TOLERANCE
    return path


def _scores(detector: Detector, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.no_grad():
        return np.asarray(detector(as_input(torch.from_numpy(pictures)))[1].numpy())


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("yolo", "nano"),
        ("yolo-lite", "lite0"),
        ("retinanet", "mobilenet"),
        ("faster-rcnn", "mobilenet"),
        pytest.param("retinanet", "resnet50", marks=LARGE),
        pytest.param("faster-rcnn", "resnet50", marks=LARGE),
    ],
)
def test_file_and_network_are_one_for_batches_of_1_2_4_and_8(
    name: str, size: str, plain: PlainPhotos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, dict[str, float]]] = []

    def watched(network: list[NDArray[np.float32]], exported: list[NDArray[np.float32]]) -> dict[str, float]:
        found = difference(network, exported)
        assert len(network[0]) == len(exported[0])
        seen.append((len(network[0]), found))
        return found

    monkeypatch.setattr(export, "difference", watched)
    detector = _lively(name, size, plain)
    pictures = _pictures(plain)
    parity = export_onnx(detector, tmp_path / ONNX_NAME, pictures)
    shapes = 3 if detector.any_shape else 1  # square, across, upright
    assert [count for count, _ in seen] == [1, 2, 4, 8] * shapes
    assert parity == {kind: max(found[kind] for _, found in seen) for kind in ("boxes", "scores")}
    assert parity["boxes"] <= BOX_TOLERANCE and parity["scores"] <= SCORE_TOLERANCE
    scores = _scores(detector, pictures[:2])
    assert len(np.unique(scores.round(4))) > 10, "scores that are all alike prove nothing"
    assert np.abs(scores[0] - scores[1]).max() > 1e-3, "nor do those that do not depend on the photo"


def test_a_file_with_one_changed_weight_is_refused(
    yolo: Detector, plain: PlainPhotos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = torch.onnx.export

    def tampered(served: object, example: object, path: Path, **options: object) -> None:
        write(served, example, path, **options)  # type: ignore[arg-type]
        model = onnx.load(path)
        first = next(node.input[1] for node in model.graph.node if node.op_type == "Conv")
        (weight,) = (one for one in model.graph.initializer if one.name == first)
        changed = numpy_helper.to_array(weight).copy()
        changed.flat[np.abs(changed).argmax()] *= 4
        weight.CopyFrom(numpy_helper.from_array(changed, weight.name))
        onnx.save(model, path)

    monkeypatch.setattr(torch.onnx, "export", tampered)
    with pytest.raises(ExportError, match="differs from the network"):
        export_onnx(yolo, tmp_path / ONNX_NAME, _pictures(plain))


def test_differences_are_found_wherever_they_are() -> None:
    rng = np.random.default_rng(0)
    boxes = rng.uniform(0, 90, (2, 50, 4)).astype(np.float32)
    scores = rng.uniform(0.1, 1, (2, 50, 2)).astype(np.float32)
    order = rng.permutation(50)
    same = difference((boxes, scores), (boxes[:, order], scores[:, order]))
    assert same == {"boxes": 0.0, "scores": 0.0}, "the order of candidates is no difference"
    moved, lowered = boxes.copy(), scores.copy()
    best = int(scores[1, :, 0].argmax())
    moved[1, best, 2] += 3
    lowered[0, 7, 1] -= 0.05
    assert difference((boxes, scores), (moved, scores))["boxes"] > 1
    assert difference((boxes, scores), (boxes, lowered))["scores"] > 0.004


def test_the_served_model_answers_what_the_network_answers(yolo: Detector, yolo_file: Path) -> None:
    spec = ModelSpec(
        detector="yolo",
        size="nano",
        labels=yolo.labels,
        preprocessing=Preprocessing(input_size=SIDE, stride=yolo.stride),
        thresholds=dict.fromkeys(yolo.labels, 0.5),
        created_at="2026-11-23T12:00:00+00:00",
        dentwatch_version="0.1.0",
        dataset_version="none",
    )
    serving = ServingDetector(ModelBundle.write_spec(yolo_file.parent, spec))
    answered = 0
    for seed in range(20, 24):
        rgb, _ = damaged(seed)
        image, placed = letterbox(rgb, SIDE, stride=yolo.stride)
        with torch.no_grad():
            boxes, scores = (part[0].numpy() for part in yolo(as_input(torch.from_numpy(image[None]))))
        floor = float(np.sort(scores.max(axis=1))[-25])
        (found,) = serving.detect([DecodedPhoto(rgb, rgb.shape[1], rgb.shape[0], 1.0)], min_score=floor - 1e-5)
        kept = suppress(boxes, scores, np.full(2, floor - 1e-5, np.float32), spec.nms_iou, spec.max_detections)
        due = placed.to_original(kept.boxes)
        shown = np.flatnonzero((due[:, 2:] > due[:, :2]).all(axis=1))  # not those in the border below the photo
        assert [one.label for one in found] == [yolo.labels[kept.labels[index]] for index in shown]
        assert [one.score for one in found] == pytest.approx(kept.scores[shown].tolist(), abs=SCORE_TOLERANCE)
        assert np.abs(np.array([one.box.xyxy for one in found]) - due[shown]).max() < 2 * BOX_TOLERANCE
        answered += len(found)
    assert answered >= 4
