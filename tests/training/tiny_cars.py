"""Small photos with drawn damage, for tests of training: enough to learn from within seconds."""

from pathlib import Path

import cv2
import numpy as np
from garage import Garage, jpeg, picture
from numpy.typing import NDArray
from PIL import Image

from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.training.photo_batches import LabelledPhotos
from dentwatch.training.photo_cache import Entry, PhotoCache

WIDTH, HEIGHT = 160, 120


def damaged(seed: int) -> tuple[NDArray[np.uint8], list[tuple[str, list[float]]]]:
    """A photo uint8 ``(120, 160, 3)`` with a bright scratch and a dark dent, and their boxes x, y, width, height."""
    rng = np.random.default_rng(seed)
    rgb = np.array(picture(seed, WIDTH, HEIGHT)) // 2 + 64
    x, y, length = int(rng.integers(5, 60)), int(rng.integers(5, 50)), int(rng.integers(40, 70))
    rgb[y : y + 4, x : x + length] = 250
    dent_x, dent_y, side = int(rng.integers(5, 110)), int(rng.integers(62, 80)), int(rng.integers(24, 38))
    centre = dent_x + side / 2 - 0.5, dent_y + side / 2 - 0.5
    cv2.circle(rgb, (round(centre[0]), round(centre[1])), side // 2, (10, 10, 10), -1)
    return rgb, [("scratch", [x, y, length, 4]), ("dent", [dent_x, dent_y, side, side])]


def write_source(folder: Path, train: int = 16, val: int = 6) -> str:
    """A folder for ``dentwatch data ingest``: two photos per vehicle, every fifth photo without damage."""
    garage = Garage(folder)
    for number in range(train + val):
        rgb, boxes = damaged(number)
        if number % 5 == 4:
            rgb, boxes = np.array(picture(number, WIDTH, HEIGHT)), []
        split = "train" if number < train else "val"
        fields = {"width": WIDTH, "height": HEIGHT, "vehicle_group": f"car {number // 2}", "split": split}
        garage.add(f"{number:03}.jpg", jpeg(Image.fromarray(rgb), quality=95), boxes, licence="CC0-1.0", **fields)
    return garage.write()


def labelled_photos(folder: Path, count: int, first: int = 0) -> LabelledPhotos:
    """Photos with their truth in a real cache in ``folder``; every third has an ignore region, every fourth no box."""
    folder.mkdir(parents=True, exist_ok=True)
    records, entries, pixels = [], [], []
    for number in range(first, first + count):
        rgb, boxes = damaged(number)
        if number % 4 == 3:
            rgb, boxes = np.array(picture(number, WIDTH, HEIGHT)), []
        if number % 3 == 0:
            boxes = [*boxes, ("other", [100.0, 4.0, 50.0, 40.0])]
        entries.append(Entry(sum(part.size for part in pixels), HEIGHT, WIDTH))
        pixels.append(rgb)
        annotations = tuple(Annotation(label, Box(*box)) for label, box in boxes)
        records.append(
            PhotoRecord(f"{number:064x}", str(number), f"car {number}", "train", WIDTH, HEIGHT, True, annotations)
        )
    path = folder / "photos.rgb"
    path.write_bytes(b"".join(part.tobytes() for part in pixels))
    return LabelledPhotos(records, PhotoCache(path, entries), HEADLINE_LABELS, ("other",))
