"""YOLOX weights from an ONNX file whose batch norm was folded into the convolutions.

Folding keeps the answer but loses what training needs: without batch norm's scale, a network trains badly. Each
normalisation is therefore restored from the statistics of its convolution's output over some photos: with mean μ and
variance σ² of that output, ``running_mean = μ``, ``running_var = σ²``, ``weight = √(σ² + ε)`` and
``bias = folded bias + μ`` make the normalisation the identity plus the folded bias, so the network answers exactly as
the file does, and trains.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from dentwatch.errors import TrainingError
from dentwatch.training.detectors.yolo import YoloDetector


def load_onnx(detector: YoloDetector, path: Path, photos: Tensor) -> list[str]:
    """Load the network of ``path`` into ``detector`` and restore its batch norm.

    ``photos`` uint8 ``(N, S, S, 3)`` RGB letterboxed, some 50 of what will be trained on. Prediction layers for other
    labels are left as they are; their parameters' names are returned. Raises :class:`TrainingError` when the file
    is no YOLOX of this size.
    """
    convolutions = _convolutions(path)
    modules = _in_order(detector, photos[:1])
    if len(convolutions) != len(modules):
        raise TrainingError(
            f"{path} has {len(convolutions)} convolutions where yolo {detector.size} has {len(modules)}.",
            "Name the size that the file was made of, as in `--size nano`.",
        )
    kept: list[str] = []
    norms: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    for (name, conv, norm), (weight, bias) in zip(modules, convolutions, strict=True):
        if conv.weight.shape != weight.shape:
            if norm is None and conv.weight.shape[1:] == weight.shape[1:]:
                kept += [f"{name}.weight", f"{name}.bias"]
                continue
            raise TrainingError(
                f"{path}: the convolution for {name} has shape {tuple(weight.shape)}, not {tuple(conv.weight.shape)}.",
                f"This is no YOLOX {detector.size}; name the right --size.",
            )
        _fold_back(conv, norm, weight, bias)
        if norm is not None:
            norms.append((conv, norm))
    _restore(detector, norms, photos)
    return kept


def _convolutions(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution in the order of the graph."""
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # onnx raises protobuf's own errors
        raise TrainingError(f"{path} is not an ONNX file ({error}).", "Name another file of weights.") from error
    values: dict[str, Any] = {initializer.name: initializer for initializer in graph.initializer}
    found = []
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in values:  # how exporters share equal parameters
            values[node.output[0]] = values[node.input[0]]
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[1] in values:
            pair = [numpy_helper.to_array(values[name]).astype(np.float32) for name in node.input[1:]]
            found.append((torch.from_numpy(pair[0].copy()), torch.from_numpy(pair[1].copy())))
    return found


def _in_order(detector: YoloDetector, photo: Tensor) -> list[tuple[str, nn.Conv2d, nn.BatchNorm2d | None]]:
    """Every convolution of the network in the order in which it runs, with the batch norm behind it, if any."""
    names = {module: name for name, module in detector.named_modules()}
    order: list[tuple[str, nn.Conv2d, nn.BatchNorm2d | None]] = []

    def visit(module: nn.Module, _inputs: object, _output: object) -> None:
        if isinstance(module, nn.Conv2d):
            parent = detector.get_submodule(names[module].rpartition(".")[0])
            norm = getattr(parent, "bn", None)
            order.append((names[module], module, norm if isinstance(norm, nn.BatchNorm2d) else None))

    hooks = [module.register_forward_hook(visit) for module in detector.modules()]
    detector.eval()
    with torch.no_grad():
        detector(photo.permute(0, 3, 1, 2).float())
    for hook in hooks:
        hook.remove()
    return order


def _fold_back(conv: nn.Conv2d, norm: nn.BatchNorm2d | None, weight: Tensor, bias: Tensor) -> None:
    with torch.no_grad():
        conv.weight.copy_(weight)
        if norm is None:
            if conv.bias is not None:
                conv.bias.copy_(bias)
            return
        norm.running_mean.zero_()  # type: ignore[union-attr]
        norm.running_var.fill_(1.0 - norm.eps)  # type: ignore[union-attr]
        norm.weight.fill_(1.0)
        norm.bias.copy_(bias)


def _restore(detector: YoloDetector, norms: list[tuple[nn.Conv2d, nn.BatchNorm2d]], photos: Tensor) -> None:
    """Give each batch norm the statistics of its convolution over ``photos`` without changing its output."""
    sums: dict[nn.Module, list[Tensor]] = {}

    def collect(module: nn.Module, _inputs: object, output: Tensor) -> None:
        values = output.double()
        part = [values.sum((0, 2, 3)), values.square().sum((0, 2, 3)), torch.tensor(values[:, 0].numel())]
        sums[module] = [a + b for a, b in zip(sums[module], part, strict=True)] if module in sums else part

    hooks = [conv.register_forward_hook(collect) for conv, _ in norms]
    with torch.no_grad():
        for photo in torch.split(photos, 8):
            detector(photo.permute(0, 3, 1, 2).float())
        for hook in hooks:
            hook.remove()
        for conv, norm in norms:
            total, squares, count = sums[conv]
            mean = total / count
            variance = (squares / count - mean.square()).clamp_min(1e-8)
            norm.running_mean.copy_(mean)  # type: ignore[union-attr]
            norm.running_var.copy_(variance)  # type: ignore[union-attr]
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)
