"""Where damage sits on a vehicle, and what goes together."""

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic.damage import Damage, Dent, Place
from dentwatch.data.synthetic.mesh import Mesh
from dentwatch.data.synthetic.paint import Paint
from dentwatch.data.synthetic.strokes import sample_scratch

Bytes = NDArray[np.uint8]


def spot(
    rng: np.random.Generator,
    wall: Mesh,
    top: Mesh,
    materials: Bytes,
    details: Bytes,
) -> Place:
    """A random place on painted metal: mostly the sides and bumpers, sometimes the bonnet or boot, left or right."""
    mesh = top if rng.random() < 0.10 else wall
    for _ in range(200):
        vertex = int(rng.integers(0, len(mesh.vertices)))
        x, y = np.round(mesh.texture[vertex]).astype(int)
        bare = materials[y, x, 2:].max() < 20 and details[y, x].max() < 20
        if bare and mesh.vertices[vertex, 2] > 0.3:
            break
    flip = np.array([1, -1 if rng.random() < 0.5 else 1, 1], np.float32)
    turn = float(rng.normal(0, 0.35)) if rng.random() < 0.75 else float(rng.uniform(-np.pi / 2, np.pi / 2))
    return Place.on(mesh.vertices[vertex] * flip, mesh.normals[vertex] * flip, turn)


def sample_damages(
    rng: np.random.Generator,
    wall: Mesh,
    top: Mesh,
    materials: Bytes,
    details: Bytes,
    paint: Paint,
) -> tuple[Damage, ...]:
    """One to seven damages; some dents carry a scratch, and damages like company."""
    damages: list[Damage] = []
    for _ in range(int(rng.integers(3, 8))):
        place = spot(rng, wall, top, materials, details)
        dent = rng.random() < 0.5
        if dent:
            damages.append(Dent.sample(rng, place))
        if not dent or rng.random() < 0.35:
            damages.append(sample_scratch(rng, place, paint))
        if rng.random() < 0.4:  # a second, smaller mark nearby
            shift = rng.normal(0, 0.16, 2).astype(np.float32)
            near = place.point + place.along * shift[0] + place.across * shift[1]
            nearest = int(np.argmin(np.sum((wall.vertices * [1, np.sign(near[1]) or 1, 1] - near) ** 2, 1)))
            flip = np.array([1, np.sign(near[1]) or 1, 1], np.float32)
            turned = Place.on(wall.vertices[nearest] * flip, wall.normals[nearest] * flip, float(rng.normal(0, 0.5)))
            damages.append(sample_scratch(rng, turned, paint, 0.2))
    return tuple(damages)
