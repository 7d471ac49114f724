"""From a kept inspection to what its condition report is made from."""

import functools
from importlib.metadata import version

from dentwatch.records.inspections import KeptInspection
from dentwatch.records.model_bundle import ModelSpec
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.inspection_answer import InspectedDetection, InspectedPhoto, InspectionAnswer, UnreadablePhoto
from dentwatch.serving.report_input import (
    Accuracy,
    CostRange,
    Figure,
    ReportDamage,
    ReportInput,
    ReportPhoto,
    ReportPrice,
)
from dentwatch.serving.valuation import PriceEffect

_FIGURES = {"precision": "Marked damages that are real", "recall": "Real damages that are marked"}


def report_input(kept: KeptInspection, store: PhotoStore, model: ModelSpec | None) -> ReportInput:
    """The report of a finished inspection; its photos are read from ``store`` when they are needed.

    ``model`` is that of the model version that answered, None where it is not at hand: nothing is then said of its
    accuracy.
    """
    answer = InspectionAnswer.model_validate(kept.answer)
    return ReportInput(
        inspection_id=answer.id,
        created_at=answer.created_at,
        model=answer.model or "unknown",
        dentwatch_version=version("dentwatch"),
        photos=tuple(_photo(photo, answer.price_effect, store) for photo in answer.photos),
        vehicle_id=answer.vehicle_id,
        listing_id=answer.listing_id,
        captured_at=answer.captured_at,
        price=_price(answer.price_effect),
        accuracy=_accuracy(model),
    )


def _photo(photo: InspectedPhoto | UnreadablePhoto, effect: PriceEffect | None, store: PhotoStore) -> ReportPhoto:
    read = functools.partial(store.get, photo.photo_id)
    if isinstance(photo, UnreadablePhoto):
        return ReportPhoto(photo.photo, photo.photo_id, read, error=photo.error)
    return ReportPhoto(
        name=photo.photo,
        photo_id=photo.photo_id,
        read=read,
        width=photo.width,
        height=photo.height,
        damages=tuple(_damage(one, effect if photo.quality.reliable else None) for one in photo.detections),
        warnings=tuple(fault.detail for fault in photo.quality.reasons),
    )


def _damage(detection: InspectedDetection, effect: PriceEffect | None) -> ReportDamage:
    return ReportDamage(
        label=detection.label,
        score=detection.score,
        x=detection.x,
        y=detection.y,
        width=detection.width,
        height=detection.height,
        severity=detection.severity.level,
        severity_note=detection.severity.reason if detection.severity.doubt else None,
        cost=_cost(detection, effect),
        group=str(detection.damage),
    )


def _cost(detection: InspectedDetection, effect: PriceEffect | None) -> CostRange | None:
    """What a damage of its label and severity costs, where the inspection priced one."""
    for line in effect.lines if effect else ():
        if (line.label, line.severity.level) == (detection.label, detection.severity.level):
            return CostRange(line.low, line.high)
    return None


def _price(effect: PriceEffect | None) -> ReportPrice | None:
    if effect is None:
        return None
    return ReportPrice(
        currency=effect.currency,
        low=effect.low,
        high=effect.high,
        expected=effect.expected,
        table=effect.table,
        note=effect.note,
    )


def _accuracy(model: ModelSpec | None) -> Accuracy | None:
    metrics = model.metrics if model else {}
    for split in ("test", "val"):
        figures = tuple(
            Figure(said, metrics[f"{split}/{name}"]) for name, said in _FIGURES.items() if f"{split}/{name}" in metrics
        )
        if figures:
            return Accuracy(f"the {split} photos of the model's dataset", figures)
    return None
