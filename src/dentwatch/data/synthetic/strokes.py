"""How scratches look: fine lines, scuffs of many strokes, transferred paint, gouges and chips, drawn as decals.

A scratch is drawn as two byte masks (how much is changed, how deep) at up to 1.5 pixels per millimetre.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic.damage import Place, Scratch
from dentwatch.data.synthetic.noise import fractal
from dentwatch.data.synthetic.paint import Paint

Bytes = NDArray[np.uint8]
_SHIFT = 4
_PRIMERS = ((0.30, 0.30, 0.31), (0.55, 0.54, 0.52), (0.16, 0.16, 0.17), (0.42, 0.36, 0.28))
_METAL = (0.38, 0.38, 0.39)


def sample_scratch(rng: np.random.Generator, place: Place, paint: Paint, longest: float = 0.5) -> Scratch:
    """A scratch of a common kind; ``longest`` bounds its half length in metres."""
    kind = str(rng.choice(["lines", "scuff", "transfer", "gouge", "chips"], p=[0.30, 0.38, 0.12, 0.14, 0.06]))
    half_a = float(np.clip(np.exp(rng.normal(np.log(0.23), 0.7)), 0.025, longest))
    ratio = {
        "lines": rng.uniform(0.04, 0.3),
        "scuff": rng.uniform(0.12, 0.6),
        "transfer": rng.uniform(0.1, 0.45),
        "gouge": rng.uniform(0.2, 0.8),
        "chips": rng.uniform(0.4, 1.0),
    }[kind]
    if kind in ("gouge", "chips"):
        half_a = min(half_a, 0.12)
    half_b = max(0.006, half_a * float(ratio))
    own = np.random.default_rng(rng.integers(0, 2**63))  # so that drawing later or never changes nothing else
    return Scratch(place, half_a, half_b, lambda: _decal(own, kind, half_a, half_b, paint))


def _decal(rng: np.random.Generator, kind: str, half_a: float, half_b: float, paint: Paint) -> NDArray[np.float32]:
    density = min(1500.0, 330.0 / half_a)
    shape = max(12, round(2 * half_b * density)), max(16, round(2 * half_a * density))
    draw = {"lines": _lines, "scuff": _scuff, "transfer": _transfer, "gouge": _gouge, "chips": _chips}[kind]
    cover, deep = draw(rng, shape, density)
    surface, depth = _colours(rng, paint, kind)
    share = deep.astype(np.float32)[..., None] / 255
    alpha = np.maximum(cover, deep).astype(np.float32)[..., None] / 255
    return np.concatenate([surface + (depth - surface) * share, alpha], 2, dtype=np.float32)


def _colours(rng: np.random.Generator, paint: Paint, kind: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Linear colours of the shallow and of the deep part: what is laid bare, or what was left behind."""
    own = paint.base + paint.metal
    light = paint.luminance
    primer = np.array(_PRIMERS[rng.integers(0, len(_PRIMERS))], np.float32)
    whitish = own + (np.float32(0.8) - own) * np.float32(rng.uniform(0.3, 0.75))
    if light > 0.4:  # on light paint clear-coat marks are pale grey, and dirt or rubber in them shows dark
        surface = own * np.float32(rng.uniform(0.12, 0.6)) if rng.random() < 0.75 else primer * np.float32(0.7)
    elif rng.random() < 0.84:
        surface = whitish
    else:
        surface = own * np.float32(0.3)
    if kind == "transfer" or (kind == "scuff" and rng.random() < 0.15):
        other = Paint.sample(rng)
        surface = other.base + other.metal
        if float(np.abs(surface - own).max()) < 0.12:
            surface = np.full(3, 0.03 if light > 0.3 else 0.7, np.float32)
    depth = primer if rng.random() < 0.7 else np.array(_METAL, np.float32) * np.float32(rng.uniform(0.6, 1.6))
    if rng.random() < 0.12:  # rust
        depth = np.array([0.20, 0.075, 0.03], np.float32)
    if float(np.abs(depth - own).max()) < 0.08:
        depth = surface
    return surface.astype(np.float32), depth.astype(np.float32)


def _curve(
    rng: np.random.Generator, start: tuple[float, float], end: tuple[float, float], wobble: float
) -> NDArray[np.float64]:
    count = 9
    share = np.linspace(0, 1, count)
    bend, waves = rng.normal(0, wobble), rng.uniform(0.6, 1.4)
    jitter = np.cumsum(rng.normal(0, wobble * 0.09, count))
    path = np.empty((count, 2))
    path[:, 0] = start[0] + (end[0] - start[0]) * share
    path[:, 1] = start[1] + (end[1] - start[1]) * share + bend * np.sin(np.pi * waves * share) + jitter
    return path


def _stroke(
    canvas: Bytes, path: NDArray[np.float64], width: float, value: int, rng: np.random.Generator, broken: float
) -> None:
    """A line ``width`` pixels wide in pieces of different strength; thinner than a pixel means fainter."""
    points = np.round(path * 2**_SHIFT).astype(np.int32)
    thick = max(1, round(width))
    starts = np.arange(0, len(points) - 1, 2)
    levels = np.clip(value * min(1.0, width) * rng.uniform(0.6, 1.1, len(starts)), 0, 255).astype(int).tolist()
    kept = rng.random(len(starts)) >= broken
    for start, level, keep in zip(starts.tolist(), levels, kept.tolist(), strict=True):
        if keep:
            cv2.polylines(canvas, [points[start : start + 3]], False, level, thick, cv2.LINE_AA, _SHIFT)


def _blank(shape: tuple[int, int]) -> tuple[Bytes, Bytes]:
    return np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)


