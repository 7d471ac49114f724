"""The texture atlas of a vehicle: which material lies where, drawn as blurred masks.

A blurred mask is a signed distance in disguise: across an edge it rises from 0 to 1 with a known slope, so edges stay
sharp at any magnification (Green, "Improved alpha-tested magnification for vector textures and special effects",
SIGGRAPH 2007).
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic import charts
from dentwatch.data.synthetic.body import Body, Outline
from dentwatch.data.synthetic.charts import GREENHOUSE, PLATE, TOP, WALL, WHEEL, Chart

PANEL_A, PANEL_B, GLASS, BLACK, LAMP, TAIL, CHROME, WHITE = range(8)
BLUR = 1.4
"""Standard deviation of the blur in pixels of the atlas; the mask's slope at an edge is 1 / (BLUR √(2π)) per pixel."""
_SHIFT = 4

Points = Sequence[tuple[float, float]]


class Canvas:
    """Eight masks ``(8, H, W)`` to draw on in chart coordinates (metres)."""

    def __init__(self) -> None:
        self.masks = np.zeros((8, charts.SIZE[1], charts.SIZE[0]), np.uint8)

    def polygon(self, channel: int, chart: Chart, points: Points, value: int = 255) -> None:
        """Fill a polygon."""
        fixed = self._fixed(chart, points)
        if channel >= GLASS and value == 255:  # a place has one material
            for other in range(GLASS, 8):
                if other != channel:
                    cv2.fillPoly(self.masks[other], [fixed], 0, cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(self.masks[channel], [fixed], value, cv2.LINE_AA, _SHIFT)

    def line(self, channel: int, chart: Chart, points: Points, width: float, value: int = 255) -> None:
        """Draw a line ``width`` metres wide."""
        thick = max(1, round(width * chart.density))
        cv2.polylines(self.masks[channel], [self._fixed(chart, points)], False, value, thick, cv2.LINE_AA, _SHIFT)

    def disc(self, channel: int, chart: Chart, centre: tuple[float, float], radius: float, value: int = 255) -> None:
        """Fill a circle."""
        angle = np.linspace(0, 2 * np.pi, 72)
        ring = np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)], 1)
        self.polygon(channel, chart, [(float(u), float(v)) for u, v in ring], value)

    def whole(self, channel: int, chart: Chart) -> None:
        """Fill a whole chart."""
        self.masks[
            channel, chart.top - 3 : chart.top + chart.height + 3, chart.left - 3 : chart.left + chart.width + 3
        ] = 255

    def textures(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The blurred masks as two textures ``(H, W, 4)``."""
        first, second = (cv2.GaussianBlur(cv2.merge(list(half)), (0, 0), BLUR) for half in np.split(self.masks, 2))
        return np.asarray(first, np.uint8), np.asarray(second, np.uint8)

    @staticmethod
    def _fixed(chart: Chart, points: Points) -> NDArray[np.int32]:
        array = np.asarray(points, float)
        pixels = np.stack(
            [
                chart.left + (array[:, 0] - chart.u0) * chart.density,
                chart.top + (array[:, 1] - chart.v0) * chart.density,
            ],
            1,
        )
        pixels[:, 0] = np.clip(pixels[:, 0], chart.left - 3, chart.left + chart.width + 2)
        pixels[:, 1] = np.clip(pixels[:, 1], chart.top - 3, chart.top + chart.height + 2)
        return np.asarray(np.round(pixels * 2**_SHIFT), np.int32)


def draw_atlas(
    rng: np.random.Generator, body: Body, lower: Outline, upper: Outline
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The atlas of a vehicle with this body: doors, lamps, glass, grille, wheels and plate."""
    canvas = Canvas()
    for draw in (_doors, _front, _rear):
        draw(canvas, rng, body, lower)
    _arches(canvas, rng, body, lower)
    _tops(canvas, rng, body)
    _windows(canvas, rng, body, upper)
    _wheel(canvas, rng, body)
    _plate(canvas, rng)
    canvas.whole(BLACK, charts.BLACK)
    canvas.whole(CHROME, charts.CHROME)
    return canvas.textures()


def _arches(canvas: Canvas, rng: np.random.Generator, body: Body, lower: Outline) -> None:
    clad = body.style == "suv" and rng.random() < 0.6
    for axle in (body.front_axle, body.rear_axle):
        centre = lower.arc_at(axle), body.wheel_radius
        if clad:
            canvas.disc(BLACK, WALL, centre, body.arch_radius + 0.06)
        reach = body.arch_radius - 0.004
        left, right = centre[0] - reach, centre[0] + reach
        for channel, value in ((PANEL_A, 0), (PANEL_B, 0), (BLACK, 255)):
            canvas.disc(channel, WALL, centre, reach, value)
            canvas.polygon(channel, WALL, [(left, 0), (right, 0), (right, centre[1]), (left, centre[1])], value)
    start, end = lower.arc_at(body.front_axle), lower.arc_at(body.rear_axle)
    if clad or rng.random() < 0.35:
        height = body.sill + float(rng.uniform(0.03, 0.10)) + (0.06 if clad else 0)
        canvas.polygon(BLACK, WALL, [(start, 0), (end, 0), (end, height), (start, height)])
    if rng.random() < 0.22:
        level, thick = body.sill + float(rng.uniform(0.25, 0.34)), float(rng.uniform(0.03, 0.06))
        gap = body.arch_radius + 0.06
        strip = [(start + gap, level), (end - gap, level), (end - gap, level + thick), (start + gap, level + thick)]
        canvas.polygon(BLACK, WALL, strip)


def door_edges(body: Body) -> tuple[float, float, float]:
    """Where, in metres of x, the front door begins, the doors meet, and the rear door ends (at the belt)."""
    hinge = body.front_axle - body.arch_radius - 0.16
    middle = hinge - (1.02 if body.style != "suv" else 0.98)
    return hinge, middle, max(body.rear_axle - 0.05, middle - 0.95)


def _doors(canvas: Canvas, rng: np.random.Generator, body: Body, lower: Outline) -> None:
    hinge, middle, last = door_edges(body)
    floor = body.sill + float(rng.uniform(0.07, 0.12))
    t = lower.arc_at
    start = t(hinge - float(rng.uniform(0.0, 0.05)))
    front = [(t(hinge), 1.3), (t(hinge), 0.6), (start, floor + 0.04), (start + 0.05, floor)]
    # Anti-aliasing widens each door by half a pixel, so their common edge is drawn a pixel apart.
    seam, half = t(middle), 0.5 / WALL.density
    shared = [(seam, floor), (seam + 0.02, 0.7), (seam + 0.02, 1.3)]
    canvas.polygon(PANEL_A, WALL, [*front, *((u - half, v) for u, v in shared)])
    if rng.random() < 0.85:  # four doors
        axle, radius = t(body.rear_axle), body.arch_radius + 0.05
        angle = np.linspace(np.pi * 0.98, np.pi * 0.62, 8)
        arch = [(axle + radius * float(np.cos(a)), body.wheel_radius + radius * float(np.sin(a))) for a in angle]
        arch = [(u, max(v, floor)) for u, v in arch if u > seam]
        rear = [(min(arch[0][0], axle - radius), floor), *arch, (t(last), 1.0), (t(last) + 0.02, 1.3)]
        canvas.polygon(PANEL_B, WALL, [*((u + half, v) for u, v in reversed(shared)), *rear])
    _flap_and_indicator(canvas, rng, body, t(hinge), t(body.rear_axle))


def _flap_and_indicator(canvas: Canvas, rng: np.random.Generator, body: Body, hinge: float, axle: float) -> None:
    u, v = axle - 0.02 + float(rng.uniform(0, 0.1)), body.belt - 0.16
    if rng.random() < 0.5:
        canvas.disc(PANEL_B, WALL, (u, v), 0.078)
    else:
        canvas.polygon(PANEL_B, WALL, _box(u - 0.08, v - 0.07, u + 0.08, v + 0.07))
    if rng.random() < 0.4:
        u, v = hinge - 0.1, body.belt - 0.24
        corners = [(u - 0.035, v), (u + 0.03, v - 0.01), (u + 0.035, v + 0.02), (u - 0.03, v + 0.02)]
        canvas.polygon(CHROME if rng.random() < 0.5 else TAIL, WALL, corners)


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _front(canvas: Canvas, rng: np.random.Generator, body: Body, lower: Outline) -> None:
    arch = lower.arc_at(body.front_axle)
    top = body.nose - 0.03
    seam = top - float(rng.uniform(0.10, 0.2))
    canvas.polygon(
        PANEL_A,
        WALL,
        [
            (-0.1, 0),
            (arch, 0),
            (arch - 0.12, body.wheel_radius + 0.24),
            (arch - 0.42, seam + 0.02),
            (0.55, top),
            (-0.1, top),
        ],
    )
    inner, outer = float(rng.uniform(0.36, 0.5)), arch - float(rng.uniform(0.36, 0.52))
    height = float(rng.uniform(0.13, 0.2))
    rise = float(rng.uniform(0.0, 0.09))
    lamp = [
        (inner, top - height * 0.75),
        (inner + 0.05, top - 0.01),
        (outer, top + rise),
        (outer + 0.03, top - height * 0.3 + rise),
        ((inner + outer) / 2, top - height),
    ]
    canvas.polygon(BLACK, WALL, [(u + (u - 0.7) * 0.03, v + (v - top + height / 2) * 0.12) for u, v in lamp])
    canvas.polygon(LAMP, WALL, lamp)
    for share in (0.3, 0.62):
        centre = inner + (outer - inner) * share, top - height * 0.42 + rise * share
        canvas.disc(BLACK, WALL, centre, height * 0.40)
        canvas.disc(CHROME, WALL, centre, height * 0.36)
        canvas.disc(LAMP, WALL, centre, height * 0.27)
    width = inner - 0.05 if rng.random() < 0.7 else inner * 0.6
    low, high = top - float(rng.uniform(0.14, 0.22)), top - 0.02
    canvas.polygon(BLACK, WALL, [(-0.1, low), (width * 0.85, low), (width, high), (-0.1, high)])
    if rng.random() < 0.65:
        for level in np.linspace(low, high, int(rng.integers(3, 6))):
            canvas.line(CHROME, WALL, [(-0.1, float(level)), (width, float(level))], 0.012)
    if rng.random() < 0.8:
        canvas.disc(CHROME, WALL, (0.0, (low + high) / 2 + 0.02), 0.05)
    intake = float(rng.uniform(0.4, 0.72))
    floor = body.sill + float(rng.uniform(0.07, 0.1))
    ceiling = floor + float(rng.uniform(0.08, 0.15))
    canvas.polygon(BLACK, WALL, [(-0.1, floor), (intake, floor), (intake - 0.08, ceiling), (-0.1, ceiling)])
    canvas.polygon(BLACK, WALL, [(-0.1, 0), (arch, 0), (arch, body.sill + 0.05), (-0.1, body.sill + 0.05)])
    if rng.random() < 0.7:
        fog = intake + 0.16, ceiling - 0.03
        canvas.disc(BLACK, WALL, fog, 0.085)
        canvas.disc(LAMP, WALL, fog, 0.05)


def _rear(canvas: Canvas, rng: np.random.Generator, body: Body, lower: Outline) -> None:
    last, arch = float(lower.arc[-1]), lower.arc_at(body.rear_axle)
    seam = body.belt - float(rng.uniform(0.34, 0.42))
    canvas.polygon(
        PANEL_A,
        WALL,
        [
            (arch, 0),
            (last + 0.1, 0),
            (last + 0.1, seam),
            (last - 0.6, seam),
            (arch + 0.3, seam - 0.03),
            (arch + 0.2, body.wheel_radius + 0.22),
        ],
    )
    lid = last - float(rng.uniform(0.52, 0.6))
    canvas.polygon(
        PANEL_B, WALL, [(lid, 1.3), (lid, seam + 0.02), (lid + 0.05, seam), (last + 0.1, seam), (last + 0.1, 1.3)]
    )
    inner, outer = last - float(rng.uniform(0.4, 0.62)), last - float(rng.uniform(0.95, 1.1))
    high, low = body.belt - float(rng.uniform(-0.02, 0.05)), body.belt - float(rng.uniform(0.2, 0.3))
    tail = [(outer, high - 0.05), (inner, high), (inner, low + 0.05), (inner - 0.2, low), (outer + 0.05, low + 0.02)]
    canvas.polygon(TAIL, WALL, tail)
    if rng.random() < 0.7:
        level = (high + low) / 2
        canvas.polygon(
            WHITE,
            WALL,
            [
                (outer + 0.12, level - 0.03),
                (inner - 0.05, level - 0.03),
                (inner - 0.05, level + 0.02),
                (outer + 0.12, level + 0.02),
            ],
            150,
        )
    floor = body.sill + float(rng.uniform(0.05, 0.13))
    canvas.polygon(
        BLACK,
        WALL,
        [(arch, 0), (last + 0.1, 0), (last + 0.1, floor + 0.03), (last - 0.5, floor + 0.03), (arch, body.sill + 0.04)],
    )
    if rng.random() < 0.4:
        canvas.polygon(
            BLACK,
            WALL,
            [
                (arch + 0.36, seam - 0.15),
                (last + 0.1, seam - 0.15),
                (last + 0.1, seam - 0.11),
                (arch + 0.36, seam - 0.11),
            ],
        )
    if rng.random() < 0.8:
        canvas.disc(CHROME, WALL, (last, body.belt - 0.08), 0.045)


def _tops(canvas: Canvas, rng: np.random.Generator, body: Body) -> None:
    nose = body.length / 2
    side = body.width / 2 - 0.14
    cowl = body.screen_base - 0.12
    canvas.polygon(
        PANEL_B,
        TOP,
        [
            (cowl, 0),
            (nose - 0.25, 0),
            (nose - 0.3, side * 0.6),
            (nose - 0.55, side * 0.95),
            (body.screen_base + 0.1, side + 0.03),
            (cowl, side),
        ],
    )
    scuttle = body.screen_base + 0.06
    canvas.polygon(
        BLACK,
        TOP,
        [(cowl - 0.6, 0), (scuttle + 0.05, 0), (scuttle, side * 0.6), (cowl, side - 0.05), (cowl - 0.6, side - 0.05)],
    )
    if body.style == "saloon":
        rear = body.rear_base - 0.06
        canvas.polygon(PANEL_B, TOP, [(-nose, 0), (rear, 0), (rear, side - 0.03), (-nose, side - 0.08)])
    if rng.random() < 0.15:
        canvas.line(BLACK, TOP, [(cowl, 0.3), (nose, 0.26)], 0.012)


def _windows(canvas: Canvas, rng: np.random.Generator, body: Body, upper: Outline) -> None:
    turn = np.arctan2(upper.normals[:, 1], upper.normals[:, 0])
    front = float(np.interp(0.78, turn, upper.arc))
    side = float(np.interp(1.32, turn, upper.arc))
    rear_side = float(np.interp(np.pi - 1.25, turn, upper.arc))
    rear = float(np.interp(np.pi - 0.7, turn, upper.arc))
    last = float(upper.arc[-1])
    _, middle, door = door_edges(body)
    pillar, end = upper.arc_at(middle), upper.arc_at(door - 0.16)
    canvas.polygon(BLACK, GREENHOUSE, [(-0.1, -0.05), (front, -0.05), (front - 0.05, 0.49), (-0.1, 0.49)])
    canvas.polygon(GLASS, GREENHOUSE, [(-0.1, 0.0), (front - 0.04, 0.0), (front - 0.09, 0.47), (-0.1, 0.47)])
    canvas.polygon(BLACK, GREENHOUSE, [(rear, -0.05), (last + 0.1, -0.05), (last + 0.1, 0.49), (rear + 0.05, 0.49)])
    canvas.polygon(GLASS, GREENHOUSE, [(rear + 0.06, 0.03), (last + 0.1, 0.03), (last + 0.1, 0.46), (rear + 0.1, 0.46)])
    quarter = body.style in ("estate", "suv") or rng.random() < 0.5
    back = rear_side - 0.06 if quarter else min(end, rear_side)
    rim = [(side, 0.01), (back, 0.01), (back - 0.03, 0.3), (back - 0.14, 0.455), (side + 0.12, 0.455)]
    trim = CHROME if rng.random() < 0.2 else BLACK
    if trim == CHROME:
        canvas.line(CHROME, GREENHOUSE, rim[:2], 0.03)
    canvas.polygon(BLACK, GREENHOUSE, rim)
    glass = [(side + 0.05, 0.04), (back - 0.04, 0.04), (back - 0.07, 0.3), (back - 0.17, 0.425), (side + 0.15, 0.425)]
    canvas.polygon(GLASS, GREENHOUSE, glass)
    bars = [(pillar, 0.09)] + ([(end, 0.05)] if quarter and end < back - 0.2 else [])
    for position, width in bars:
        left, right = position - width / 2, position + width / 2
        canvas.polygon(BLACK, GREENHOUSE, [(left, 0.01), (right, 0.01), (right + 0.02, 0.455), (left + 0.02, 0.455)])


def _wheel(canvas: Canvas, rng: np.random.Generator, body: Body) -> None:
    radius = body.wheel_radius * 0.7
    canvas.whole(BLACK, WHEEL)
    canvas.disc(CHROME, WHEEL, (0, 0), radius)
    canvas.disc(BLACK, WHEEL, (0, 0), radius * 0.92)
    count, width = int(rng.choice([5, 6, 7, 8, 10, 12])), float(rng.uniform(0.10, 0.2))
    twin = count <= 6 and rng.random() < 0.5
    turn = float(rng.uniform(0, 6))
    width *= 7 / (count + 2) if not twin else 0.5
    for spoke in range(count):
        for shift in (-0.16, 0.16) if twin else (0.0,):
            a = turn + 2 * np.pi * spoke / count
            points = []
            for r, w in ((0.12, 1.0), (0.97, 0.75), (0.97, -0.75), (0.12, -1.0)):
                across = w * width / 2 + shift * r
                points.append(
                    (radius * (r * np.cos(a) - across * np.sin(a)), radius * (r * np.sin(a) + across * np.cos(a)))
                )
            canvas.polygon(CHROME, WHEEL, points)
    canvas.disc(CHROME, WHEEL, (0, 0), radius * 0.22)
    canvas.disc(BLACK, WHEEL, (0, 0), radius * 0.1)


def _plate(canvas: Canvas, rng: np.random.Generator) -> None:
    canvas.whole(WHITE, PLATE)
    canvas.polygon(BLACK, PLATE, [(-0.26, -0.055), (0.26, -0.055), (0.26, 0.055), (-0.26, 0.055)])
    canvas.polygon(WHITE, PLATE, [(-0.252, -0.048), (0.252, -0.048), (0.252, 0.048), (-0.252, 0.048)])
    # Letters that no registration authority issues: a run of consonants of random length, or a blank plate.
    text = "".join(rng.choice(list("BCDFGHKLMNPRSTVWXZ"), int(rng.integers(0, 9))))
    origin = (PLATE.left + 22, PLATE.top + PLATE.height - 16)
    for channel, value in ((BLACK, 255), (WHITE, 0)):
        cv2.putText(canvas.masks[channel], text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.95, value, 2, cv2.LINE_AA)
