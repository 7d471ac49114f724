"""Charts as inline SVG: they take the page's colours, so they are right in light and dark and on any screen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

WIDTH, HEIGHT = 520, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 12, 46
COLOURS = 6
"""How many series colours the style sheet has (``s0`` … ``s5``)."""


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its name in the legend, its points, its colour (an index) and how it is drawn."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A point worth seeing, with a text that appears on hovering."""

    x: float
    y: float
    text: str
    colour: int = 0


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from ``low`` to ``high``, logarithmic if asked; ``ticks`` are chosen when not given."""

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    ticks: tuple[float, ...] = field(default=())

    def place(self, value: float) -> float:
        """Where ``value`` lies between the ends, 0 to 1 (outside values at the ends)."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            value = math.log(max(value, self.low))
        else:
            low, high = self.low, self.high
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def marks(self) -> tuple[float, ...]:
        """The values that get a line and a number."""
        if self.ticks:
            return self.ticks
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            values = (step * 10.0**power for power in range(first, last + 1) for step in (1, 3))
            return tuple(value for value in values if self.low <= value <= self.high * 1.0001)
        step = nice_step((self.high - self.low) / 5)
        first = math.ceil(self.low / step - 1e-9)
        return tuple(step * count for count in range(first, math.floor(self.high / step + 1e-9) + 1))


def nice_step(rough: float) -> float:
    """The 1, 2 or 5 times a power of ten that is at least ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def line_chart(series: Sequence[Series], x: Axis, y: Axis, marks: Sequence[Mark] = (), title: str = "") -> Markup:
    """Lines over two axes, with a legend below for more than one line."""
    parts = [_grid(x, y)]
    for line in series:
        points = " ".join(f"{_x(x, a):.1f},{_y(y, b):.1f}" for a, b in zip(line.x, line.y, strict=True))
        style = f"line s{line.colour % COLOURS}" + (" dashed" if line.dashed else "")
        parts.append(f'<polyline class="{style}" points="{points}"><title>{escape(line.name)}</title></polyline>')
    parts += [
        f'<circle class="mark s{mark.colour % COLOURS}" cx="{_x(x, mark.x):.1f}" cy="{_y(y, mark.y):.1f}" r="5">'
        f"<title>{escape(mark.text)}</title></circle>"
        for mark in marks
    ]
    figure = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        + "".join(parts)
        + "</svg>"
    )
    return Markup(figure) + _legend(series)  # noqa: S704 (numbers and escaped text only)


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.place(value) * (WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - axis.place(value) * (HEIGHT - _TOP - _BOTTOM)


def _grid(x: Axis, y: Axis) -> str:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts = []
    for value in x.marks():
        at = _x(x, value)
        parts.append(f'<line class="grid" x1="{at:.1f}" y1="{_TOP}" x2="{at:.1f}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 17}" text-anchor="middle">{_number(value)}</text>')
    for value in y.marks():
        at = _y(y, value)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{_number(value)}</text>')
    middle = (_LEFT + right) / 2
    parts.append(f'<text class="name" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.name)}</text>')
    turned = f'transform="translate(13 {(_TOP + bottom) / 2}) rotate(-90)"'
    parts.append(f'<text class="name" {turned} text-anchor="middle">{escape(y.name)}</text>')
    return "".join(parts)


def _number(value: float) -> str:
    return f"{value:.6g}"


def _legend(series: Sequence[Series]) -> Markup:
    if len(series) < 2:
        return Markup("")
    items = "".join(
        f'<li><svg viewBox="0 0 24 8" aria-hidden="true"><line class="line s{line.colour % COLOURS}'
        f'{" dashed" if line.dashed else ""}" x1="0" y1="4" x2="24" y2="4"/></svg>{escape(line.name)}</li>'
        for line in series
    )
    return Markup(f'<ul class="legend">{items}</ul>')  # noqa: S704 (numbers and escaped text only)


def span_bar(value: float | None, low: float | None, high: float | None, top: float = 1.0) -> Markup:
    """A figure as a dot with its interval on a line from 0 to ``top``; nothing where there is no value."""
    if value is None or top <= 0:
        return Markup("")
    at = [100 * min(1.0, max(0.0, part / top)) for part in (value, value if low is None else low, high or value)]
    return Markup(  # noqa: S704 (numbers only)
        f'<svg class="span" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<line class="rail" x1="0" y1="5" x2="100" y2="5"/>'
        f'<line class="range" x1="{at[1]:.2f}" y1="5" x2="{max(at[2], at[1] + 0.5):.2f}" y2="5"/>'
        f'<line class="value" x1="{at[0]:.2f}" y1="0" x2="{at[0]:.2f}" y2="10"/></svg>'
    )
