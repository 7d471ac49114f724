"""How stickers look: environment badges, ovals with letters, bumper stickers, emblems, lettering, stripes and labels.

No sticker shows a real brand or emblem. Pictures are drawn upright in sRGB bytes and turned into linear light.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic.noise import Floats, fractal

Bytes = NDArray[np.uint8]
Colour = tuple[int, int, int]
Shape = NDArray[np.float64]

_DENSITY = 2000.0
_SHIFT = 4
_CONSONANTS = "BCDFGHKLMNPRSTVWXZ"
_WHITE, _BLACK = (238, 238, 234), (24, 24, 26)
_COLOURS: tuple[Colour, ...] = (
    (200, 28, 32), (226, 96, 24), (240, 200, 36), (38, 132, 62), (28, 84, 168), (20, 40, 92), (96, 40, 120),
    (60, 160, 190), (120, 124, 128), (222, 80, 130),
)  # fmt: skip
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX)


class Artwork:
    """A picture ``(h, w, 3)`` of one colour with a mask ``(h, w)`` of what is foil; coordinates run from −1 to 1."""

    def __init__(self, half_a: float, half_b: float, ground: Colour) -> None:
        self.size = max(24, round(2 * half_a * _DENSITY)), max(24, round(2 * half_b * _DENSITY))
        self.colours = np.full((self.size[1], self.size[0], 3), ground, np.uint8)
        self.cover = np.zeros((self.size[1], self.size[0]), np.uint8)

    def cut(self, outline: Shape, value: int = 255) -> None:
        """Make foil of what lies inside an outline (N, 2)."""
        cv2.fillPoly(self.cover, [self._fixed(outline)], value, cv2.LINE_AA, _SHIFT)

    def paint(self, outline: Shape, colour: Colour) -> None:
        """Print an outline (N, 2) in a colour."""
        cv2.fillPoly(self.colours, [self._fixed(outline)], colour, cv2.LINE_AA, _SHIFT)

    def write(self, text: str, centre: tuple[float, float], room: tuple[float, float], colour: Colour | None) -> None:
        """Print ``text`` as large as ``room`` allows, or, without a colour, cut it out of foil."""
        font = _FONTS[len(text) % len(_FONTS)]
        (width, height), _ = cv2.getTextSize(text, font, 1.0, 2)
        scale = min(room[0] * self.size[0] / width, room[1] * self.size[1] / height) / 2
        thick = max(1, round(scale * 3.2))
        (width, height), _ = cv2.getTextSize(text, font, scale, thick)
        middle = (centre[0] + 1) * self.size[0] / 2, (1 - centre[1]) * self.size[1] / 2
        origin = round(middle[0] - width / 2), round(middle[1] + height / 2)
        if colour is None:
            cv2.putText(self.cover, text, origin, font, scale, 255, thick, cv2.LINE_AA)
        else:
            cv2.putText(self.colours, text, origin, font, scale, colour, thick, cv2.LINE_AA)

    def finished(self, rng: np.random.Generator) -> Floats:
        """Linear colour and coverage ``(h, w, 4)``, the lowest row first: new, faded or torn."""
        linear = (self.colours.astype(np.float32) / 255) ** np.float32(2.2)
        if rng.random() < 0.35:  # years in the sun
            linear += (np.float32(0.55) - linear) * np.float32(rng.uniform(0.03, 0.18))
        alpha = self.cover.astype(np.float32) / 255
        if rng.random() < 0.2:
            alpha *= self._left(rng)
        return np.ascontiguousarray(np.concatenate([linear, alpha[..., None]], 2)[::-1])

    def _left(self, rng: np.random.Generator) -> Floats:
        """What is left (h, w) of a sticker that somebody began to peel off at a corner."""
        x, y = (np.linspace(-1, 1, count, dtype=np.float32) for count in self.size)
        corner = np.float32(rng.choice([-1, 1])) * x[None] + np.float32(rng.choice([-1, 1])) * y[:, None]
        ragged = cv2.resize(fractal(rng, 64, 4, 4, 0.6), self.size)
        left = (np.float32(rng.uniform(0.9, 1.6)) - corner + np.float32(0.12) * ragged) * 40
        return np.asarray(np.clip(left, 0, 1), np.float32)

    def _fixed(self, outline: Shape) -> NDArray[np.int32]:
        inside = np.array(self.size) - 4
        pixels = (outline * [1, -1] + 1) / 2 * inside + 1.5
        return np.asarray(np.round(pixels * 2**_SHIFT), np.int32)


def _ring(exponent: float, scale: float = 1.0) -> Shape:
    """A superellipse: an oval (2), a rounded rectangle (8) or a rectangle (60)."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    wave = np.stack([np.cos(angle), np.sin(angle)], 1)
    return np.asarray(np.sign(wave) * np.abs(wave) ** (2 / exponent) * scale)


