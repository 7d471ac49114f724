"""What a model must show before it is registered.

Everything here is checked on the files themselves, so a model that reaches the registry can be served, traced and
legally used: an exported network that equals the trained one and keeps the contract of
:mod:`dentwatch.records.model_bundle`, a model card, and the rights to its data and starting weights.
"""

import math
from typing import Any

import numpy as np

from dentwatch.errors import ExportError, ModelError
from dentwatch.records.labels import LABELS
from dentwatch.records.model_bundle import ModelBundle, ModelSpec

PARITY_BOUNDS: dict[str, float] = {"boxes": 0.5, "scores": 1e-3}
"""Largest allowed difference between the exported and the trained network, by what the figure's name contains.

Half a pixel of the model's input moves the IoU of the smallest box that COCO still calls medium (32 px) by about 3 %,
and a thousandth is the finest step in which thresholds are chosen; float arithmetic in another order stays far below
both, a wrong operator or a baked-in batch size does not.
"""

_BATCH = 2  # more than one, so that a graph exported with a fixed batch of one is found out


def check(bundle: ModelBundle) -> None:
    """Raise :class:`ExportError` or :class:`ModelError` when ``bundle`` may not be registered, saying why."""
    _check_parity(bundle)
    _check_spec(bundle)
    _check_rights(bundle)
    _check_card(bundle)
    _check_network(bundle)


def _check_parity(bundle: ModelBundle) -> None:
    """Every kind of figure must be there, and every figure must stay within its bound."""
    for kind, bound in PARITY_BOUNDS.items():
        figures = {name: value for name, value in bundle.spec.parity.items() if kind in name}
        if not figures:
            raise ExportError(
                f"The model in {bundle.folder} does not say how far its {kind} are from the trained network's.",
                "Export it again: `dentwatch train` compares both and writes the difference into model.json.",
            )
        worst = max(figures, key=lambda name: math.inf if math.isnan(figures[name]) else abs(figures[name]))
        if not abs(figures[worst]) <= bound:  # also refuses NaN
            raise ExportError(
                f"The exported model in {bundle.folder} differs from the trained network: {worst} by "
                f"{figures[worst]:.3g}, where {bound:g} is allowed.",
                "It is not registered; export it again, and report the detector if the difference stays.",
            )


def _check_spec(bundle: ModelBundle) -> None:
    spec = bundle.spec
    problems = [
        (not spec.labels or len(set(spec.labels)) != len(spec.labels), "its labels are missing or repeated"),
        (bool(set(spec.labels) - set(LABELS)), f"it has labels other than {', '.join(LABELS)}"),
        (not set(spec.thresholds) <= set(spec.labels), "it has thresholds for labels that it does not know"),
        (not spec.thresholds, "it has no operating thresholds"),
        (any(not 0 <= value <= 1 for value in spec.thresholds.values()), "a threshold lies outside 0 … 1"),
        (not spec.dataset_version, "it does not name the dataset version it was trained on"),
    ]
    if found := [text for wrong, text in problems if wrong]:
        raise ModelError(
            f"The model in {bundle.folder} cannot be registered: {'; '.join(found)}.",
            "Correct its model.json, or train it again.",
        )


def _check_rights(bundle: ModelBundle) -> None:
    rights = bundle.spec.rights
    silent = [right.name or "(unnamed)" for right in rights if not right.licence.strip()]
    if not rights or silent:
        what = f"the licence of {', '.join(silent)}" if silent else "where its data and starting weights come from"
        raise ModelError(
            f"The model in {bundle.folder} cannot be registered: it does not state {what}.",
            "Name licence and source of each data set when it is ingested, and of the starting weights when training.",
        )


def _check_card(bundle: ModelBundle) -> None:
    path = bundle.card_path
    if not path.is_file() or not path.read_text(encoding="utf-8").strip():
        raise ModelError(
            f"The model in {bundle.folder} cannot be registered: it has no model card ({path.name}).",
            "A model card says what the model can and cannot do; `dentwatch train` writes one.",
        )


def _check_network(bundle: ModelBundle) -> None:
    """Run the network on grey photos and hold names, types and shapes against the contract."""
    pre = bundle.spec.preprocessing
    for height in (pre.input_size, pre.stride or pre.input_size):
        images = np.full((_BATCH, height, pre.input_size, 3), pre.pad_value, np.uint8)
        try:
            boxes, scores = _open(bundle).run(["boxes", "scores"], {"images": images})
        except Exception as error:  # ONNX Runtime's exceptions share no narrower base
            raise ExportError(
                f"{bundle.onnx_path} does not take images uint8 (N, {height}, {pre.input_size}, 3) and answer boxes "
                f"and scores: {str(error).strip()}",
                "It is not registered; export it as docs/registry.md describes.",
            ) from error
        _check_answer(bundle.spec, boxes, scores)


def _open(bundle: ModelBundle) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(bundle.onnx_path), options, providers=["CPUExecutionProvider"])


def _check_answer(spec: ModelSpec, boxes: Any, scores: Any) -> None:
    anchors = boxes.shape[1] if boxes.ndim == 3 else 0
    due = (_BATCH, anchors, 4), (_BATCH, anchors, len(spec.labels))
    problem = None
    if (boxes.shape, scores.shape) != due:
        problem = f"answers boxes {boxes.shape} and scores {scores.shape} where {due[0]} and {due[1]} are due"
    elif boxes.dtype != np.float32 or scores.dtype != np.float32:
        problem = f"answers {boxes.dtype} and {scores.dtype} where float32 is due"
    elif not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        problem = "answers values that are not finite"
    elif scores.size and not (scores.min() >= 0 and scores.max() <= 1):
        problem = f"answers scores from {scores.min():.3g} to {scores.max():.3g} where 0 … 1 is due"
    if problem:
        raise ExportError(f"The exported model {problem}.", "It is not registered; export it again.")
