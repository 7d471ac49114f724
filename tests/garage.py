"""Folders of made-up annotated photos for the tests of the ingest."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

Boxes = list[tuple[str, list[float]]]


def picture(seed: int, width: int = 300, height: int = 200) -> Image.Image:
    """A smooth picture that no other seed gives."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def jpeg(image: Image.Image, **options: Any) -> bytes:
    """The image as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


@dataclass
class Garage:
    """A folder of photos with COCO annotations, written by :meth:`write`."""

    folder: Path
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)

    def add(self, name: str, data: bytes | None, boxes: Boxes | None = None, **fields: Any) -> "Garage":
        """Add a photo; without ``boxes`` the annotations do not speak of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if data is not None:
            (self.folder / name).write_bytes(data)
        if boxes is None:
            return self
        image = {"id": len(self.images) + 1, "file_name": name, "width": 300, "height": 200, **fields}
        self.images.append(image)
        for label, box in boxes:
            if label not in self.classes:
                self.classes.append(label)
            annotation = {"image_id": image["id"], "category_id": self.classes.index(label) + 1, "bbox": box}
            self.annotations.append({"id": len(self.annotations) + 1, "area": 1, "iscrowd": 0, **annotation})
        return self

    def write(self) -> str:
        """Write the annotations; returns the folder for ``dentwatch data ingest``."""
        categories = [{"id": number, "name": name} for number, name in enumerate(self.classes or ["scratch"], 1)]
        document = {"images": self.images, "annotations": self.annotations, "categories": categories}
        (self.folder / "annotations.json").write_text(json.dumps(document))
        return str(self.folder)


def fleet(folder: Path, count: int, first: int = 0) -> Garage:
    """``count`` sound photos, three per vehicle, every fourth without damage."""
    garage = Garage(folder)
    for number in range(first, first + count):
        boxes: Boxes = [] if number % 4 == 0 else [("scratch", [10.0, 20.0, 30.0, 5.0]), ("dent", [50.5, 60, 20, 20])]
        garage.add(f"{number:03}.jpg", jpeg(picture(number)), boxes, vehicle_group=f"car {number // 3}")
    return garage
