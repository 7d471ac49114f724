"""The photos that every system is asked about: 12 megapixels of 3 to 4 MB, and 640 pixels, of the same cars.

Synthetic photos are drawn at 2048 pixels, cut to 4:3, enlarged to what a phone's sensor delivers and given a sensor's
noise: an upscaled photo without noise would compress to a tenth of the size, and its decoding would cost as little.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic import SyntheticPhoto, render

LARGE, SMALL = "12mp", "640"
_SIDES = {LARGE: (4032, 3024), SMALL: (640, 480)}
_QUALITY = {LARGE: 92, SMALL: 90}
_BYTES = (3_100_000, 3_900_000)
_SMALL_NOISE = 2.0
_SEED, _DRAWN = 11, 2048
_SCENES = (102, 101, 53, 39, 13, 43, 57, 36)
"""Scenes in which the starter model finds three boxes and more: answers without boxes could not be told apart."""

PHOTOS = len(_SCENES)


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """Photos of one ``kind`` (``12mp`` or ``640``) in a folder, each read into memory."""

    kind: str
    folder: Path
    jpegs: tuple[bytes, ...]


def photo_set(kind: str, cache: Path, count: int = PHOTOS) -> PhotoSet:
    """The first ``count`` photos of ``kind``: always the same; made in ``cache`` the first time (5 s each)."""
    folder = cache / f"photos-{kind}"
    folder.mkdir(parents=True, exist_ok=True)
    jpegs: list[bytes] = []
    for index in _SCENES[:count]:
        path = folder / f"{index:03}.jpg"
        if not path.exists():
            part = path.with_suffix(".part")
            part.write_bytes(_make(kind, index))
            part.replace(path)
        jpegs.append(path.read_bytes())
    return PhotoSet(kind, folder, tuple(jpegs))


def enlarged(rgb: NDArray[np.uint8], side: int, seed: int, noise: float = 8.0) -> bytes:
    """A square photo enlarged to ``side`` pixels, with a sensor's noise of ``noise`` grey levels at mid grey."""
    clean = np.asarray(cv2.resize(rgb, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)
    return _jpeg(_noisy(clean, _unit_noise(clean, seed), noise), _QUALITY[LARGE])


def _make(kind: str, index: int) -> bytes:
    photo = render(_SEED, index, _DRAWN, undamaged_share=0.0, stops=0.0, quality=98)
    width, height = _SIDES[kind]
    method = cv2.INTER_CUBIC if width > _DRAWN else cv2.INTER_AREA
    clean = np.asarray(cv2.resize(_cut(photo), (width, height), interpolation=method), np.float32)
    unit = _unit_noise(clean, (_SEED, index))
    if kind == SMALL:
        return _jpeg(_noisy(clean, unit, _SMALL_NOISE), _QUALITY[kind])
    return _of_size(clean, unit, _QUALITY[kind])


def _cut(photo: SyntheticPhoto) -> NDArray[np.uint8]:
    """A 4:3 band of the square photo, around its damage."""
    rows = photo.rgb.shape[0] * 3 // 4
    boxes = [annotation.box for annotation in photo.annotations]
    middle = sum(box.y + box.height / 2 for box in boxes) / len(boxes) if boxes else photo.rgb.shape[0] / 2
    top = int(np.clip(middle - rows / 2, 0, photo.rgb.shape[0] - rows))
    band: NDArray[np.uint8] = photo.rgb[top : top + rows]
    return band


def _of_size(clean: NDArray[np.float32], unit: NDArray[np.float32], quality: int) -> bytes:
    """The photo with as much noise as its file needs to be as large as a phone's (halving the interval)."""
    low, high = 0.0, 24.0
    for _ in range(12):
        strength = (low + high) / 2
        jpeg = _jpeg(_noisy(clean, unit, strength), quality)
        if len(jpeg) < _BYTES[0]:
            low = strength
        elif len(jpeg) > _BYTES[1]:
            high = strength
        else:
            return jpeg
    raise RuntimeError(f"no amount of noise gives a photo of {_BYTES[0]:,} to {_BYTES[1]:,} bytes")


def _unit_noise(clean: NDArray[np.float32], seed: int | tuple[int, ...]) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(clean.shape, dtype=np.float32)


def _noisy(clean: NDArray[np.float32], unit: NDArray[np.float32], strength: float) -> NDArray[np.uint8]:
    """``clean`` with noise of ``strength`` grey levels at mid grey; its variance grows with the light."""
    deviation = strength * np.sqrt((clean + 16.0) / 144.0)
    noisy: NDArray[np.uint8] = np.clip(clean + unit * deviation + 0.5, 0, 255).astype(np.uint8)
    return noisy


def _jpeg(rgb: NDArray[np.uint8], quality: int) -> bytes:
    """A baseline JPEG with halved colour in both directions and Huffman tables of its own, as phones write it."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise RuntimeError("OpenCV could not encode the photo")
    return encoded.tobytes()
