"""Average precision by the COCO protocol (Lin et al., "Microsoft COCO: Common Objects in Context", 2014).

The figures are faster-coco-eval's: 101-point interpolation, greedy matching per photo and label, at most
:data:`MAX_DETECTIONS` detections per photo and label. Pass all detections with scores of 0.001 and more; a threshold
cuts the curve short.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.errors import MissingExtraError
from dentwatch.records.annotations import Annotation, Box
from dentwatch.records.detections import Detection
from dentwatch.training.evaluation.geometry import (
    BOX_SIZES,
    LARGE_AREA,
    SMALL_AREA,
    BoxSize,
    box_size,
    reference_scale,
)

MAX_DETECTIONS = 100
LOOSE_IOU = 0.3
STRICT_IOUS = tuple(float(iou) for iou in np.linspace(0.5, 0.95, 10))
_ANY_AREA = [0.0, 1e10]
_AREAS: dict[BoxSize, list[float]] = {
    "small": [0.0, SMALL_AREA],
    "medium": [SMALL_AREA, LARGE_AREA],
    "large": [LARGE_AREA, 1e10],
}


@dataclass(frozen=True, slots=True)
class SizeAP:
    """Average precision for the damages of one box size; None where there is none; ``truths`` counts them."""

    ap: float | None
    ap50: float | None
    truths: int


@dataclass(frozen=True, slots=True)
class LabelAP:
    """Average precision of one label, or the mean over labels; None where no damage is annotated.

    ``ap`` is the mean over IoU 0.50, 0.55 … 0.95; ``ap30``, ``ap50`` and ``ap75`` are those at one IoU. ``sizes``
    has the damages by box size (see :func:`~dentwatch.training.evaluation.geometry.box_size`).
    """

    ap: float | None
    ap30: float | None
    ap50: float | None
    ap75: float | None
    sizes: dict[BoxSize, SizeAP]
    truths: int
    detections: int


@dataclass(frozen=True, slots=True)
class APResult:
    """Average precision per label and, in ``mean``, over those labels that are annotated at least once."""

    mean: LabelAP
    labels: dict[str, LabelAP] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        """The figures by name (``ap50``, ``ap50_scratch``, ``ap50_small`` …), without those that have no value."""
        found: dict[str, float | None] = {}
        for suffix, part in {"": self.mean, **{f"_{label}": part for label, part in self.labels.items()}}.items():
            for name in ("ap", "ap30", "ap50", "ap75"):
                found[name + suffix] = getattr(part, name)
        for size, of_size in self.mean.sizes.items():
            found[f"ap_{size}"], found[f"ap50_{size}"] = of_size.ap, of_size.ap50
        return {name: value for name, value in found.items() if value is not None}


def average_precision(
    truth: Sequence[Sequence[Annotation]],
    detections: Sequence[Sequence[Detection]],
    labels: Sequence[str],
    sizes: Sequence[tuple[int, int]],
) -> APResult:
    """COCO average precision of ``detections`` against ``truth``, one entry of each per photo.

    ``sizes`` are the photos' ``(width, height)`` in pixels. Annotations and detections with labels outside ``labels``
    are left out. Raises :class:`ValueError` when the three sequences differ in length, and :class:`MissingExtraError`
    where faster-coco-eval is not installed.
    """
    if not len(truth) == len(detections) == len(sizes):
        raise ValueError(
            f"{len(truth)} truths, {len(detections)} detections and {len(sizes)} sizes are not one photo each"
        )
    precision = _precision(truth, detections, labels, sizes)
    parts = {
        label: _label_ap(
            precision[:, :, index],
            [
                box_size(a.box, *size)
                for marks, size in zip(truth, sizes, strict=True)
                for a in marks
                if a.label == label
            ],
            sum(found.label == label for row in detections for found in row),
        )
        for index, label in enumerate(labels)
    }
    return APResult(_mean(list(parts.values())), parts)


def _precision(
    truth: Sequence[Sequence[Annotation]],
    detections: Sequence[Sequence[Detection]],
    labels: Sequence[str],
    sizes: Sequence[tuple[int, int]],
) -> NDArray[np.float64]:
    """Interpolated precision ``(IoU, 101 recalls, label, any + box sizes)``; −1 where no damage is annotated."""
    try:
        from faster_coco_eval.core import COCO
        from faster_coco_eval.core.faster_eval_api import COCOeval_faster
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Average precision needs the package faster-coco-eval, which is not installed.",
            "Run `pip install 'dentwatch[train]'`.",
        ) from error
    category = {label: index + 1 for index, label in enumerate(labels)}
    frame: dict[str, Any] = {
        "images": [{"id": i + 1, "width": w, "height": h} for i, (w, h) in enumerate(sizes)],
        "categories": [{"id": number, "name": label} for label, number in category.items()],
    }
    marked: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for photo, (marks, row, size) in enumerate(zip(truth, detections, sizes, strict=True)):
        scale = reference_scale(*size)
        for mark in marks:
            if mark.label in category:
                marked.append(_entry(len(marked), photo, category[mark.label], mark.box, scale))
        for one in row:
            if one.label in category:
                found.append(_entry(len(found), photo, category[one.label], one.box, scale) | {"score": one.score})
    evaluation = COCOeval_faster(
        COCO(frame | {"annotations": marked}), COCO(frame | {"annotations": found}), iouType="bbox", extra_calc=False
    )
    parameters = evaluation.params
    parameters.imgIds, parameters.catIds = list(range(1, len(sizes) + 1)), list(category.values())
    parameters.iouThrs = np.array([LOOSE_IOU, *STRICT_IOUS])
    parameters.maxDets = [MAX_DETECTIONS]
    parameters.areaRng = [_ANY_AREA, *_AREAS.values()]
    parameters.areaRngLbl = ["all", *_AREAS]
    evaluation.evaluate()
    evaluation.accumulate()
    result: NDArray[np.float64] = np.asarray(evaluation.eval["precision"], dtype=np.float64)[..., 0]
    return result


def _entry(number: int, photo: int, category: int, box: Box, scale: float) -> dict[str, Any]:
    x, y, width, height = (value * scale for value in (box.x, box.y, box.width, box.height))
    return {
        "id": number + 1,
        "image_id": photo + 1,
        "category_id": category,
        "bbox": [x, y, width, height],
        "area": width * height,
        "iscrowd": 0,
    }


def _label_ap(precision: NDArray[np.float64], truth_sizes: list[BoxSize], detections: int) -> LabelAP:
    """The figures of one label from its ``(IoU, recall, any + box sizes)`` precisions."""
    at = {iou: index for index, iou in enumerate((LOOSE_IOU, *STRICT_IOUS))}
    half = at[0.5]

    def mean(part: NDArray[np.float64]) -> float | None:
        return None if part.size == 0 or part.min() < 0 else float(part.mean())

    return LabelAP(
        ap=mean(precision[half:, :, 0]),
        ap30=mean(precision[0, :, 0]),
        ap50=mean(precision[half, :, 0]),
        ap75=mean(precision[half + 5, :, 0]),
        sizes={
            size: SizeAP(
                mean(precision[half:, :, index + 1]), mean(precision[half, :, index + 1]), truth_sizes.count(size)
            )
            for index, size in enumerate(BOX_SIZES)
        },
        truths=len(truth_sizes),
        detections=detections,
    )


def _mean(parts: list[LabelAP]) -> LabelAP:
    def mean(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    return LabelAP(
        ap=mean([part.ap for part in parts]),
        ap30=mean([part.ap30 for part in parts]),
        ap50=mean([part.ap50 for part in parts]),
        ap75=mean([part.ap75 for part in parts]),
        sizes={
            size: SizeAP(
                mean([part.sizes[size].ap for part in parts]),
                mean([part.sizes[size].ap50 for part in parts]),
                sum(part.sizes[size].truths for part in parts),
            )
            for size in BOX_SIZES
        },
        truths=sum(part.truths for part in parts),
        detections=sum(part.detections for part in parts),
    )
