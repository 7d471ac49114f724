"""Look at one incoming photo: is it a photo, do its boxes lie on it, what is it like?

Everything that can be said about a photo alone is said here, in a worker process; what takes the other photos
(duplicates, splits) is said in :mod:`dentwatch.data.consolidation`.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dentwatch.data.decoding import DecodedPhoto, decode
from dentwatch.data.framing import clip, placement
from dentwatch.data.incoming import IncomingAnnotation, IncomingPhoto
from dentwatch.data.label_map import IGNORE, LabelMap
from dentwatch.data.perceptual_hash import perceptual_hashes
from dentwatch.data.shrinking import shrink
from dentwatch.data.statistics import STATISTICS_SIDE, photo_statistics
from dentwatch.errors import PhotoError
from dentwatch.records.annotations import Annotation, Box
from dentwatch.records.canonical import annotation_to_plain, canonical_text
from dentwatch.records.photo_figures import PhotoFigures
from dentwatch.records.photos import PhotoStore
from dentwatch.records.set_aside import SetAside
from dentwatch.settings import DataSettings

REASONS: dict[str, str] = {
    "missing": "the annotations name a photo that is not there",
    "too_large": "the file is larger than allowed",
    "unreadable": "the photo cannot be read or decoded",
    "truncated": "a part of the photo's data is missing or damaged",
    "not_an_image": "the file is not a photo",
    "decompression_bomb": "the photo would decode to more pixels than allowed",
    "too_small": "the photo's shorter side is too short",
    "missing_licence": "no licence is stated (and DENTWATCH_DATA__REQUIRE_RIGHTS is on)",
    "missing_consent": "no consent is stated (and DENTWATCH_DATA__REQUIRE_RIGHTS is on)",
    "contradiction": "the same bytes came with other annotations",
    "unknown_class": "nobody has said which label this class is",
    "box_empty": "the box has no area",
    "box_outside": "the box lies outside the photo",
    "size_mismatch": "the annotations were made on a photo of another shape",
    "size_unknown": "the boxes need the photo's size, which is not known",
    "class_unknown": "the annotation names no class",
    "box_malformed": "the box cannot be read",
    "annotation_unsupported": "the annotation is neither a box nor a polygon",
    "annotations_malformed": "the photo's annotations cannot be read",
    "annotation_orphaned": "the annotations are for a photo that the source does not list",
    "entry_malformed": "the source lists a photo without a name",
    "entry_duplicate": "two photos of the source have one id, so their annotations cannot be told apart",
    "photo_ambiguous": "several photos of the source could be meant",
}
"""Why something is set aside."""

NOTES: dict[str, str] = {
    "exif_orientation": "the photo was turned upright as its EXIF data says",
    "boxes_turned": "boxes drawn on the lying photo were turned along",
    "boxes_scaled": "boxes drawn on a resized photo were scaled",
    "box_clipped": "a box that stuck out was cut at the photo's edge",
    "duplicate_box": "the same box came twice",
    "annotations_set_aside": "some of the photo's annotations are set aside",
    "vehicle_unknown": "no vehicle is stated: the photo counts as a vehicle of its own",
    "vehicle_missing": "the named field or pattern gives no vehicle for this photo",
    "entry_duplicate": "the source lists the photo more than once; its annotations were joined",
    "split_contradicts": "the source puts the photo into two splits; the first was kept",
    "near_duplicate": "another photo of the same vehicle looks the same",
    "near_duplicate_elsewhere": "a photo of another vehicle looks the same",
    "near_duplicate_mirrored": "a photo looks the same when mirrored",
    "split_conflict": "the stated split is not the one that the photo's vehicle is in",
}
"""What was seen on photos that were accepted."""

RELATIVE_NOTES = {
    "annotations_set_aside",
    "near_duplicate",
    "near_duplicate_elsewhere",
    "near_duplicate_mirrored",
    "split_conflict",
}
"""Notes that depend on more than the photo itself, so they are found anew and not taken over from a source."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a photo must be, and how its classes are called here."""

    settings: DataSettings
    labels: LabelMap


@dataclass(slots=True)
class Examined:
    """What validation says about one incoming photo.

    ``candidate`` is None where the photo as a whole is set aside. ``ignored`` counts annotations dropped on purpose,
    by class.
    """

    photo_id: str | None
    candidate: dict[str, Any] | None = None
    figures: PhotoFigures | None = None
    set_aside: list[SetAside] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


def examine(photo: IncomingPhoto, rules: Rules, store: PhotoStore) -> Examined:
    """Read, keep and judge one photo; never raises for what is wrong with the photo itself."""
    photo_id: str | None = None
    try:
        data = photo.read()
        photo_id = store.put(data, durable=False)
        decoded = decode(data, max_pixels=rules.settings.max_pixels, target_side=STATISTICS_SIDE)
        _check_photo(photo, decoded, rules.settings)
    except PhotoError as error:
        return set_aside_whole(photo, photo_id, error)
    result = Examined(photo_id)
    notes = {"exif_orientation"} if decoded.orientation != 1 else set()
    annotations = _annotations(photo, photo_id, decoded, rules, result, notes)
    for reason, text in photo.problems:
        if reason in NOTES and (photo.annotations is not None or reason == "vehicle_missing"):
            notes.add(reason)
        else:
            result.set_aside.append(_entry(photo, photo_id, "annotation", reason, text, None))
    # A photo whose every annotation is set aside is not an undamaged one: it waits for review.
    annotated = photo.annotations is not None and (bool(annotations) or not result.set_aside)
    if not photo.vehicle:
        notes.add("vehicle_unknown")
    result.candidate = {
        "photo_id": photo_id,
        "name": photo.name,
        "vehicle": photo.vehicle or f"photo-{photo_id[:16]}",
        "split": photo.split,
        "width": decoded.width,
        "height": decoded.height,
        "annotated": annotated,
        "annotations": annotations,
        "source": photo.source,
        "licence": photo.licence or "",
        "consent": photo.consent or "",
        "notes": sorted(notes | (set(photo.notes) - RELATIVE_NOTES)),
        "stated": asdict(_entry(photo, photo_id, "photo", "contradiction", "", photo.annotations)),
    }
    result.figures = _figures(photo_id, decoded)
    return result