def _lines(rng: np.random.Generator, shape: tuple[int, int], density: float) -> tuple[Bytes, Bytes]:
    cover, deep = _blank(shape)
    height, width = shape
    for index in range(int(rng.choice([1, 2, 3, 5], p=[0.5, 0.25, 0.15, 0.1]))):
        left = 2.0 if index == 0 else float(rng.uniform(2, width * 0.5))
        right = width - 3.0 if index == 0 else float(rng.uniform(left, width - 2))
        path = _curve(
            rng, (left, height * rng.uniform(0.2, 0.8)), (right, height * rng.uniform(0.2, 0.8)), height * 0.22
        )
        path[:, 1] = np.clip(path[:, 1], 2, height - 3)
        millimetres = float(np.clip(rng.lognormal(np.log(2.2), 0.6), 0.7, 8))
        broken = float(rng.choice([0.0, 0.1, 0.3]))
        _stroke(cover, path, millimetres * density / 1000, int(rng.integers(150, 255)), rng, broken)
        if rng.random() < 0.5:
            _stroke(deep, path, millimetres * density / 2500, 230, rng, max(broken, 0.25))
    return cover, deep


def _envelope(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """A soft ragged ellipse, 0 to 1."""
    height, width = shape
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)[None]
    bump = cv2.resize(fractal(rng, 64, 3, 3), (width, height))
    return np.asarray(np.clip(2.2 * (1 - x**2 - y**2) + 0.7 * bump, 0, 1), np.float32)


def _scuff(rng: np.random.Generator, shape: tuple[int, int], density: float) -> tuple[Bytes, Bytes]:
    cover, deep = _blank(shape)
    height, width = shape
    slant = float(rng.normal(0, 0.12)) * height
    bold = float(rng.uniform(0.7, 1.5))
    for _ in range(int(rng.integers(12, 90))):
        middle, half = float(rng.uniform(0.15, 0.85)) * width, float(rng.uniform(0.05, 0.48)) * width
        level = float(np.clip(rng.normal(0.5, 0.22), 0.04, 0.96)) * height
        left, right = max(1.0, middle - half), min(width - 2.0, middle + half)
        path = _curve(rng, (left, level - slant / 2), (right, level + slant / 2), height * 0.05)
        wide = float(np.clip(rng.lognormal(np.log(1.5 * bold), 0.7), 0.4, 9)) * density / 1000
        _stroke(cover, path, wide, int(rng.integers(60, 230)), rng, float(rng.choice([0.0, 0.15, 0.4])))
    envelope = _envelope(rng, shape)
    grain = cv2.resize(fractal(rng, 128, 24, 3), (width, max(height, 8)))[:height]
    haze = np.clip(envelope * np.float32(rng.uniform(0.0, 0.8)) * (np.float32(0.35) + np.float32(0.5) * grain), 0, 1)
    cover = np.clip(np.maximum(cover, haze * 255) * np.clip(envelope * 1.5 + 0.15, 0, 1), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        patches = cv2.resize(fractal(rng, 128, 10, 3), (width, max(height, 8)))[:height]
        deep = (np.clip((patches * envelope - np.float32(rng.uniform(0.6, 1.4))) * 6, 0, 1) * 255).astype(np.uint8)
    return cover, deep


def _transfer(rng: np.random.Generator, shape: tuple[int, int], density: float) -> tuple[Bytes, Bytes]:
    cover, deep = _scuff(rng, shape, density)
    height, width = shape
    grain = cv2.resize(fractal(rng, 128, 12, 4), (width // 2 + 1, max(height, 8)))
    smear = cv2.blur(cv2.resize(grain, (width, height)), (max(3, width // 12), 1))
    haze = np.clip(_envelope(rng, shape) * (np.float32(0.45) + np.float32(0.9) * smear), 0, 0.95) * 255
    return np.maximum(cover, haze.astype(np.uint8)), (deep * 0.4).astype(np.uint8)


def _gouge(rng: np.random.Generator, shape: tuple[int, int], density: float) -> tuple[Bytes, Bytes]:
    cover, deep = _blank(shape)
    height, width = shape
    patches = cv2.resize(fractal(rng, 128, 5, 5, 0.6), (width, max(height, 8)))[:height]
    field = patches * 0.6 + _envelope(rng, shape) * 2.2 - np.float32(rng.uniform(1.5, 2.1))
    cover[:] = np.clip((field + 0.12) * 8, 0, 1) * 255
    deep[:] = np.clip(field * 8, 0, 1) * 255
    for _ in range(int(rng.integers(0, 8))):
        level = float(rng.uniform(0.2, 0.8)) * height
        path = _curve(
            rng, (width * rng.uniform(0.02, 0.5), level), (width * rng.uniform(0.5, 0.98), level), height * 0.1
        )
        _stroke(cover, path, density / 700, 200, rng, 0.15)
    return cover, deep


def _chips(rng: np.random.Generator, shape: tuple[int, int], density: float) -> tuple[Bytes, Bytes]:
    cover, deep = _blank(shape)
    height, width = shape
    for _ in range(int(rng.integers(3, 16))):
        centre = rng.uniform(0.08, 0.92) * width, rng.uniform(0.08, 0.92) * height
        radius = float(np.clip(rng.lognormal(np.log(2.5), 0.5), 1, 8)) * density / 1000
        angle = np.linspace(0, 2 * np.pi, 9)[:-1]
        ring = np.stack([np.cos(angle), np.sin(angle)], 1) * (radius * rng.uniform(0.5, 1.2, (8, 1))) + centre
        for canvas, grow in ((cover, 1.25), (deep, 0.9)):
            points = np.round(((ring - centre) * grow + centre) * 2**_SHIFT).astype(np.int32)
            cv2.fillPoly(canvas, [points], 240, cv2.LINE_AA, _SHIFT)
    return cover, deep
