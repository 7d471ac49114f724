"""Painted surroundings: sky, sun, houses, trees, parked cars, garage walls and lamps, and the ground."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic.noise import Floats, fractal, noise

ROWS, COLUMNS = 512, 2048
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Backdrop:
    """See :class:`dentwatch.data.synthetic.environment.Environment`."""

    kind: str
    panorama: Floats
    ground: Floats
    tile: float
    radius: float
    sun: tuple[float, float, float]
    sun_radiance: Floats


def sample(rng: np.random.Generator) -> Backdrop:
    """A place drawn at random."""
    kind = str(rng.choice(["sunny", "overcast", "garage", "night"], p=[0.3, 0.32, 0.3, 0.08]))
    ground, tile = _ground(rng, indoors=kind == "garage")
    if kind == "garage":
        return _garage(rng, ground, tile)
    return _outdoors(rng, kind, ground, tile)


def to_linear(encoded: Bytes) -> Floats:
    """Linear light of sRGB bytes (IEC 61966-2-1)."""
    value = np.arange(256, dtype=np.float32) / 255
    table = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return np.asarray(table[encoded])


def _colour(rng: np.random.Generator, low: float, high: float, tint: float) -> tuple[float, float, float]:
    grey = rng.uniform(low, high)
    r, g, b = (float(np.clip(grey + rng.normal(0, tint), 0, 255)) for _ in range(3))
    return r, g, b


def _row(z: float) -> int:
    return round((1 - z) / 2 * ROWS)


def _wrapped_rectangle(canvas: Bytes, left: int, right: int, top: int, bottom: int, colour: tuple[float, ...]) -> None:
    for shift in (0, -COLUMNS):
        cv2.rectangle(canvas, (left + shift, top), (right + shift, bottom), colour, -1)


def _sky(rng: np.random.Generator, kind: str) -> Bytes:
    canvas = np.zeros((ROWS, COLUMNS, 3), np.uint8)
    top, low = {
        "sunny": (np.array([70, 125, 205.0]), np.array([190, 212, 235.0])),
        "overcast": (np.array([200, 206, 214.0]), np.array([226, 228, 230.0])),
        "night": (np.array([12, 14, 24.0]), np.array([40, 34, 32.0])),
    }[kind]
    top, low = (np.clip(colour + rng.normal(0, 8), 0, 255) for colour in (top, low))
    share = np.linspace(1, 0, ROWS // 2)[:, None] ** 0.6
    canvas[: ROWS // 2] = (low + (top - low) * share)[:, None, :].astype(np.uint8)
    amount = {"sunny": rng.uniform(-0.2, 1.2), "overcast": rng.uniform(-1.0, 0.5), "night": 3.0}[kind]
    clouds = cv2.resize(fractal(rng, 256, 6, 4), (COLUMNS, ROWS // 2))
    white = np.clip((clouds - np.float32(amount)) * np.float32(0.7), 0, 1)[..., None]
    sky = canvas[: ROWS // 2]
    target = np.array([238, 240, 242.0] if kind == "sunny" else [150, 156, 164.0], np.float32)
    canvas[: ROWS // 2] = (sky + (target - sky) * white * np.float32(0.85)).astype(np.uint8)
    return canvas


def _houses(rng: np.random.Generator, canvas: Bytes, night: bool) -> None:
    for _ in range(int(rng.integers(2, 16))):
        left, wide = int(rng.integers(0, COLUMNS)), int(rng.integers(60, 420))
        top = _row(float(rng.uniform(0.06, 0.62)))
        colour = _colour(rng, 20, 50, 4) if night else _colour(rng, 100, 215, 7)
        _wrapped_rectangle(canvas, left, left + wide, top, ROWS // 2, colour)
        columns, rows = max(1, wide // int(rng.integers(26, 60))), int(rng.integers(1, 6))
        pane = tuple(0.55 * c + 18 for c in colour) if rng.random() < 0.6 else _colour(rng, 30, 90, 8)
        for row in range(rows):
            for column in range(columns):
                x = left + int((column + 0.25) * wide / columns)
                y = top + int((row + 0.25) * (ROWS // 2 - top) / rows)
                lit = (235, 205, 130) if night and rng.random() < 0.25 else pane
                _wrapped_rectangle(canvas, x, x + wide // columns // 2, y, y + (ROWS // 2 - top) // rows // 2, lit)


def _trees(rng: np.random.Generator, canvas: Bytes, night: bool) -> None:
    dim = 0.2 if night else 1.0
    for _ in range(int(rng.integers(0, 14))):
        x, high, wide = int(rng.integers(0, COLUMNS)), float(rng.uniform(0.1, 0.5)), int(rng.integers(30, 130))
        green = np.array([rng.uniform(45, 95), rng.uniform(65, 105), rng.uniform(35, 65)]) * dim
        _wrapped_rectangle(canvas, x - 5, x + 5, _row(high * 0.6), ROWS // 2, (60 * dim, 48 * dim, 38 * dim))
        clumps = 90
        across = np.round(rng.normal(x, wide / 2.4, clumps)).astype(int)
        height = np.clip(rng.normal(0.72, 0.17, clumps), 0.3, 1.05) * high
        light = 0.45 + 0.8 * np.arange(clumps) / clumps + rng.normal(0, 0.12, clumps)
        shades = np.clip(green * light[:, None], 0, 255).tolist()
        radii = rng.integers(3, 6 + wide // 9, clumps).tolist()
        for column, z, radius, shade in zip(across.tolist(), height.tolist(), radii, shades, strict=True):
            cv2.circle(canvas, (column, _row(z)), radius, shade, -1, cv2.LINE_AA)


def _parked_cars(rng: np.random.Generator, canvas: Bytes, dim: float) -> None:
    for _ in range(int(rng.integers(0, 11))):
        x, wide = int(rng.integers(0, COLUMNS)), int(rng.integers(90, 260))
        tall = round(wide * rng.uniform(0.10, 0.16))
        base = ROWS // 2 + int(rng.integers(0, 10))
        paint = _colour(rng, 20, 225, 4) if rng.random() < 0.85 else _colour(rng, 60, 130, 26)
        paint = tuple(c * dim for c in paint)  # type: ignore[assignment]
        dark = (34 * dim, 38 * dim, 44 * dim)
        y = base - tall
        roof = np.array([[0.12, 0], [0.3, -0.95], [0.68, -0.95], [0.9, 0]])
        glass = np.array([[0.2, 0], [0.33, -0.78], [0.66, -0.78], [0.82, 0]])
        for shape, colour in ((roof, paint), (glass, dark)):
            cv2.fillPoly(canvas, [np.int32(shape * [wide, tall] + [x, y])], colour, cv2.LINE_AA)
        cv2.rectangle(canvas, (x, y), (x + wide, base - tall // 6), paint, -1)
        cv2.rectangle(canvas, (x, base - tall // 4), (x + wide, base), dark, -1)
        for share in (0.2, 0.8):
            cv2.circle(
                canvas,
                (x + round(share * wide), base - tall // 6),
                round(tall * 0.36),
                (24 * dim,) * 3,
                -1,
                cv2.LINE_AA,
            )


def _outdoors(rng: np.random.Generator, kind: str, ground: Floats, tile: float) -> Backdrop:
    night = kind == "night"
    canvas = _sky(rng, kind)
    _houses(rng, canvas, night)
    _trees(rng, canvas, night)
    if rng.random() < 0.4:  # a wall or fence
        left, wide = int(rng.integers(0, COLUMNS)), int(rng.integers(300, 1400))
        _wrapped_rectangle(
            canvas,
            left,
            left + wide,
            _row(float(rng.uniform(0.04, 0.2))),
            ROWS // 2,
            _colour(rng, 60 if not night else 15, 190 if not night else 50, 8),
        )
    _parked_cars(rng, canvas, 0.25 if night else 1.0)
    canvas = cv2.GaussianBlur(canvas[: ROWS // 2], (0, 0), float(rng.uniform(1.2, 3.5)))
    panorama = np.zeros((ROWS, COLUMNS, 3), np.float32)
    above = panorama[: ROWS // 2]
    bright = {"sunny": 1.35, "overcast": 1.5, "night": 0.35}[kind]
    grain = cv2.resize(fractal(rng, 512, 16, 5, 0.7)[::2], (COLUMNS, ROWS // 2))[..., None]
    np.multiply(to_linear(canvas), np.float32(bright) * (1 + np.float32(0.12) * grain), out=above)
    azimuth, height = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.3, 0.85))
    flat = (1 - height**2) ** 0.5
    sun = flat * np.cos(azimuth), flat * np.sin(azimuth), height
    sun_radiance = np.zeros(3, np.float32)
    if kind == "sunny":
        warm = np.array([1.0, 0.95, 0.86], np.float32)
        sun_radiance = warm * np.float32(rng.uniform(1.6, 3.4))
        _glow(panorama, azimuth, height, 5.0, warm * 60)
        _glow(panorama, azimuth, height, 60.0, warm * np.float32(1.2))
    elif kind == "overcast":
        _glow(panorama, azimuth, height, 150.0, np.full(3, rng.uniform(0.1, 0.9), np.float32))
    else:
        for _ in range(int(rng.integers(2, 6))):
            warm = np.array([1.0, rng.uniform(0.6, 0.95), rng.uniform(0.3, 0.8)], np.float32)
            _glow(
                panorama,
                float(rng.uniform(0, 6.28)),
                float(rng.uniform(0.15, 0.9)),
                float(rng.uniform(5, 12)),
                warm * 30,
            )
    np.maximum(above, 0, out=above)
    ground = ground * (_light_from_above(panorama) + sun_radiance * np.float32(height))
    _fill_ground(panorama, ground)
    return Backdrop(kind, panorama, ground, tile, float(rng.uniform(7, 22)), sun, sun_radiance)


def _glow(panorama: Floats, azimuth: float, height: float, radius: float, radiance: Floats) -> None:
    """Add a soft round light of ``radius`` columns."""
    x, y = np.arange(COLUMNS), np.arange(ROWS // 2)
    across = (x - azimuth / (2 * np.pi) * COLUMNS + COLUMNS / 2) % COLUMNS - COLUMNS / 2
    squeeze = (1 - height**2) ** 0.5
    down = (y - (1 - height) / 2 * ROWS) * (4 / np.pi / max(squeeze, 0.3))
    row, column = (np.exp(-((far / radius) ** 2) / 2).astype(np.float32) for far in (down, across * squeeze))
    rows, columns = np.flatnonzero(row > 1e-4), np.flatnonzero(column > 1e-4)
    panorama[np.ix_(rows, columns)] += np.outer(row[rows], column[columns])[..., None] * radiance


def _light_from_above(panorama: Floats) -> Floats:
    """Irradiance / π on flat ground: the mean of the upper half, weighted by the cosine."""
    rows = cv2.reduce(panorama[: ROWS // 2], 1, cv2.REDUCE_AVG)[:, 0]
    weight = np.linspace(1, 0, ROWS // 2, dtype=np.float32)
    return np.asarray((rows * weight[:, None]).sum(0) / weight.sum(), np.float32)


def _fill_ground(panorama: Floats, ground: Floats) -> None:
    """Paint the lower half with the ground's mean radiance, darker straight below, under the car."""
    mean = np.array(cv2.mean(ground)[:3], np.float32)
    shade = np.linspace(1.0, 0.18, ROWS // 2, dtype=np.float32)[:, None]
    streaks = cv2.resize(ground[::4, ::4, 1] / mean[1], (COLUMNS, ROWS // 2))
    np.multiply((shade * (np.float32(0.5) + np.float32(0.5) * streaks))[..., None], mean, out=panorama[ROWS // 2 :])


def _garage(rng: np.random.Generator, ground: Floats, tile: float) -> Backdrop:
    rows, columns = ROWS // 2, COLUMNS // 2
    half_x, half_y, ceiling = float(rng.uniform(3.5, 9)), float(rng.uniform(3.0, 7)), float(rng.uniform(2.6, 4.5))
    z = (1 - 2 * (np.arange(rows, dtype=np.float32) + 0.5) / rows)[:, None]
    azimuth = (2 * np.pi * (np.arange(columns, dtype=np.float32) + 0.5) / columns)[None]
    flat = np.sqrt(1 - z * z)
    x, y = flat * np.cos(azimuth), flat * np.sin(azimuth)
    reach = np.minimum(half_x / (np.abs(x) + 1e-6), half_y / (np.abs(y) + 1e-6))
    level = 0.7 + reach * z
    along = np.where(np.abs(x) * half_y > np.abs(y) * half_x, y * reach, x * reach)
    wall = np.array(_colour(rng, 120, 235, 8)) / 255
    lower = np.array(_colour(rng, 40, 220, 20)) / 255
    split = float(rng.uniform(0.0, 1.8))
    scene = np.where((level < split)[..., None], lower, wall) ** 2.2
    if rng.random() < 0.55:
        step = float(rng.choice([0.2, 0.3, 0.6]))
        joint = (np.abs(along / step - np.round(along / step)) < 0.03) | (
            np.abs(level / step - np.round(level / step)) < 0.03
        )
        scene *= np.where(joint, 0.72, 1.0)[..., None]
    up = (ceiling - 0.7) / np.maximum(z, 1e-3)
    overhead = level > ceiling
    cx, cy = x * up, y * up
    roof = rng.uniform(0.15, 0.75) * (1 - 0.3 * (np.abs(cx - np.round(cx / 2) * 2) < 0.12))
    scene = np.where(overhead[..., None], np.stack([roof] * 3, -1), scene)
    spacing, long = float(rng.uniform(1.4, 3.2)), float(rng.uniform(0.6, 3))
    offset = float(rng.uniform(0, spacing))
    lamp = overhead & (np.abs((cx + offset) / spacing - np.round((cx + offset) / spacing)) * spacing < 0.07)
    lamp &= np.abs(cy - np.round(cy / (long * 2)) * long * 2) < long * 0.8
    tint = np.array([rng.uniform(0.85, 1.1), 1.0, rng.uniform(0.8, 1.12)])
    scene = (scene * rng.uniform(0.3, 0.8)) * tint
    scene[lamp] = rng.uniform(6, 18) * tint
    soft = cv2.GaussianBlur(scene.astype(np.float32), (0, 0), 0.9)  # tubes and joints are drawn without smooth edges
    panorama = np.ascontiguousarray(cv2.resize(soft, (COLUMNS, ROWS)))
    _clutter(rng, panorama)
    if rng.random() < 0.5:  # an open door: daylight from one side
        left, wide = int(rng.integers(0, COLUMNS)), int(rng.integers(150, 420))
        for shift in (0, -COLUMNS):
            cv2.rectangle(panorama, (left + shift, _row(0.3)), (left + wide + shift, ROWS // 2), (2.2, 2.4, 2.6), -1)
    above = panorama[: ROWS // 2]
    above *= np.maximum(1 + np.float32(0.07) * cv2.resize(fractal(rng, 256, 8, 4), (COLUMNS, ROWS // 2)), 0)[..., None]
    ground = ground * (_light_from_above(panorama) * np.float32(0.9))
    _fill_ground(panorama, ground)
    return Backdrop(
        "garage", panorama, ground, tile, (half_x + half_y) / 2 + 1, (0.0, 0.0, 1.0), np.zeros(3, np.float32)
    )


def _clutter(rng: np.random.Generator, panorama: Floats) -> None:
    """Shelves, posters, doors, pillars and other cars along a garage's walls."""
    for _ in range(int(rng.integers(2, 14))):
        left, wide = int(rng.integers(0, COLUMNS)), int(rng.integers(20, 200))
        bottom = _row(float(rng.uniform(-0.25, 0.15))) if rng.random() < 0.6 else _row(-0.02)
        top = bottom - int(rng.integers(20, 120))
        colour = tuple(float(c) ** 2.2 for c in np.array(_colour(rng, 30, 220, 30)) / 255)
        cv2.rectangle(panorama, (left, top), (left + wide, bottom), colour, -1)
        if rng.random() < 0.5:
            cv2.rectangle(panorama, (left, top), (left + wide, bottom), tuple(c * 0.3 for c in colour), 3)
    canvas = np.zeros((ROWS, COLUMNS, 3), np.uint8)
    _parked_cars(rng, canvas, 0.9)
    mask = cv2.transform(canvas, np.ones((1, 3), np.float32)) > 0
    panorama[mask] = to_linear(canvas[mask]) * np.float32(0.5)


def _ground(rng: np.random.Generator, indoors: bool) -> tuple[Floats, float]:
    """Albedo ``(512, 512, 3)`` of a tile of ground and its width in metres."""
    size = 512
    options = ["concrete", "tiles", "asphalt", "pavers"]
    kind = str(rng.choice(options, p=[0.45, 0.4, 0.1, 0.05] if indoors else [0.2, 0.06, 0.42, 0.32]))
    base = np.array(
        _colour(rng, *{"concrete": (110, 190), "tiles": (130, 225), "asphalt": (70, 130), "pavers": (95, 165)}[kind], 3)
    )
    albedo = np.broadcast_to((base / 255).astype(np.float32) ** np.float32(2.2), (size, size, 3)).copy()
    albedo *= (1 + np.float32(0.16) * fractal(rng, size, 3, 4) + np.float32(0.14) * noise(rng, size, size // 2))[
        ..., None
    ]
    tile = 4.0
    if kind in ("tiles", "pavers"):
        count = int(rng.integers(6, 14)) if kind == "tiles" else int(rng.integers(14, 22))
        rows = count if kind == "tiles" else count * 2
        tint = rng.normal(0, 0.04 if kind == "tiles" else 0.12, (rows, count)).astype(np.float32)
        step_x, step_y = size / count, size / rows
        y, x = np.mgrid[:size, :size]
        row = (y // step_y).astype(int)
        shift = np.where(row % 2 == 1, step_x / 2, 0) if kind == "pavers" else 0
        column = (((x + shift) % size) // step_x).astype(int)
        albedo *= (1 + tint[row, column])[..., None]
        joint = (((x + shift) % step_x) < 2) | ((y % step_y) < 2)
        albedo *= np.where(joint, np.float32(0.55), np.float32(1))[..., None]
    if not indoors and rng.random() < 0.35:
        cv2.line(
            albedo,
            (0, int(rng.integers(60, 450))),
            (size, int(rng.integers(60, 450))),
            (0.7, 0.7, 0.66),
            12,
            cv2.LINE_AA,
        )
    return np.clip(albedo, 0.01, 0.9), tile
