"""One synthetic photo: its scene, its picture and the exact boxes of the damage that shows."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic import vehicle as vehicles
from dentwatch.data.synthetic import viewpoint
from dentwatch.data.synthetic.camera import Camera
from dentwatch.data.synthetic.scene import Scene
from dentwatch.errors import SettingsError
from dentwatch.records.annotations import Annotation

PHOTOS_PER_VEHICLE = 4
UNDAMAGED_SHARE = 0.2


@dataclass(frozen=True)
class SyntheticPhoto:
    """A photo as ``jpeg`` bytes with the annotations of its damage and the id of its vehicle."""

    jpeg: bytes
    annotations: tuple[Annotation, ...]
    vehicle: str
    camera: Camera

    @cached_property
    def rgb(self) -> NDArray[np.uint8]:
        """The decoded photo (H, W, 3)."""
        decoded = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def _stream(seed: int, *path: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=path))


def compose(
    seed: int,
    index: int,
    size: int = 640,
    photos_per_vehicle: int = PHOTOS_PER_VEHICLE,
    undamaged_share: float = UNDAMAGED_SHARE,
) -> Scene:
    """The scene of photo ``index`` of ``seed``: a vehicle in its place, seen from somewhere.

    Raises :class:`SettingsError` for a negative seed or index, a size outside 64..2048 pixels, fewer than one photo per
    vehicle, or a share outside 0..1.
    """
    _check(seed, index, size, photos_per_vehicle, undamaged_share)
    vehicle = vehicles.build(seed, index // photos_per_vehicle, undamaged_share)
    rng = _stream(seed, 3, index)
    if rng.random() < 0.76:
        places = [damage.place for damage in vehicle.damages] or list(vehicle.spots)
        if rng.random() < 0.12:
            places = list(vehicle.spots)
        pose = viewpoint.close_up(rng, places[int(rng.integers(0, len(places)))])
    else:
        pose = viewpoint.whole_car(rng, vehicle.body)
    return Scene(vehicle, pose, size, float(rng.uniform(0, 2 * np.pi)))


def render(
    seed: int,
    index: int,
    size: int = 640,
    camera: Camera | None = None,
    *,
    photos_per_vehicle: int = PHOTOS_PER_VEHICLE,
    undamaged_share: float = UNDAMAGED_SHARE,
    stops: float | None = None,
    quality: int | None = None,
) -> SyntheticPhoto:
    """Photo ``index`` of ``seed``, ``size`` × ``size`` pixels: always the same bytes.

    ``camera`` replaces the one drawn at random; ``stops`` and ``quality`` fix only these two of its fields. The boxes
    do not depend on the camera. Raises :class:`SettingsError` for options that cannot be used.
    """
    scene = compose(seed, index, size, photos_per_vehicle, undamaged_share)
    radiance, annotations = scene.render()
    rng = _stream(seed, 4, index)
    drawn = Camera.sample(rng, stops=stops, quality=quality)
    chosen = camera or drawn
    return SyntheticPhoto(chosen.photograph(radiance, rng), annotations, scene.vehicle.name, chosen)


def _check(seed: int, index: int, size: int, photos_per_vehicle: int, undamaged_share: float) -> None:
    for name, value, low, high in (
        ("seed", seed, 0, 2**63),
        ("index", index, 0, 2**31),
        ("size", size, 64, 2048),
        ("photos per vehicle", photos_per_vehicle, 1, 10_000),
        ("undamaged share", undamaged_share, 0, 1),
    ):
        if not low <= value <= high:
            raise SettingsError(
                f"Synthetic photos cannot be made with {name} {value}.", f"Use a value from {low} to {high}."
            )
