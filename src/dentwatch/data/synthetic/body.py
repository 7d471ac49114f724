"""The shape of a car body: two lofted shells (the lower body and the greenhouse), each a wall around a plan outline
that folds over into a top.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic.charts import GREENHOUSE, TOP, WALL
from dentwatch.data.synthetic.mesh import Mesh, grid, grid_normals

Array = NDArray[np.float64]
Style = Literal["hatchback", "saloon", "estate", "suv"]


@dataclass(frozen=True, slots=True)
class Body:
    """Dimensions in metres; x is measured from the middle of the car, forward positive."""

    style: Style
    length: float
    width: float
    height: float
    wheel_radius: float
    front_axle: float
    rear_axle: float
    sill: float
    nose: float
    belt: float
    screen_base: float
    screen_top: float
    rear_base: float
    rear_top: float
    roundness: float
    crease: float
    crease_depth: float
    flare: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Body":
        """A body of a common kind, with proportions drawn around its usual ones."""
        style: Style = rng.choice(["hatchback", "saloon", "estate", "suv"], p=[0.36, 0.32, 0.12, 0.2])
        usual = {
            "hatchback": (4.05, 1.74, 1.48, 0.31),
            "saloon": (4.55, 1.79, 1.45, 0.32),
            "estate": (4.60, 1.80, 1.48, 0.32),
            "suv": (4.40, 1.84, 1.66, 0.36),
        }[style]
        length, width, height, wheel = (float(value * rng.uniform(0.96, 1.04)) for value in usual)
        tall = style == "suv"
        front = length / 2 - float(rng.uniform(0.80, 0.90))
        rear_overhang = {"hatchback": 0.68, "saloon": 0.98, "estate": 0.95, "suv": 0.86}[style]
        screen_base = front - float(rng.uniform(0.32, 0.42)) - (0.06 if style == "saloon" else 0)
        rear_base = {"hatchback": 0.12, "saloon": 0.72, "estate": 0.10, "suv": 0.14}[style]
        slope = {"hatchback": 0.38, "saloon": 0.62, "estate": 0.30, "suv": 0.36}[style]
        return cls(
            style=style,
            length=length,
            width=width,
            height=height,
            wheel_radius=wheel,
            front_axle=front,
            rear_axle=-length / 2 + rear_overhang * float(rng.uniform(0.95, 1.05)),
            sill=(0.27 if tall else 0.20) * float(rng.uniform(0.9, 1.1)),
            nose=(0.86 if tall else 0.70) * float(rng.uniform(0.96, 1.05)),
            belt=(1.08 if tall else 0.94) * float(rng.uniform(0.97, 1.03)),
            screen_base=screen_base,
            screen_top=screen_base - float(rng.uniform(0.66, 0.82)),
            rear_base=-length / 2 + rear_base * float(rng.uniform(0.9, 1.1)),
            rear_top=-length / 2 + (rear_base + slope) * float(rng.uniform(0.95, 1.05)),
            roundness=float(rng.uniform(3.6, 5.2)),
            crease=float(rng.uniform(0.62, 0.78)),
            crease_depth=float(rng.uniform(0.0, 0.03)),
            flare=float(rng.uniform(0.0, 0.022)),
        )

    @property
    def arch_radius(self) -> float:
        """Radius of the wheel arches, in metres."""
        return self.wheel_radius + 0.055

    def edge_height(self, x: Array) -> Array:
        """Height in metres of the edge where the wall of the lower body folds into its top, at ``x`` metres."""
        half = self.length / 2
        knots = [-half, -half + 0.5, self.screen_base, self.screen_base + 0.35, half - 0.35, half]
        tail = self.belt + (0.02 if self.style == "saloon" else 0.0)
        rise = self.nose + 0.1
        heights = [tail, tail + 0.03, self.belt - 0.03, self.belt - 0.06, rise, self.nose]
        fine = np.linspace(-half, half, 241)
        coarse = np.interp(fine, knots, heights)
        kernel = np.hanning(41)
        smooth = np.convolve(np.pad(coarse, 20, mode="edge"), kernel / kernel.sum(), mode="valid")
        return np.interp(x, fine, smooth)


@dataclass(frozen=True, slots=True)
class Outline:
    """Half of a plan outline (y ≥ 0), from the front's middle to the rear's: points ``(N, 2)``, outward unit normals
    ``(N, 2)`` and arc length ``(N,)`` in metres.
    """

    points: Array
    normals: Array
    arc: Array

    def arc_at(self, x: float) -> float:
        """Arc length at which the outline reaches ``x`` metres."""
        return float(np.interp(-x, -self.points[:, 0], self.arc))


def superellipse(front: float, rear: float, half_width: float, exponent: float, count: int) -> Outline:
    """The half outline |x|^p + |y|^p = 1 stretched over ``rear``..``front`` metres, sampled evenly by arc length."""
    angle = np.linspace(0, np.pi, 4001)
    cosine, sine = np.cos(angle), np.maximum(np.sin(angle), 0)
    x = np.sign(cosine) * np.abs(cosine) ** (2 / exponent) * (front - rear) / 2 + (front + rear) / 2
    y = sine ** (2 / exponent) * half_width
    arc = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    even = np.linspace(0, arc[-1], count)
    points = np.stack([np.interp(even, arc, x), np.interp(even, arc, y)], 1)
    tangent = np.gradient(points, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normals = np.stack([tangent[:, 1], -tangent[:, 0]], 1)
    normals *= np.where(np.sum(normals * (points - points.mean(0) * [1, 0]), 1) < 0, -1, 1)[:, None]
    return Outline(points, normals, even)


def lower_outline(body: Body) -> Outline:
    """The plan outline of the lower body."""
    return superellipse(body.length / 2, -body.length / 2, body.width / 2, body.roundness, 150)


def greenhouse_outline(body: Body) -> Outline:
    """The plan outline of the greenhouse at the belt line."""
    return superellipse(body.screen_base, body.rear_base, body.width / 2 - 0.055, 4.5, 100)


def _wall_inset(body: Body, level: Array, end: Array) -> Array:
    """How far the wall lies inside the outline, in metres: ``level`` (R, 1) runs from sill 0 to edge 1, ``end`` (1, C)
    is 0 on the sides and 1 on the front and rear faces.
    """
    tuck = 0.07 * np.clip(1 - level / 0.3, 0, 1) ** 2
    lean = 0.05 * np.clip((level - 0.55) / 0.45, 0, 1) ** 2
    ridge = body.crease_depth * np.clip(1 - np.abs(level - body.crease) / 0.16, 0, 1)
    hollow = 0.016 * np.sin(np.clip((level - 0.12) / 0.42, 0, 1) * np.pi)
    side = tuck + lean - ridge + hollow
    bumper = 0.10 * np.clip(1 - level / 0.28, 0, 1) ** 2 + 0.13 * np.clip((level - 0.58) / 0.42, 0, 1) ** 1.4
    lip = -0.022 * np.exp(-(((level - 0.42) / 0.13) ** 4))
    return np.asarray(side * (1 - end) + (bumper + lip) * end)


def _fold(edge: Array, spine: Array, crown: float, exponent: float, rows: int) -> Array:
    """Points ``(rows, C, 3)`` from the edge ``(C, 3)`` to the spine ``(C, 3)``, rounded at the edge."""
    share = (np.linspace(0, 1, rows) ** 1.9)[:, None, None]
    flat = edge + (spine - edge) * share
    rise = (1 - (1 - share[..., 0]) ** exponent) ** (1 / exponent)
    linear = share[..., 0]
    flat[..., 2] = edge[:, 2] + (spine[:, 2] - edge[:, 2] - crown) * linear + crown * rise
    return np.asarray(flat)


def lower_shell(body: Body, outline: Outline) -> tuple[Mesh, Mesh]:
    """The left half of the lower body: its wall and its top (bonnet, shoulders, boot)."""
    level = np.linspace(0, 1, 26)[:, None]
    end = (outline.normals[:, 0] ** 2)[None, :]
    inset = _wall_inset(body, level, end)
    x, y = outline.points.T
    bottom = body.sill + 0.05 * np.clip(end - 0.4, 0, 1)
    top = body.edge_height(x)[None, :]
    wall = np.stack(
        [x - inset * outline.normals[:, 0], y - inset * outline.normals[:, 1], bottom + (top - bottom) * level], -1
    )
    for axle in (body.front_axle, body.rear_axle):
        distance = np.hypot(wall[..., 0] - axle, wall[..., 2] - body.wheel_radius)
        outside = np.clip((distance - body.arch_radius) / 0.12, 0, 1)
        wall[..., 1] += np.where(distance > body.arch_radius, body.flare * (1 - outside) ** 2, body.flare) * (1 - end)
    edge = wall[-1]
    spine_x = np.clip(edge[:, 0], -body.length / 2 + 0.42, body.length / 2 - 0.55)
    crown = 0.075
    spine = np.stack([spine_x, np.zeros_like(spine_x), body.edge_height(spine_x) + crown], 1)
    fold = _fold(edge, spine, crown, 2.4, 15)
    points = np.concatenate([wall, fold[1:]])
    outward = np.concatenate([outline.normals, np.full((len(outline.normals), 1), 0.6)], 1)[None]
    normals = grid_normals(points, np.broadcast_to(outward, points.shape))
    for axle in (body.front_axle, body.rear_axle):  # the wheel wells, pushed in where the atlas is black anyway
        distance = np.hypot(wall[..., 0] - axle, wall[..., 2] - body.wheel_radius)
        wall[..., 1] -= 0.2 * np.clip((body.arch_radius - 0.035 - distance) / 0.02, 0, 1) * (wall[..., 1] > 0.4)
    rows = len(level)
    wall_uv = WALL.pixels(np.broadcast_to(outline.arc, wall.shape[:2]), wall[..., 2])
    top_uv = TOP.pixels(fold[..., 0], fold[..., 1])
    return grid(wall, normals[:rows], wall_uv), grid(fold, normals[rows - 1 :], top_uv)


def greenhouse_shell(body: Body, outline: Outline) -> tuple[Mesh, Mesh]:
    """The left half of the greenhouse: its wall (glass and pillars) and the roof."""
    lean = 0.15 if body.style != "suv" else 0.12
    half_width = body.width / 2 - 0.055
    roof = superellipse(body.screen_top, body.rear_top, half_width - lean, 4.5, 4001)
    base = outline.points
    # Corresponding points: the corners of base and roof lie at the same share of their own outline.
    stretch = np.interp(_corner_shares(outline), _corner_shares(roof), np.arange(4001))
    rim = np.stack([np.interp(stretch, np.arange(4001), roof.points[:, axis]) for axis in (0, 1)], 1)
    level = np.linspace(0, 1, 12)[:, None]
    bulge = 0.03 * np.sin(np.pi * level)
    roof_edge = body.height - 0.085 - 0.035 * ((rim[:, 0] - (body.screen_top + body.rear_top) / 2) / 1.0) ** 2
    floor = body.edge_height(base[:, 0])
    wall = np.stack(
        [
            base[:, 0] + (rim[:, 0] - base[:, 0]) * level + bulge * outline.normals[:, 0],
            base[:, 1] + (rim[:, 1] - base[:, 1]) * level + bulge * outline.normals[:, 1],
            floor + (roof_edge - floor) * level,
        ],
        -1,
    )
    edge = wall[-1]
    spine_x = np.clip(edge[:, 0], body.rear_top + 0.3, body.screen_top - 0.3)
    crown = 0.085
    spine = np.stack([spine_x, np.zeros_like(spine_x), np.full_like(spine_x, body.height)], 1)
    fold = _fold(edge, spine, crown, 2.2, 10)
    points = np.concatenate([wall, fold[1:]])
    outward = np.concatenate([outline.normals, np.full((len(base), 1), 0.8)], 1)[None]
    normals = grid_normals(points, np.broadcast_to(outward, points.shape))
    uv = GREENHOUSE.pixels(np.broadcast_to(outline.arc, wall.shape[:2]), np.broadcast_to(level * 0.5, wall.shape[:2]))
    roof_uv = TOP.pixels(np.zeros_like(fold[..., 0]), np.full_like(fold[..., 1], 1.02))
    return grid(wall, normals[: len(level)], uv), grid(fold, normals[len(level) - 1 :], roof_uv)


def _corner_shares(outline: Outline) -> Array:
    """A coordinate along the outline that is 1 and 2 at its two corners, whatever its proportions."""
    turn = np.arctan2(outline.normals[:, 1], outline.normals[:, 0])
    length = outline.arc / outline.arc[-1]
    return np.asarray(np.maximum.accumulate(turn / np.pi * 2.0 + length * 1.0))
