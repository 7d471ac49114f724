"""Stickers: foil on glass and paint that a detector must not take for damage. They have no label and never a box."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic import artwork, atlas
from dentwatch.data.synthetic.charts import GREENHOUSE, TOP, WHEEL
from dentwatch.data.synthetic.damage import Decal, Place
from dentwatch.data.synthetic.mesh import Floats, Mesh

STICKERED_SHARE = 0.12
"""Share of vehicles that carry one to three stickers."""
_NEAR = 0.35
"""Metres from a place that is looked at."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Sticker(Decal):
    """A sticker; it has no label, because it is no damage."""


@dataclass(frozen=True, slots=True)
class Shell:
    """What stickers can sit on: the ``whole`` car, the left ``wall`` and ``top`` of its lower body and of its
    ``glasshouse`` the left wall, and the two textures of its atlas.
    """

    whole: Mesh
    wall: Mesh
    top: Mesh
    glasshouse: Mesh
    materials: Bytes
    details: Bytes

    def fittings(self) -> Floats:
        """Vertices (N, 3) of what is bolted on: plates, mirrors, handles and wheels."""
        return self.whole.vertices[self.whole.texture[:, 1] >= WHEEL.top]


def sample_stickers(rng: np.random.Generator, shell: Shell, looked_at: Sequence[Place]) -> tuple[Sticker, ...]:
    """No stickers for most vehicles, one to three for :data:`STICKERED_SHARE` of them.

    More than half of them are tried near a place that is ``looked_at``, so that close-ups show some.
    """
    if rng.random() >= STICKERED_SHARE:
        return ()
    wanted = int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2]))
    fittings = shell.fittings()
    stickers: list[Sticker] = []
    for _ in range(60):
        sticker = _try(rng, shell, fittings, looked_at)
        if sticker is not None and _free(sticker, stickers):
            stickers.append(sticker)
        if len(stickers) == wanted:
            break
    return tuple(stickers)


def _free(sticker: Sticker, others: Sequence[Sticker]) -> bool:
    return all(
        float(np.linalg.norm(sticker.place.point - other.place.point)) > sticker.radius + other.radius
        for other in others
    )


def _try(rng: np.random.Generator, shell: Shell, fittings: Floats, looked_at: Sequence[Place]) -> Sticker | None:
    """A sticker, or None where it found no room."""
    kind = str(rng.choice(list(artwork.KINDS), p=[kind.share for kind in artwork.KINDS.values()]))
    half_a, half_b = artwork.KINDS[kind].sample_size(rng)
    turn = float(rng.normal(0, 0.05)) if rng.random() < 0.85 else float(rng.normal(0, 0.6))
    side = -1.0 if rng.random() < 0.5 else 1.0
    near = looked_at[int(rng.integers(0, len(looked_at)))] if rng.random() < 0.65 and kind != "badge" else None
    if near is not None:
        side = float(np.sign(near.point[1])) or 1.0
    flip = np.array([1, side, 1], np.float32)
    glass = kind == "badge" or rng.random() < artwork.KINDS[kind].on_glass
    mesh = shell.glasshouse if glass and near is None else shell.top if rng.random() < 0.12 else shell.wall
    for vertex in _candidates(rng, shell, mesh, kind, None if near is None else near.point * flip):
        place = Place.on(mesh.vertices[vertex] * flip, mesh.normals[vertex] * flip, turn)
        sticker = Sticker(place, half_a, half_b, artwork.later(rng, kind, half_a, half_b))
        if _fits(sticker, shell, mesh, vertex, turn, fittings):
            return sticker
    return None


def _candidates(rng: np.random.Generator, shell: Shell, mesh: Mesh, kind: str, near: Floats | None) -> Iterator[int]:
    """Up to 12 vertices of ``mesh``: rears more often than sides and fronts, a badge low on the windscreen."""
    ahead = mesh.normals[:, 0]
    if near is not None:
        allowed = ((mesh.vertices - near) ** 2).sum(1) < _NEAR**2
    elif kind == "badge":
        allowed = (ahead > 0.35) & (mesh.texture[:, 1] < GREENHOUSE.top + 0.22 * GREENHOUSE.density)
    elif mesh is shell.top:
        allowed = mesh.normals[:, 2] > 0.9
    else:
        zone = rng.choice(3, p=[0.55, 0.3, 0.15])
        allowed = (ahead < -0.5, np.abs(ahead) < 0.35, ahead > 0.5)[zone]
    if mesh is not shell.glasshouse:
        allowed = allowed & (mesh.vertices[:, 2] > 0.32)
    found = np.flatnonzero(allowed)
    if len(found):
        for _ in range(12):
            yield int(found[rng.integers(0, len(found))])


def _fits(sticker: Sticker, shell: Shell, mesh: Mesh, vertex: int, turn: float, fittings: Floats) -> bool:
    """Whether the sticker lies flat, all of it on glass or all on paint, across no gap and clear of fittings."""
    half_a, half_b = sticker.half_a, sticker.half_b
    cosine, sine = abs(np.cos(turn)), abs(np.sin(turn))
    reach = half_a * cosine + half_b * sine, half_b * cosine + half_a * sine
    reach = reach[::-1] if mesh is shell.top else reach
    density = TOP.density
    x, y = mesh.texture[vertex]
    columns, rows = (
        slice(max(0, int(middle - half * density - 3)), int(middle + half * density + 4))
        for middle, half in zip((x, y), reach, strict=True)
    )
    first, second = shell.materials[rows, columns].reshape(-1, 4), shell.details[rows, columns]
    if second.max() > 20 or first[:, atlas.BLACK].max() > 20:
        return False
    if mesh is shell.glasshouse:
        if first[:, atlas.GLASS].min() < 235:
            return False
    elif first[:, atlas.GLASS].max() > 20 or int(np.ptp(first[:, : atlas.GLASS], axis=0).max()) > 20:
        return False
    close = ((mesh.vertices - mesh.vertices[vertex]) ** 2).sum(1) < (sticker.radius + 0.02) ** 2
    if float((mesh.normals[close] @ mesh.normals[vertex]).min()) < 0.86:
        return False
    a, b, height = sticker.place.local(fittings.T)
    touching = (np.abs(a) < half_a + 0.05) & (np.abs(b) < half_b + 0.03) & (np.abs(height) < 0.2)
    return not bool(touching.any())
