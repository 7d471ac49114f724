"""YOLO, writing side, in both layouts. Photos that nobody has annotated lie apart, or they would pass for undamaged."""

import posixpath
from pathlib import Path

import yaml

from dentwatch.data.formats.writer import Classes
from dentwatch.data.formats.yolo_config import document_of
from dentwatch.records.annotations import SPLITS, PhotoRecord, Split

UNANNOTATED = "unannotated"


class YoloWriter:
    """Ultralytics' layout: ``images/train``, ``labels/train`` and ``data.yaml``."""

    keeps_annotation_fields = False
    folders: dict[Split, str] = {"train": "images/train", "val": "images/val", "test": "images/test"}  # noqa: RUF012

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._classes = Classes()
        self._used: set[Split] = set()

    def folder_for(self, record: PhotoRecord) -> str:
        """The folder of the record's split, or the one for photos without annotations."""
        return self.folders[record.split] if record.annotated else UNANNOTATED

    def add(self, record: PhotoRecord, file: str) -> None:
        """Write the label file of an annotated photo."""
        if not record.annotated:
            return
        self._used.add(record.split)
        path = self._folder / self._label_file(file, self.folders[record.split])
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as out:
            for item in record.annotations:
                box = item.box
                numbers = (
                    (box.x + box.width / 2) / record.width,
                    (box.y + box.height / 2) / record.height,
                    box.width / record.width,
                    box.height / record.height,
                )
                out.write(f"{self._classes.number(item.label)} {' '.join(map(repr, numbers))}\n")

    def close(self) -> None:
        """Write ``data.yaml``."""
        folders: dict[str, str] = {split: self._entry(self.folders[split]) for split in SPLITS if split in self._used}
        document = document_of(self._classes.names, folders)
        with (self._folder / "data.yaml").open("w", encoding="utf-8") as out:
            yaml.safe_dump(document, out, allow_unicode=True, sort_keys=False)

    def _entry(self, folder: str) -> str:
        return folder

    @staticmethod
    def _label_file(file: str, folder: str) -> str:
        """The label file of a photo: the split's folder with ``images`` turned into ``labels``."""
        below = posixpath.relpath(posixpath.splitext(file)[0], folder)
        return posixpath.join(folder.replace("images", "labels"), f"{below}.txt")


class RoboflowYoloWriter(YoloWriter):
    """Roboflow's layout: ``train/images``, ``train/labels`` and a ``data.yaml`` that names them from above."""

    folders: dict[Split, str] = {  # noqa: RUF012
        "train": "train/images",
        "val": "valid/images",
        "test": "test/images",
    }

    def _entry(self, folder: str) -> str:
        return f"../{folder}"
