"""What a network starts from: nothing, a file, an earlier model version, or the library's pretrained weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dentwatch.errors import ModelError, TrainingError
from dentwatch.records import consents
from dentwatch.records.model_bundle import ModelSpec, Rights
from dentwatch.serving.models import resolve, starter
from dentwatch.settings import Settings
from dentwatch.training.detectors import available
from dentwatch.training.detectors.averaged import parameters_of
from dentwatch.training.detectors.contract import Detector
from dentwatch.training.detectors.yolo import YoloDetector
from dentwatch.training.photo_batches import PlainPhotos

_CALIBRATION_PHOTOS = 50
_KNOWN_FILES = {"yolox_nano_coco.onnx": Rights(name="YOLOX-nano trained on COCO", licence="Apache-2.0", source="YOLOX")}


def start_from(
    detector: Detector, weights: str, settings: Settings, photos: PlainPhotos, member: int = 0
) -> Rights | None:
    """Load ``weights`` into ``detector`` and say where they are from; None for a network that starts fresh.

    ``weights``: ``none``; ``pretrained`` (the library's, downloaded); the path of a ``.safetensors`` file or, for
    YOLOX, an ``.onnx`` file; or a model version (``starter``, ``champion``, a number, a folder). ``photos`` are those
    to train on, needed where batch norm was folded away. Of a model of several networks ``member`` says which; after
    the last comes the first again. Raises :class:`TrainingError`.
    """
    if weights == "none":
        return None
    if weights == "pretrained":
        return detector.load_library_weights(settings.home / "cache" / "weights")
    path = Path(weights)
    if path.is_file():
        return _from_file(detector, path, lambda: calibration_photos(photos))
    bundle = resolve(weights, settings)
    spec = bundle.spec
    rights = rights_of(spec, weights)
    own = (spec.detector, spec.size) == (detector.name, detector.size)
    if own and bundle.weights_path is not None:
        load_weights(detector, bundle.weights_path, weights, member if spec.members > 1 else None)
        return rights
    if isinstance(detector, YoloDetector) and _is_yolox(spec, detector.yolox_size(detector.size)):
        return _joined(rights, detector.load_yolox(bundle.onnx_path, calibration_photos(photos)))
    if not own:
        raise TrainingError(
            f"The model {weights} is a {spec.detector} {spec.size}, not a {detector.name} {detector.size}.",
            f"Train with `--detector {spec.detector} --size {spec.size}`, or start from other weights.",
        )
    raise TrainingError(
        f"The model {weights} was kept without its network's parameters.", "Start from another model or a file."
    )


def rights_of(spec: ModelSpec, name: str) -> Rights:
    """The rights of a model of ours that another one is made from; messages call it ``name``."""
    stated = f" (consents: {consents.in_words(spec.consents)})" if spec.consents else ""
    return Rights(
        name=f"Dentwatch {spec.kind}, model {name}",
        licence="; ".join(sorted({rights.licence for rights in spec.rights})) or "unknown",
        source=f"trained on dataset version {spec.dataset_version[:12]}{stated}",
    )


def default_weights(detector: str, size: str | None) -> str:
    """What a run starts from when nothing is said: the starter model where it is of that kind, else nothing."""
    try:
        spec = starter().spec
    except ModelError:  # an installation without the starter model
        return "none"
    kind = available().get(detector)
    fits = (
        kind is not None and issubclass(kind, YoloDetector) and _is_yolox(spec, kind.yolox_size(size or kind.sizes[0]))
    )
    return "starter" if fits else "none"


def _is_yolox(spec: ModelSpec, size: str) -> bool:
    return (spec.detector, spec.size, spec.members) == (YoloDetector.name, size, 1)


def _joined(rights: Rights, further: Rights | None) -> Rights:
    if further is None:
        return rights
    licences = sorted({rights.licence, further.licence})
    return Rights(
        name=f"{rights.name}; {further.name}",
        licence="; ".join(licences),
        source=f"{rights.source}; {further.source}",
    )


def calibration_photos(photos: PlainPhotos) -> Tensor:
    """Some 50 of ``photos``, evenly chosen; uint8 ``(N, S, S, 3)``."""
    places = np.unique(np.linspace(0, len(photos) - 1, _CALIBRATION_PHOTOS).astype(int))
    return torch.from_numpy(np.stack([photos[int(place)][0].rgb for place in places]))


def _from_file(detector: Detector, path: Path, photos: Callable[[], Tensor]) -> Rights:
    if path.suffix == ".onnx":
        if not isinstance(detector, YoloDetector):
            raise TrainingError(
                f"{path} holds YOLOX weights; {detector.name} cannot start from them.",
                "Name a .safetensors file, an earlier model, `pretrained` or `none`.",
            )
        return _joined(_rights_of(path), detector.load_yolox(path, photos()))
    if path.suffix == ".safetensors":
        load_weights(detector, path, str(path))
    else:
        raise TrainingError(
            f"{path} is neither an .onnx nor a .safetensors file.", "Convert it, or name a model version."
        )
    return _rights_of(path)


def _rights_of(path: Path) -> Rights:
    return _KNOWN_FILES.get(path.name) or Rights(name=path.name, licence="unknown", source="file given with --weights")


def load_weights(detector: Detector, path: Path, name: str, member: int | None = None) -> None:
    """Copy the parameters in the ``.safetensors`` file at ``path`` into ``detector``; messages call them ``name``.

    With ``member`` the file is of several networks, and it says which, as in :func:`start_from`. Raises
    :class:`TrainingError` for a file that cannot be read or holds another network.
    """
    try:
        parameters = load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{path} cannot be read as .safetensors ({error}).", "Name another file.") from error
    if member is not None:
        parameters = parameters_of(parameters, member)
    kept = detector.load_parameters(parameters)
    if len(kept) > len(detector.state_dict()) / 2:
        raise TrainingError(
            f"{name} does not fit {detector.name} {detector.size}: {len(kept)} of {len(detector.state_dict())} "
            "parameters have another name or shape.",
            "Name weights of the same detector and size.",
        )