def annotations_to_text(annotations: Sequence[IncomingAnnotation] | None) -> str | None:
    """Annotations as their source states them, as JSON for :attr:`SetAside.annotations`."""
    if annotations is None:
        return None
    return json.dumps([asdict(item) for item in annotations], sort_keys=True, ensure_ascii=False)


def annotations_from_text(text: str | None) -> tuple[IncomingAnnotation, ...] | None:
    """The inverse of :func:`annotations_to_text`."""
    if text is None:
        return None
    return tuple(IncomingAnnotation(**{**plain, "box": Box(**plain["box"])}) for plain in json.loads(text))


def set_aside_whole(photo: IncomingPhoto, photo_id: str | None, error: PhotoError) -> Examined:
    """The photo set aside as a whole for ``error``, with what its source could not read about it."""
    problems = [problem for problem in photo.problems if problem[0] not in NOTES]
    reason, text = error.reason, str(error)
    if reason == "missing" and problems:
        reason, text = problems.pop(0)  # the source knows why there is no such photo
    entries = [_entry(photo, photo_id, "photo", reason, text, photo.annotations)]
    entries += [_entry(photo, photo_id, "annotation", reason, text, None) for reason, text in problems]
    return Examined(photo_id, set_aside=entries)


def _check_photo(photo: IncomingPhoto, decoded: DecodedPhoto, settings: DataSettings) -> None:
    if min(decoded.width, decoded.height) < settings.min_side:
        raise PhotoError(
            "too_small",
            f"The photo is {decoded.width} × {decoded.height} pixels; its shorter side must have {settings.min_side}.",
            "Find a larger copy, or lower DENTWATCH_DATA__MIN_SIDE and retry.",
        )
    for right in ("licence", "consent"):
        if settings.require_rights and not getattr(photo, right):
            raise PhotoError(
                f"missing_{right}", f"No {right} is stated.", f"State it with --{right} when ingesting or retrying."
            )


def _annotations(
    photo: IncomingPhoto, photo_id: str, decoded: DecodedPhoto, rules: Rules, result: Examined, notes: set[str]
) -> list[dict[str, Any]]:
    """The photo's annotations that pass, as plain values; what does not goes to ``result``, remarks to ``notes``."""
    failed: dict[str, list[IncomingAnnotation]] = {}
    passed: dict[str, dict[str, Any]] = {}
    stated = (photo.width, photo.height) if photo.width and photo.height else None
    placed = placement(stated, (decoded.width, decoded.height), decoded.orientation)
    for item in photo.annotations or ():
        label = rules.labels.label_of(item.label)
        if label == IGNORE:
            result.ignored[item.label] += 1
        elif label is None:
            failed.setdefault("unknown_class", []).append(item)
        elif placed is None:
            failed.setdefault("size_mismatch", []).append(item)
        else:
            place, place_note = placed
            box, remark = clip(place(item.box), decoded.width, decoded.height)
            if box is None:
                failed.setdefault(remark or "box_empty", []).append(item)
                continue
            notes.update(note for note in (place_note, remark) if note)
            plain = annotation_to_plain(Annotation(label, box, item.original_label or item.label, item.annotator))
            if passed.setdefault(canonical_text(plain), plain) is not plain:
                notes.add("duplicate_box")
    for reason, items in failed.items():
        result.set_aside.append(_entry(photo, photo_id, "annotation", reason, _detail(reason, items, photo), items))
    return [passed[text] for text in sorted(passed)]


def _detail(reason: str, items: Sequence[IncomingAnnotation], photo: IncomingPhoto) -> str:
    classes = ", ".join(sorted({item.label for item in items}))
    if reason == "unknown_class":
        return f"No label for {classes}."
    if reason == "size_mismatch":
        return f"Annotated on {photo.width} × {photo.height} pixels, which is not this photo's shape."
    boxes = "; ".join(f"x {item.box.x:g}, y {item.box.y:g}, {item.box.width:g} × {item.box.height:g}" for item in items)
    return f"{classes}: {boxes}."


def _entry(
    photo: IncomingPhoto,
    photo_id: str | None,
    kind: str,
    reason: str,
    detail: str,
    annotations: Sequence[IncomingAnnotation] | None,
) -> SetAside:
    return SetAside(
        kind=kind,
        reason=reason,
        detail=detail,
        photo_id=photo_id,
        name=photo.name,
        annotations=annotations_to_text(annotations),
        width=photo.width,
        height=photo.height,
        vehicle=photo.vehicle,
        split=photo.split,
        licence=photo.licence,
        consent=photo.consent,
        source=photo.source,
    )


def _figures(photo_id: str, decoded: DecodedPhoto) -> PhotoFigures:
    half = shrink(decoded.rgb, 2)
    own, mirrored = perceptual_hashes(decoded.rgb, half)
    statistics = photo_statistics(decoded.rgb, (decoded.width, decoded.height), half)
    return PhotoFigures(photo_id, own, mirrored, asdict(statistics))
