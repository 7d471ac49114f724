"""YOLO's ``data.yaml``: class names and where each split's photos lie, in both layouts that are in use.

Roboflow's export has ``train/images`` beside ``train/labels`` and names them from a folder above (``../train/images``).
Ultralytics has ``images/train`` beside ``labels/train``, a ``path`` that may belong to another machine, and splits that
may be folders, lists of folders, or text files that list photos (https://docs.ultralytics.com/datasets/detect/).
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from dentwatch.data.formats.fields import split_of, split_of_path, text_of
from dentwatch.data.formats.scan import Scan
from dentwatch.errors import SourceError
from dentwatch.records.annotations import Split

_USUAL_NAMES = ("data", "dataset")
NAME_LISTS = ("classes.txt", "obj.names", "_darknet.labels")
"""Files that name the classes, one per line, as annotation tools and Darknet write them."""


@dataclass
class YoloConfig:
    """One ``data.yaml``: where it is, its class names by id, and its splits' folders and listed photos."""

    path: str
    names: dict[int, str]
    folders: dict[str, Split] = field(default_factory=dict)
    listed: dict[str, Split] = field(default_factory=dict)
    absent: list[tuple[str, str]] = field(default_factory=list)

    @property
    def root(self) -> str:
        """The folder that the file lies in."""
        return posixpath.dirname(self.path)

    def split_of(self, photo: str) -> Split | None:
        """The split of a photo's path: as listed, else that of the innermost folder named by the file."""
        if photo in self.listed:
            return self.listed[photo]
        folder = posixpath.dirname(photo)
        while True:
            if folder in self.folders:
                return self.folders[folder]
            if not folder:
                return split_of_path(photo)
            folder = posixpath.dirname(folder)


def is_config(scan: Scan, path: str) -> bool:
    """Whether a YAML file is a YOLO dataset's; raises :class:`SourceError` for a damaged ``data.yaml``."""
    try:
        document = yaml.safe_load(scan.text(path))
    except (yaml.YAMLError, SourceError) as error:
        if posixpath.splitext(posixpath.basename(path))[0].lower() in _USUAL_NAMES:
            where = getattr(error, "problem_mark", None)
            line = f" in line {where.line + 1}" if where else ""
            raise SourceError(
                f"{path} in {scan.tree.location} is not YAML{line}: {getattr(error, 'problem', None) or error}.",
                "Correct it, or remove it.",
            ) from error
        return False
    keys = set(document) if isinstance(document, dict) else set()
    return "names" in keys and bool(keys & {"train", "val", "valid", "test", "nc", "path"})


def load_config(scan: Scan, path: str) -> YoloConfig:
    """The dataset that a ``data.yaml`` describes; raises :class:`SourceError` when its class names are unusable."""
    document = yaml.safe_load(scan.text(path))
    config = YoloConfig(path, _names(scan, path, document["names"]))
    roots = [posixpath.join(config.root, str(document.get("path") or "")), config.root]
    known = {folder for photo in scan.photos for folder in _folders_above(photo)}
    for key, entries in document.items():
        split = split_of(key)
        if split is None or entries is None:
            continue
        for entry in entries if isinstance(entries, list) else [entries]:
            _add_entry(scan, config, roots, known, str(entry).replace("\\", "/"), split)
    return config


def named_only(scan: Scan, path: str) -> YoloConfig:
    """The dataset of a folder without ``data.yaml``: names from a list of classes, splits from folder names."""
    names = [line.strip() for line in scan.text(path).splitlines()]
    return YoloConfig(path, {number: name for number, name in enumerate(names) if name})


def name_list(scan: Scan) -> str | None:
    """A list of class names as annotation tools and Darknet write it, or None."""
    return next((path for path in scan.others if posixpath.basename(path) in NAME_LISTS), None)


def _names(scan: Scan, path: str, stated: object) -> dict[int, str]:
    pairs = stated.items() if isinstance(stated, Mapping) else enumerate(stated if isinstance(stated, list) else ())
    names: dict[int, str] = {}
    for key, value in pairs:
        name = text_of(value)
        if name is not None and str(key).isdecimal():
            names[int(key)] = name
    if not names:
        raise SourceError(
            f"{path} in {scan.tree.location} names no classes.", "`names` must be a list, or a table of id: name."
        )
    return names


def _add_entry(scan: Scan, config: YoloConfig, roots: list[str], known: set[str], entry: str, split: Split) -> None:
    if entry.endswith(".txt"):
        lists = {*scan.ending(".txt")}
        found = next((path for path in _places(roots, entry) if path in lists), None)
        if found is None:
            raise SourceError(f"{config.path} in {scan.tree.location} names {entry}, which is not there.")
        _add_list(scan, config, found, split)
        return
    places = _places(roots, entry)
    parts = [part for part in entry.split("/") if part not in ("", ".", "..")]
    places += [posixpath.join(config.root, *parts[start:]) for start in range(len(parts))]
    folder = next((place for place in places if place in known), None)
    if folder is not None:
        config.folders.setdefault(folder, split)


def _add_list(scan: Scan, config: YoloConfig, path: str, split: Split) -> None:
    folder = posixpath.dirname(path)
    for line in scan.text(path).splitlines():
        if line.strip():
            photo = scan.resolve(line.strip(), [folder, config.root]).path
            if photo is None:
                config.absent.append((line.strip(), path))
            else:
                config.listed.setdefault(photo, split)


def _places(roots: list[str], entry: str) -> list[str]:
    """Where an entry may be, inside the tree."""
    places = [posixpath.normpath(posixpath.join(root, entry)) for root in roots]
    return ["" if place == "." else place for place in places if not place.startswith(("..", "/"))]


def _folders_above(photo: str) -> list[str]:
    folders = [""]
    for part in photo.split("/")[:-1]:
        folders.append(posixpath.join(folders[-1], part))
    return folders


def document_of(names: list[str], folders: Mapping[str, str]) -> dict[str, Any]:
    """The content of a ``data.yaml``."""
    return {**folders, "nc": len(names), "names": names}
