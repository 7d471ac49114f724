"""Photos with a known geometry: one textured panel, seen from several places, with damage that is known."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.records.annotations import Box
from dentwatch.records.detections import Detection
from dentwatch.serving.seen_photo import SeenPhoto
from dentwatch.serving.views import features_of

SIZE = 480
Matrix = NDArray[np.float64]
Picture = NDArray[np.uint8]


def panel(seed: int) -> Picture:
    """A picture ``(480, 480, 3)`` with shapes of many sizes and grain, as a garage and a car have; one per seed."""
    rng = np.random.default_rng(seed)
    rgb = np.full((SIZE, SIZE, 3), 120, np.uint8)
    for _ in range(160):
        centre = tuple(int(v) for v in rng.integers(0, SIZE, 2))
        axes = tuple(int(v) for v in rng.integers(3, 40, 2))
        colour = tuple(int(v) for v in rng.integers(20, 236, 3))
        cv2.ellipse(rgb, centre, axes, float(rng.uniform(0, 180)), 0, float(rng.uniform(120, 360)), colour, -1)
    return noisy(cv2.GaussianBlur(rgb, (0, 0), 0.8), seed)


def noisy(rgb: Picture, seed: int) -> Picture:
    """The picture with the noise of another exposure."""
    noise = np.random.default_rng(seed).normal(0, 4, rgb.shape)
    return np.asarray(np.clip(rgb + noise, 0, 255), np.uint8)


def moved(zoom: float = 1.0, dx: float = 0.0, dy: float = 0.0, tilt: float = 0.0, turn: float = 0.0) -> Matrix:
    """The homography of a camera that came closer, went aside, tilted (per pixel) and turned (degrees)."""
    middle = SIZE / 2
    to_middle, back = np.eye(3), np.eye(3)
    to_middle[:2, 2], back[:2, 2] = -middle, middle
    angle = np.deg2rad(turn)
    camera = np.array(
        [
            [zoom * np.cos(angle), -zoom * np.sin(angle), dx],
            [zoom * np.sin(angle), zoom * np.cos(angle), dy],
            [tilt, 0, 1],
        ]
    )
    return np.asarray(back @ camera @ to_middle)


def seen_from(rgb: Picture, camera: Matrix, seed: int = 0) -> Picture:
    """The picture from another place, with noise of its own."""
    return noisy(np.asarray(cv2.warpPerspective(rgb, camera, (SIZE, SIZE), borderValue=(40, 40, 40))), seed)


def box_through(camera: Matrix, box: Box) -> Box:
    """The bounds of a box after the camera moved: exact."""
    left, top, right, bottom = box.xyxy
    corners = np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]], np.float64)
    there = cv2.perspectiveTransform(corners, camera)[0]
    return Box.from_xyxy(*there.min(axis=0).tolist(), *there.max(axis=0).tolist())


def seen(rgb: Picture, *damages: tuple[str, Box]) -> SeenPhoto:
    """A photo with its features and what was detected."""
    detections = [Detection(label, 0.8, box) for label, box in damages]
    return SeenPhoto(features_of(rgb), rgb.shape[1], rgb.shape[0], detections)
