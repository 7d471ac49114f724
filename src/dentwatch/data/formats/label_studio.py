"""Label Studio JSON, reading side: the full export and JSON-MIN (https://labelstud.io/guide/export).

Rectangles and ellipses (also rotated) and polygons become upright boxes; units are percent of the
photo as the tool showed it. Of several annotations of a task the newest that was not cancelled counts. A region's
``meta.annotator`` and ``meta.original_label`` are kept; else the annotator is who completed the annotation. A task's
fields are those of its ``data``.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dentwatch.data.formats.contract import ReadOptions
from dentwatch.data.formats.fields import size_of, split_of, split_of_path, text_of, vehicle_of
from dentwatch.data.formats.label_studio_regions import Regions, read_regions
from dentwatch.data.formats.scan import Resolved, Scan, is_photo
from dentwatch.data.incoming import IncomingPhoto

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""


class LabelStudio:
    """Label Studio: a JSON list of tasks beside the photos."""

    name = "label-studio"

    def find(self, scan: Scan) -> list[str]:
        """JSON files that are a list of tasks, full or minimal."""
        return [path for path in scan.ending(".json") if _is_tasks(scan.json(path))]

    def read(self, scan: Scan, files: Sequence[str], options: ReadOptions) -> Iterator[IncomingPhoto]:
        """Photos in the order of the tasks."""
        seen: set[str] = set()
        for path in files:
            for task in _tasks(scan.json(path)):
                photo = _photo(scan, path, task, options)
                if photo.name in seen:
                    problem = ("entry_duplicate", f"{photo.name} has more than one task in {path}")
                    photo = replace(photo, problems=(*photo.problems, problem))
                seen.add(photo.name)
                yield photo


def _is_tasks(document: Any) -> bool:
    first = document[0] if isinstance(document, list) and document else None
    if not isinstance(first, dict):
        return False
    if isinstance(first.get("data"), dict):
        return "annotations" in first or "completions" in first or _reference(first["data"]) is not None
    return ("annotation_id" in first or "annotator" in first or "lead_time" in first) and _reference(first) is not None


def _tasks(document: list[Any]) -> Iterator[Mapping[str, Any]]:
    """Full tasks; rows of JSON-MIN, which has one per annotation, are gathered to tasks first."""
    minimal: dict[str, dict[str, Any]] = {}
    for item in document:
        fields = item if isinstance(item, dict) else {}
        if isinstance(fields.get("data"), dict):
            yield fields
            continue
        values = [value for value in fields.values() if isinstance(value, list)]
        annotation = {
            "completed_by": fields.get("annotator"),
            "created_at": fields.get("created_at"),
            "updated_at": fields.get("updated_at"),
            "result": [_full_region(entry) for value in values for entry in value if isinstance(entry, dict)],
        }
        task = minimal.setdefault(str(_reference(fields)), {"id": fields.get("id"), "data": fields, "annotations": []})
        if "annotator" in fields or "annotation_id" in fields:
            task["annotations"].append(annotation)
    yield from minimal.values()


def _full_region(value: Mapping[str, Any]) -> dict[str, Any]:
    kind = next((key for key in value if key.endswith("labels")), "unknown")
    return {"type": kind, "value": value} | {key: value.get(key) for key in ("original_width", "original_height")}


def _photo(scan: Scan, path: str, task: Mapping[str, Any], options: ReadOptions) -> IncomingPhoto:
    data = task["data"]
    reference = _reference(data) or f"{path}#task {task.get('id')}"
    resolved = _resolve(scan, path, reference)
    if resolved.path is None:
        photo = scan.missing(reference, path, resolved.problem)
    else:
        photo = IncomingPhoto(resolved.path, scan.tree.reader(resolved.path))
    regions, problems = _newest(task, f"task {task.get('id')} ({photo.name}) in {path}")
    vehicle = vehicle_of(data, options.vehicle_field)
    if options.vehicle_field and vehicle is None:
        problems.append(("vehicle_missing", f"{photo.name} has no field {options.vehicle_field} in {path}"))
    return replace(
        photo,
        annotations=None if regions is None else tuple(regions.annotations),
        width=(regions.width if regions else None) or size_of(data.get("width")),
        height=(regions.height if regions else None) or size_of(data.get("height")),
        vehicle=vehicle,
        split=split_of(data.get("split")) or split_of_path(photo.name),
        licence=text_of(data.get("licence")) or text_of(data.get("license")),
        consent=text_of(data.get("consent")),
        source=text_of(data.get("source")) or "",
        problems=(*photo.problems, *problems),
    )


def _newest(task: Mapping[str, Any], where: str) -> tuple[Regions | None, list[tuple[str, str]]]:
    """The regions of the newest annotation that counts (None: nobody has annotated) and the problems met."""
    stated = task.get("annotations", task.get("completions"))
    annotations = [item for item in stated if isinstance(item, dict)] if isinstance(stated, list) else []
    valid = [item for item in annotations if not item.get("was_cancelled")]
    if not valid:
        return None, []
    newest = max(
        valid, key=lambda item: (str(item.get("updated_at") or item.get("created_at") or ""), valid.index(item))
    )
    regions = read_regions(newest, where)
    problems = list(regions.problems)
    for other in valid:
        if other is not newest and not regions.agrees(read_regions(other, where)):
            text = f"{where} has {len(valid)} annotations that differ; the newest was taken"
            problems.append(("annotations_contradict", text))
            break
    return regions, problems


def _reference(fields: Mapping[str, Any]) -> str | None:
    """The photo that a task shows: the field ``image``, else the first field that reads like a photo."""
    usual = [fields.get(name) for name in ("image", "img", "photo", "url")]
    for value in (*usual, *fields.values()):
        if isinstance(value, str) and is_photo(_path_of(value)):
            return value
    return next((value for value in usual if isinstance(value, str) and value), None)


def _path_of(reference: str) -> str:
    """The path in a reference: of a local-files URL its parameter ``d``, else the URL's path, decoded."""
    if "://" not in reference and not reference.startswith("/"):
        return reference
    parts = urlsplit(reference)
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path)


def _resolve(scan: Scan, path: str, reference: str) -> Resolved:
    folder = posixpath.dirname(path)
    stated = _path_of(reference)
    folders = [folder, posixpath.join(folder, "images")]
    resolved = scan.resolve(stated, folders)
    name = posixpath.basename(stated)
    if resolved.path is None and resolved.problem is None and _UPLOAD_PREFIX.match(name):
        return scan.resolve(_UPLOAD_PREFIX.sub("", name), folders)
    return resolved
