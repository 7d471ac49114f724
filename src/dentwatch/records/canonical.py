"""Rows and annotations as plain values, and the one text for each that a dataset version's hash is taken over."""

import json
from typing import Any

from dentwatch.records.annotations import Annotation, Box, PhotoRecord


def annotation_to_plain(annotation: Annotation) -> dict[str, Any]:
    """An annotation as plain values; coordinates are always floats, so that 5 and 5.0 are one."""
    box = annotation.box
    return {
        "label": annotation.label,
        "x": float(box.x) + 0.0,  # + 0.0 turns -0.0 into 0.0
        "y": float(box.y) + 0.0,
        "width": float(box.width),
        "height": float(box.height),
        "original_label": annotation.original_label,
        "annotator": annotation.annotator,
    }


def annotation_from_plain(plain: dict[str, Any]) -> Annotation:
    """The inverse of :func:`annotation_to_plain`."""
    box = Box(plain["x"], plain["y"], plain["width"], plain["height"])
    return Annotation(plain["label"], box, plain["original_label"], plain["annotator"])


def record_to_plain(record: PhotoRecord) -> dict[str, Any]:
    """A row as plain values in canonical form: annotations and notes sorted."""
    annotations = sorted((annotation_to_plain(item) for item in record.annotations), key=canonical_text)
    return {
        "photo_id": record.photo_id,
        "name": record.name,
        "vehicle": record.vehicle,
        "split": record.split,
        "width": record.width,
        "height": record.height,
        "annotated": record.annotated,
        "annotations": annotations,
        "source": record.source,
        "licence": record.licence,
        "consent": record.consent,
        "notes": sorted(set(record.notes)),
    }


def record_from_plain(plain: dict[str, Any]) -> PhotoRecord:
    """The inverse of :func:`record_to_plain`."""
    annotations = tuple(annotation_from_plain(item) for item in plain["annotations"])
    return PhotoRecord(**{**plain, "annotations": annotations, "notes": tuple(plain["notes"])})


def canonical_text(plain: dict[str, Any]) -> str:
    """Plain values as the one JSON text that stands for them."""
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
