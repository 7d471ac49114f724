"""What is bolted to the body: wheels, mirrors, handles, number plates and the dark underside."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic.atlas import door_edges
from dentwatch.data.synthetic.body import Body, Outline, greenhouse_shell, lower_shell
from dentwatch.data.synthetic.charts import BLACK, CHROME, PAINTED, PLATE, WHEEL, Chart
from dentwatch.data.synthetic.mesh import Mesh, grid, grid_normals, join

Array = NDArray[Any]


def _plain(chart: Chart, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.array([chart.left + 8.0, chart.top + 8.0]), (*shape, 2))


def ellipsoid(centre: Array, radii: tuple[float, float, float], chart: Chart, power: float = 0.7) -> Mesh:
    """A rounded box: a superellipsoid around ``centre`` with half axes ``radii`` in metres."""
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 20), np.linspace(-np.pi / 2, np.pi / 2, 10))

    def bend(value: Array) -> Array:
        return np.asarray(np.sign(value) * np.abs(value) ** power)

    unit = np.stack([bend(np.cos(v)) * bend(np.cos(u)), bend(np.cos(v)) * bend(np.sin(u)), bend(np.sin(v))], -1)
    points = centre + unit * np.array(radii)
    return grid(points, grid_normals(points, unit), _plain(chart, points.shape[:2]))


def wheel(body: Body, lower: Outline, axle: float, turn: float, steer: float) -> Mesh:
    """The left wheel on the axle at ``axle`` metres: a revolved profile of rim, tyre wall and tread."""
    radius = body.wheel_radius
    profile = np.array(
        [(0.0, -0.035), (0.12, -0.035), (0.3, -0.05), (0.6, -0.03), (0.68, -0.012), (0.72, -0.004), (0.8, 0.004),
         (0.9, -0.002), (0.965, -0.02), (1.0, -0.05), (1.0, -0.2)]
    )  # fmt: skip
    angle = np.linspace(0, 2 * np.pi, 49)
    r, depth = profile[:, 0][:, None] * radius, profile[:, 1][:, None]
    flat = np.stack([r * np.cos(angle), np.broadcast_to(depth, (len(profile), 49)), r * np.sin(angle)], -1)
    outward = np.stack([r * np.cos(angle) * 0.4, np.full_like(flat[..., 0], 0.1), r * np.sin(angle) * 0.4], -1)
    normals = grid_normals(flat, outward)
    spin = angle + turn
    uv = WHEEL.pixels(np.minimum(r, 0.43) * np.cos(spin), np.minimum(r, 0.43) * np.sin(spin))
    cosine, sine = np.cos(steer), np.sin(steer)
    rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    reach = float(np.interp(-axle, -lower.points[:, 0], lower.points[:, 1]))
    hub = np.array([axle, reach + body.flare - 0.02, radius])
    return grid(flat @ rotation.T + hub, normals @ rotation.T, uv)


def _mirror(body: Body) -> Mesh:
    hinge, _, _ = door_edges(body)
    centre = np.array([hinge - 0.16, body.width / 2 + 0.075, body.belt + 0.07])
    cap = ellipsoid(centre, (0.055, 0.11, 0.075), PAINTED)
    glass = ellipsoid(centre - [0.018, 0, 0], (0.045, 0.095, 0.06), CHROME, 0.4)
    foot = ellipsoid(centre - [0, 0.09, 0.06], (0.035, 0.07, 0.025), BLACK)
    return join([cap, glass, foot])


def _handles(body: Body, wall: Mesh, chrome: bool) -> list[Mesh]:
    _, middle, last = door_edges(body)
    height = body.belt - 0.14
    meshes = []
    for x in (middle + 0.12, last + 0.16):
        spot = np.argmin(np.abs(wall.vertices[:, 0] - x) + np.abs(wall.vertices[:, 2] - height) * 1.5)
        grip, recess = wall.vertices[spot] + np.array([[0, 0.022, 0], [0.01, -0.006, 0]])
        meshes.append(ellipsoid(grip, (0.1, 0.016, 0.016), CHROME if chrome else PAINTED))
        meshes.append(ellipsoid(recess, (0.07, 0.009, 0.026), BLACK, 1.0))
    return meshes


def _plate(whole: Mesh, front: bool, height: float) -> Mesh:
    across, up = np.meshgrid(np.linspace(-0.26, 0.26, 5), np.linspace(-0.055, 0.055, 3))
    sign = 1.0 if front else -1.0
    near = np.abs(whole.vertices[:, 2] - height) < 0.12
    reach = float(np.max(whole.vertices[near, 0] * sign)) + 0.012
    points = np.stack([np.full_like(across, sign * reach), across * sign, up + height], -1)
    normals = np.broadcast_to(np.array([sign, 0, 0.02]), points.shape)
    return grid(points, normals, PLATE.pixels(across, -up))


def assemble(rng: np.random.Generator, body: Body, lower: Outline, upper: Outline) -> tuple[Mesh, Mesh, Mesh, Mesh]:
    """The whole car, and alone the left wall and left top of its lower body and the left wall of its greenhouse."""
    wall, top = lower_shell(body, lower)
    green, roof = greenhouse_shell(body, upper)
    steer = float(rng.normal(0, 0.12))
    left = [wall, top, green, roof, _mirror(body), *_handles(body, wall, rng.random() < 0.25)]
    right = [mesh.mirrored() for mesh in left]
    rear = wheel(body, lower, body.rear_axle, float(rng.uniform(0, 6)), 0.0)
    turned = [wheel(body, lower, body.front_axle, turn, side) for turn, side in ((0.0, steer), (1.0, -steer))]
    shells = join([wall, wall.mirrored()])
    rear_height = body.belt - 0.2 if rng.random() < 0.6 else body.sill + 0.3
    plates = [
        _plate(shells, True, body.sill + float(rng.uniform(0.2, 0.26))),
        _plate(shells, False, rear_height),
    ]
    x, y = np.meshgrid(np.linspace(-body.length / 2 + 0.25, body.length / 2 - 0.25, 12), np.linspace(-0.75, 0.75, 6))
    under = np.stack([x, y, np.full_like(x, body.sill + 0.02)], -1)
    floor = grid(under, np.broadcast_to(np.array([0, 0, -1.0]), under.shape), _plain(BLACK, under.shape[:2]))
    return (
        join([*left, *right, turned[0], turned[1].mirrored(), rear, rear.mirrored(), *plates, floor]),
        wall,
        top,
        green,
    )