def _box(left: float, bottom: float, right: float, top: float, slant: float = 0.0) -> Shape:
    return np.array([(left, bottom), (right, bottom), (right + slant, top), (left + slant, top)])


def _star(points: int, inner: float, turn: float = 0.0) -> Shape:
    angle = np.arange(2 * points) * np.pi / points + np.pi / 2 + turn
    radius = np.where(np.arange(2 * points) % 2, inner, 1.0)
    return np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]


_SHIELD = np.array(
    [(-0.9, 0.85), (0, 1), (0.9, 0.85), (0.9, 0.1), (0.75, -0.35), (0.4, -0.75), (0, -1), (-0.4, -0.75),
     (-0.75, -0.35), (-0.9, 0.1)]
)  # fmt: skip


def _pair(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Ground and ink that tell apart."""
    colour = _COLOURS[int(rng.integers(0, len(_COLOURS)))]
    pairs = ((_WHITE, _BLACK), (_BLACK, _WHITE), (_WHITE, colour), (colour, _WHITE), (colour, _BLACK))
    return pairs[int(rng.choice(5, p=[0.22, 0.16, 0.26, 0.26, 0.10]))]


def _word(rng: np.random.Generator, low: int, high: int) -> str:
    return "".join(rng.choice(list(_CONSONANTS), int(rng.integers(low, high + 1))))


def _bars(art: Artwork, rng: np.random.Generator, area: Shape, rows: int, ink: Colour) -> None:
    """Rows of bars within ``area`` (left, bottom, right, top), as small print looks from afar."""
    left, bottom, right, top = (float(value) for value in area)
    pitch = (top - bottom) / rows
    for row in range(rows):
        low, x = bottom + row * pitch, left
        end = right - float(rng.uniform(0, 0.35)) * (right - left)
        while x < end:
            wide = min(float(rng.uniform(0.06, 0.3)) * (right - left), end - x)
            art.paint(_box(x, low + pitch * 0.2, x + wide, low + pitch * 0.8), ink)
            x += wide + 0.05 * (right - left)


def _badge(rng: np.random.Generator, half_a: float, half_b: float) -> Artwork:
    """An environment badge: a coloured disc, ringed in black, with a large figure over a white field."""
    colour = ((58, 150, 66), (236, 200, 48), (200, 44, 40))[int(rng.choice(3, p=[0.8, 0.12, 0.08]))]
    art = Artwork(half_a, half_b, _BLACK)
    art.cut(_ring(2))
    art.paint(_ring(2, 0.95), colour)
    art.write(str(rng.integers(2, 5)), (0.0, 0.25), (0.6, 0.8), _BLACK)
    art.paint(_box(-0.62, -0.66, 0.62, -0.34), _WHITE)
    art.write(_word(rng, 1, 3), (0.0, -0.5), (0.7, 0.2), _BLACK)
    return art


def _oval(rng: np.random.Generator, half_a: float, half_b: float) -> Artwork:
    art = Artwork(half_a, half_b, _WHITE)
    art.cut(_ring(2))
    art.paint(_ring(2, 0.96), _BLACK)
    art.paint(_ring(2, 0.9), _WHITE)
    art.write(_word(rng, 1, 3), (0, 0), (1.1, 0.9), _BLACK)
    return art


def _bumper(rng: np.random.Generator, half_a: float, half_b: float) -> Artwork:
    ground, ink = _pair(rng)
    art = Artwork(half_a, half_b, ground)
    art.cut(_ring(float(rng.choice([8, 16, 60]))))
    left = -0.85
    if rng.random() < 0.5:  # an emblem on the left
        shape = (_star(5, 0.4), _ring(2), _SHIELD)[int(rng.integers(0, 3))]
        ratio = half_b / half_a
        art.paint(shape * [0.62 * ratio, 0.62] + [-0.94 + 0.72 * ratio, 0], ink)
        left = -0.9 + 1.5 * ratio
    middle, room = (left + 0.88) / 2, 0.88 - left
    if rng.random() < 0.5:
        art.write(_word(rng, 4, 9), (middle, 0.25), (room, 0.75), ink)
        _bars(art, rng, np.array([left, -0.75, 0.88, -0.3]), 1, ink)
    else:
        art.write(f"{_word(rng, 3, 6)} {_word(rng, 2, 5)}", (middle, 0), (room, 0.95), ink)
    return art


def _emblem(rng: np.random.Generator, half_a: float, half_b: float) -> Artwork:
    ground, ink = _pair(rng)
    art = Artwork(half_a, half_b, ground)
    angle = np.linspace(0, 2 * np.pi, 6, endpoint=False) + np.pi / 6
    shapes = (_ring(2), _SHIELD, np.stack([np.cos(angle), np.sin(angle)], 1), _ring(6), _star(5, 0.45))
    shape = shapes[int(rng.choice(5, p=[0.35, 0.25, 0.12, 0.18, 0.10]))]
    art.cut(shape)
    art.paint(shape * 0.92, ink)
    art.paint(shape * 0.84, ground)
    inner = int(rng.integers(0, 4))
    if inner == 0:
        art.paint(_star(int(rng.integers(4, 9)), float(rng.uniform(0.3, 0.6))) * 0.5, ink)
    elif inner == 1:
        art.write(_word(rng, 1, 2), (0, 0), (0.8, 0.7), ink)
    elif inner == 2:
        art.paint(_ring(2, 0.5), ink)
        art.paint(_box(-0.18, -0.5, 0.02, 0.5, 0.16), ground)
    else:
        for level in (-0.36, -0.06, 0.24):
            art.paint(_box(-0.45, level, 0.45, level + 0.14, 0.1), ink)
    return art


def _lettering(rng: np.random.Generator, half_a: float, half_b: float) -> Artwork:
    """Letters cut from foil, perhaps with a line of bars below."""
    ground, _ = _pair(rng)
    art = Artwork(half_a, half_b, ground)
    if rng.random() < 0.5:
        art.write(_word(rng, 5, 12), (0, 0.3), (1.8, 1.1), None)
        art.cut(_box(-0.8, -0.75, float(rng.uniform(-0.1, 0.8)), -0.5))
    else:
        art.write(_word(rng, 4, 10), (0, 0), (1.85, 1.5), None)
    return art


def _stripes(rng: np.random.Generator, half_a: float, half_b: float) -> Artwork:
    """Parallel stripes with slanted ends, or a chequered band."""
    ground, ink = _pair(rng)
    art = Artwork(half_a, half_b, ground)
    if rng.random() < 0.25:
        art.cut(_box(-1, -1, 1, 1))
        step = half_b / half_a
        for column in range(int(2 / step)):
            left, low = -1 + column * step, -1.0 + column % 2
            art.paint(_box(left, low, left + step, low + 1), ink)
        return art
    slant = float(rng.uniform(0, 0.12))
    levels = [(-1.0, -0.45), (-0.1, 0.25), (0.6, 0.85)][: int(rng.integers(1, 4))]
    for low, high in levels:
        art.cut(_box(-0.99, low, 0.98 - slant, high, slant * (high - low)))
    return art


def _label(rng: np.random.Generator, half_a: float, half_b: float) -> Artwork:
    """A permit or a maker's label: a coloured head over rows of small print."""
    ground, ink = _pair(rng)
    art = Artwork(half_a, half_b, _WHITE)
    art.cut(_ring(16))
    head = ink if ground == _WHITE else ground
    art.paint(_box(-1.2, 0.45, 1.2, 1.2), head)
    art.write(_word(rng, 2, 4), (0, 0.06), (1.0, 0.5), _BLACK)
    _bars(art, rng, np.array([-0.8, -0.88, 0.8, -0.3]), int(rng.integers(1, 4)), _BLACK)
    return art


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of sticker: its share, the share of it on glass, its length in metres, height / length, its painter."""

    share: float
    on_glass: float
    length: tuple[float, float]
    ratio: tuple[float, float]
    draw: Callable[[np.random.Generator, float, float], Artwork]

    def sample_size(self, rng: np.random.Generator) -> tuple[float, float]:
        """Half length and half height in metres."""
        half = float(rng.uniform(*self.length)) / 2
        return half, half * float(rng.uniform(*self.ratio))


KINDS = {
    "badge": Kind(0.15, 1.0, (0.075, 0.085), (1, 1), _badge),
    "oval": Kind(0.13, 0.2, (0.10, 0.18), (0.62, 0.7), _oval),
    "bumper": Kind(0.20, 0.3, (0.16, 0.30), (0.2, 0.34), _bumper),
    "emblem": Kind(0.20, 0.3, (0.05, 0.15), (0.9, 1.1), _emblem),
    "lettering": Kind(0.12, 0.35, (0.12, 0.30), (0.16, 0.3), _lettering),
    "stripes": Kind(0.10, 0.0, (0.15, 0.30), (0.15, 0.3), _stripes),
    "label": Kind(0.10, 0.6, (0.035, 0.09), (0.7, 1.2), _label),
}
"""What stickers there are; lengths within 3 to 30 cm."""


def later(rng: np.random.Generator, kind: str, half_a: float, half_b: float) -> Callable[[], Floats]:
    """A function that draws a sticker of this kind; its randomness is settled now."""
    own = np.random.default_rng(rng.integers(0, 2**63))
    return lambda: KINDS[kind].draw(own, half_a, half_b).finished(own)
