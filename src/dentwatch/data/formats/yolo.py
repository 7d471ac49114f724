"""YOLO, reading side: one text file per photo, rows of a class id and normalised numbers.

Four numbers are centre and size, five the same with a score; eight or any other even count are the corners of a turned
box or a polygon, which become the box around them. An empty file says that there is no damage. A photo without a file
was not annotated. Coordinates are of the upright photo, so its size is read from the photo's head.
"""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dentwatch.data.formats.contract import ReadOptions
from dentwatch.data.formats.fields import enclosing_box, numbers_of, split_of_path
from dentwatch.data.formats.scan import Scan
from dentwatch.data.formats.size import upright_size
from dentwatch.data.formats.yolo_config import NAME_LISTS, YoloConfig, is_config, load_config, name_list, named_only
from dentwatch.data.incoming import IncomingAnnotation, IncomingPhoto
from dentwatch.errors import SourceError
from dentwatch.records.annotations import Box

_SNIFFED = 20


class Yolo:
    """YOLO with a ``data.yaml`` (Roboflow's or Ultralytics' layout), or with a list of class names."""

    name = "yolo"

    def find(self, scan: Scan) -> list[str]:
        """Files that name the classes: ``data.yaml`` and its like, else a list of classes beside label files.

        Raises :class:`SourceError` for label files without any class names.
        """
        configs = [path for path in scan.ending(".yaml", ".yml") if is_config(scan, path)]
        if configs:
            return configs
        labels = _label_files(scan)
        if not any(_looks_like_labels(scan.text(path)) for path in labels[:_SNIFFED]):
            return []
        names = name_list(scan)
        if names is None:
            raise SourceError(
                f"{scan.tree.location} holds YOLO labels (such as {labels[0]}) but nothing that names the classes.",
                "Add data.yaml with `names`, or classes.txt with one name per line.",
            )
        return [names]

    def read(self, scan: Scan, files: Sequence[str], options: ReadOptions) -> Iterator[IncomingPhoto]:
        """Photos that have a label file or that a list names, in the order of their paths."""
        if options.vehicle_field:
            raise SourceError(
                f"YOLO has no fields, so no {options.vehicle_field} can be read from it.",
                "Name vehicles by a file-name pattern or a CSV.",
            )
        configs = [
            load_config(scan, path) if path.endswith((".yaml", ".yml")) else named_only(scan, path) for path in files
        ]
        for config in configs:
            _check_same_names(scan, configs, config)
            for name, stated_by in config.absent:
                yield scan.missing(name, stated_by)
        texts = frozenset(scan.ending(".txt"))
        used: set[str] = set()
        deepest_first = sorted(configs, key=lambda config: -len(config.root))
        for path in scan.photos:
            config = next((item for item in deepest_first if _below(path, item.root)), deepest_first[-1])
            label_file = next((place for place in label_places(path) if place in texts), None)
            photo = IncomingPhoto(path, scan.tree.reader(path), split=config.split_of(path))
            if label_file is not None:
                used.add(label_file)
                photo = _annotated(scan, photo, config, label_file)
            yield photo
        for path in _label_files(scan):
            if path not in used:
                yield replace(scan.missing(path, path), split=split_of_path(path))


def label_places(photo: str) -> list[str]:
    """Where the label file of a photo may lie: ``labels`` for ``images`` (innermost first), else beside it."""
    stem = posixpath.splitext(photo)[0]
    parts = stem.split("/")
    places = [
        "/".join([*parts[:position], "labels", *parts[position + 1 :]])
        for position in range(len(parts) - 2, -1, -1)
        if parts[position] == "images"
    ]
    return [f"{place}.txt" for place in (*places, stem)]


def _label_files(scan: Scan) -> list[str]:
    """Text files in a folder ``labels`` or beside a photo of the same name."""
    return [
        path
        for path in scan.ending(".txt")
        if posixpath.basename(path) not in NAME_LISTS
        and ("labels" in path.split("/")[:-1] or posixpath.splitext(path)[0] in scan.photo_by_stem)
    ]


def _looks_like_labels(text: str) -> bool:
    rows = [row.split() for row in text.splitlines() if row.strip()]
    return bool(rows) and all(len(row) >= 5 and row[0].isdecimal() and numbers_of(row) is not None for row in rows)


def _below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _check_same_names(scan: Scan, configs: list[YoloConfig], config: YoloConfig) -> None:
    for other in configs:
        if other.root == config.root and other.names != config.names:
            raise SourceError(
                f"{config.path} and {other.path} in {scan.tree.location} name different classes.",
                "Keep the one that the labels were made with.",
            )


def _annotated(scan: Scan, photo: IncomingPhoto, config: YoloConfig, label_file: str) -> IncomingPhoto:
    try:
        text = scan.text(label_file)
    except SourceError as error:
        return replace(photo, problems=(("annotations_malformed", error.message),))
    rows = [(number, row.split()) for number, row in enumerate(text.splitlines(), start=1) if row.strip()]
    if not rows:
        return replace(photo, annotations=())
    size = scan.remembered.size(photo.name)
    if size is None:
        with scan.tree.open(photo.name) as file:
            size = upright_size(file)
    if size is None:
        problem = ("size_unknown", f"{label_file} cannot be used, since {photo.name} is not a photo that can be read")
        return replace(photo, problems=(problem,))
    annotations: list[IncomingAnnotation] = []
    problems: list[tuple[str, str]] = []
    for number, row in rows:
        where = f"{label_file}, line {number}"
        label = config.names.get(_class_id(row[0]))
        box = _box(row[1:], *size)
        if label is None:
            problems.append(("class_unknown", f"{where} has class {row[0]}, which {config.path} does not name"))
        elif box is None:
            problems.append(("box_malformed", f"{where} has no box that makes sense"))
        else:
            annotations.append(IncomingAnnotation(label, box))
    return replace(photo, annotations=tuple(annotations), width=size[0], height=size[1], problems=tuple(problems))


def _class_id(text: str) -> int:
    number = text.removesuffix(".0")
    return int(number) if number.isdecimal() else -1


def _box(row: Sequence[str], width: int, height: int) -> Box | None:
    numbers = numbers_of(row)
    if numbers is None or len(numbers) < 4:
        return None
    if len(numbers) in (4, 5):
        x, y, w, h = numbers[:4]
        if w < 0 or h < 0:
            return None
        return Box((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
    if len(numbers) % 2:
        return None
    return enclosing_box([(x * width, y * height) for x, y in zip(numbers[::2], numbers[1::2], strict=True)])
