"""Where the photographer stands: close-ups of damage and panels, and views of the whole car."""

import numpy as np

from dentwatch.data.synthetic.body import Body
from dentwatch.data.synthetic.damage import Place
from dentwatch.data.synthetic.mesh import Pose


def close_up(rng: np.random.Generator, place: Place) -> Pose:
    """A view of a panel around ``place``, 0.5 to 2.5 m wide, from a standing or crouching person's height."""
    field = float(np.deg2rad(rng.uniform(42, 64)))
    frame = float(np.clip(rng.lognormal(np.log(0.9), 0.45), 0.4, 2.4))
    distance = frame / (2 * np.tan(field / 2))
    normal = place.normal.astype(float)
    heading = np.arctan2(normal[1], normal[0]) + float(np.clip(rng.normal(0, 0.5), -1.0, 1.0))
    height = float(np.clip(rng.normal(1.25, 0.3), 0.5, 1.75))
    rise = float(np.clip((height - place.point[2]) / distance, -0.5, 1.3 if normal[2] < 0.7 else 1.8))
    direction = np.array([np.cos(heading), np.sin(heading), rise])
    direction /= np.linalg.norm(direction)
    eye = place.point + direction * distance
    eye[2] = max(eye[2], 0.25)
    side = np.array([-np.sin(heading), np.cos(heading), 0])
    drift = rng.normal(0, 0.16, 2) * frame
    target = place.point + side * drift[0] + np.array([0, 0, drift[1]])
    return Pose(_triple(eye), _triple(target), field, float(rng.normal(0, 0.05)), _aspect(rng))


def whole_car(rng: np.random.Generator, body: Body) -> Pose:
    """A three-quarter, side, front or rear view from 2.6 to 6 m."""
    field = float(np.deg2rad(rng.uniform(44, 62)))
    quarter = float(rng.choice([np.pi / 4, 3 * np.pi / 4, np.pi / 2, 0, np.pi], p=[0.34, 0.3, 0.16, 0.08, 0.12]))
    heading = (quarter + float(rng.normal(0, 0.2))) * (1 if rng.random() < 0.5 else -1)
    distance = float(rng.uniform(2.2, 3.6)) + abs(np.sin(heading)) * 0.6
    middle = np.array([float(rng.uniform(-0.35, 0.35)) * body.length, 0, float(rng.uniform(0.5, 0.85))])
    if rng.random() < 0.6:
        middle[0] = np.sign(np.cos(heading)) * body.length * 0.22
    edge = np.array([np.cos(heading) * body.length / 2, np.sin(heading) * body.width / 2, 0])
    eye = edge * 0.75 + np.array([np.cos(heading), np.sin(heading), 0]) * distance
    eye[2] = float(np.clip(rng.normal(1.45, 0.2), 0.9, 2.0))
    return Pose(_triple(eye), _triple(middle), field, float(rng.normal(0, 0.035)), _aspect(rng))


def _aspect(rng: np.random.Generator) -> float:
    """Phones take 4:3 upright or lying; some photos keep their proportions."""
    return float(rng.choice([1.0, 4 / 3, 3 / 4], p=[0.38, 0.48, 0.14]))


def _triple(vector: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in vector)
    return x, y, z
