"""A vehicle: its body, paint, atlas, dirt, the place where it stands, its damage and its stickers."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic import atlas, parts
from dentwatch.data.synthetic.body import Body, greenhouse_outline, lower_outline
from dentwatch.data.synthetic.damage import Damage, Place
from dentwatch.data.synthetic.distractors import Distractors
from dentwatch.data.synthetic.environment import Environment
from dentwatch.data.synthetic.mesh import Mesh
from dentwatch.data.synthetic.paint import Paint
from dentwatch.data.synthetic.placing import sample_damages, spot
from dentwatch.data.synthetic.stickers import Shell, Sticker, sample_stickers


@dataclass(frozen=True, slots=True)
class Vehicle:
    """Everything that the photos of one vehicle share; ``materials`` and ``details`` are the atlas's two textures."""

    name: str
    body: Body
    paint: Paint
    mesh: Mesh
    materials: NDArray[np.uint8]
    details: NDArray[np.uint8]
    distractors: Distractors
    environment: Environment
    damages: tuple[Damage, ...]
    spots: tuple[Place, ...]
    stickers: tuple[Sticker, ...]


def _stream(seed: int, *path: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=path))


VEHICLES_PER_PLACE = 4
"""Consecutive vehicles that stand in the same place, as at a dealer's."""


@lru_cache(maxsize=1)
def _place(seed: int, number: int) -> Environment:
    return Environment.sample(_stream(seed, 1, number))


@lru_cache(maxsize=2)
def build(seed: int, number: int, undamaged_share: float) -> Vehicle:
    """Vehicle ``number`` of ``seed``: always the same, whatever was built before."""
    rng = _stream(seed, 0, number)
    body = Body.sample(rng)
    paint = Paint.sample(rng)
    lower, upper = lower_outline(body), greenhouse_outline(body)
    materials, details = atlas.draw_atlas(rng, body, lower, upper)
    mesh, wall, top, glasshouse = parts.assemble(rng, body, lower, upper)
    distractors = Distractors.sample(rng)
    environment = _place(seed, number // VEHICLES_PER_PLACE)
    wounds = _stream(seed, 2, number)
    damaged = wounds.random() >= undamaged_share
    spots = tuple(spot(wounds, wall, top, materials, details) for _ in range(8))
    damages = sample_damages(wounds, wall, top, materials, details, paint) if damaged else ()
    looked_at = [damage.place for damage in damages] or list(spots)
    shell = Shell(mesh, wall, top, glasshouse, materials, details)
    stickers = sample_stickers(_stream(seed, 5, number), shell, looked_at)
    return Vehicle(
        f"synthetic-{seed}-{number}", body, paint, mesh, materials, details, distractors, environment, damages, spots,
        stickers,
    )  # fmt: skip
