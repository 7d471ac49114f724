"""A vehicle: its body, paint, atlas, dirt, the place where it stands, and its damage."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dentwatch.data.synthetic import atlas, parts
from dentwatch.data.synthetic.body import Body, greenhouse_outline, lower_outline
from dentwatch.data.synthetic.damage import Damage, Dent, Place
from dentwatch.data.synthetic.distractors import Distractors
from dentwatch.data.synthetic.environment import Environment
from dentwatch.data.synthetic.mesh import Mesh
from dentwatch.data.synthetic.paint import Paint
from dentwatch.data.synthetic.strokes import sample_scratch


@dataclass(frozen=True, slots=True)
class Vehicle:
    """Everything that the photos of one vehicle share; ``materials`` and ``details`` are the atlas's two textures."""

    name: str
    body: Body
    paint: Paint
    mesh: Mesh
    materials: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    details: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    distractors: Distractors
    environment: Environment
    damages: tuple[Damage, ...]
    spots: tuple[Place, ...]


def _stream(seed: int, *path: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=path))


@lru_cache(maxsize=2)
def build(seed: int, number: int, undamaged_share: float) -> Vehicle:
    """Vehicle ``number`` of ``seed``: always the same, whatever was built before."""
    rng = _stream(seed, 0, number)
    body = Body.sample(rng)
    paint = Paint.sample(rng)
    lower, upper = lower_outline(body), greenhouse_outline(body)
    materials, details = atlas.draw_atlas(rng, body, lower, upper)
    mesh, wall, top = parts.assemble(rng, body, lower, upper)
    distractors = Distractors.sample(rng)
    environment = Environment.sample(_stream(seed, 1, number))
    wounds = _stream(seed, 2, number)
    damaged = wounds.random() >= undamaged_share
    spots = tuple(_spot(wounds, wall, top, materials, details) for _ in range(8))
    damages = _damages(wounds, wall, top, materials, details, paint) if damaged else ()
    return Vehicle(
        f"synthetic-{seed}-{number}", body, paint, mesh, materials, details, distractors, environment, damages, spots
    )


def _spot(
    rng: np.random.Generator,
    wall: Mesh,
    top: Mesh,
    materials: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    details: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
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
    return Place.on(mesh.vertices[vertex] * flip, mesh.normals[vertex] * flip, float(rng.normal(0, 0.35)))


def _damages(
    rng: np.random.Generator,
    wall: Mesh,
    top: Mesh,
    materials: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    details: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    paint: Paint,
) -> tuple[Damage, ...]:
    """One to seven damages; some dents carry a scratch, and damages like company."""
    damages: list[Damage] = []
    for _ in range(int(rng.integers(3, 8))):
        place = _spot(rng, wall, top, materials, details)
        dent = rng.random() < 0.5
        if dent:
            damages.append(Dent.sample(rng, place))
        if not dent or rng.random() < 0.35:
            damages.append(sample_scratch(rng, place, paint))
        if rng.random() < 0.4:  # a second, smaller mark nearby
            shift = rng.normal(0, 0.16, 2).astype(np.float32)
            near = place.point + place.along * shift[0] + place.across * shift[1]
            spot = int(np.argmin(np.sum((wall.vertices * [1, np.sign(near[1]) or 1, 1] - near) ** 2, 1)))
            flip = np.array([1, np.sign(near[1]) or 1, 1], np.float32)
            turned = Place.on(wall.vertices[spot] * flip, wall.normals[spot] * flip, float(rng.normal(0, 0.5)))
            damages.append(sample_scratch(rng, turned, paint, 0.2))
    return tuple(damages)
